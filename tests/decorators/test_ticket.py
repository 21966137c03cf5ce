"""The decorator ``@task.usedesk_ticket``: what the function returns is sent once, unrendered."""

from __future__ import annotations

import asyncio
import json
import math
from functools import partial

import pytest

from airflow_provider_usedesk import sandbox as faults
from airflow_provider_usedesk.api.errors import UsedeskOutcomeUnknown
from airflow_provider_usedesk.compat.sdk import AirflowFailException, DecoratedOperator
from airflow_provider_usedesk.decorators.ticket import usedesk_ticket_task
from airflow_provider_usedesk.operators.ticket import CreateTicketOperator
from tests.support import operators
from tests.support.airflow import TOKEN, URL
from tests.support.dags import task
from tests.support.operators import StateStore, attempt_context, pushed, run_attempt

dag = partial(operators.dag, dag_id="taskflow")


def without_key(sent):
    return {name: value for name, value in sent.items() if name not in ("api_token", "additional_id")}


def test_decorator_is_registered():
    decorator = task.usedesk_ticket
    assert (decorator.__module__, decorator.__name__) == (
        usedesk_ticket_task.__module__,
        usedesk_ticket_task.__name__,
    )


@pytest.mark.parametrize("native", [False, True])
def test_dict_overrides_decorator_arguments(run_dag, usedesk, native):
    run = run_dag(
        dag(
            """
@task
def find():
    return {"client": "Anna", "phone": "+7 (912) 345-67-89"}

@task.usedesk_ticket(subject="Of the decorator", channel_id="{{ 600 + 83 }}", priority="low", from_="user")
def open_ticket(person, day, *, ds) -> dict:
    return {
        "subject": f"Invoice of {person['client']}, {day}",
        "message": "owes",
        "client_phone": person["phone"],
        "custom_fields": {10: True},
        "tag": ["debt", "may"],
        "priority": None,
        "from": "client",
    }

@task
def note(ticket_id):
    return ticket_id + 1

note(open_ticket(find(), "{{ 'on ' ~ 'Monday' }}"))
""",
            f"render_template_as_native_obj={native}",
        )
    )
    assert run.state == "success"
    [sent] = usedesk.sent()
    assert without_key(sent) == {
        "subject": "Invoice of Anna, on Monday",
        "message": "owes",
        "client_phone": "79123456789",
        "field_id": "10",
        "field_value": "true",
        "tag": "debt,may",
        "channel_id": 683,
        "priority": "low",
        "from": "client",
    }
    assert sent["additional_id"].endswith("/taskflow/open_ticket")
    ids = {"return_value": 1001, "ticket_id": 1001, "message_status": "delivered"}
    assert pushed(run, "open_ticket") == ids
    assert run.xcoms["note", -1] == {"return_value": 1002}


def make(function, *args, task_id="open", **options):
    return usedesk_ticket_task(function, task_id=task_id, **options)(*args).operator


def run_function(function, *args, **options):
    return run_attempt(partial(make, function, *args), **options)


def test_text_is_the_message(usedesk):
    run_function(lambda: "Hello", subject="s", message="Of the decorator")
    assert without_key(usedesk.sent()[0]) == {"subject": "s", "message": "Hello"}


def test_returned_files_are_sent(usedesk_sandbox):
    run_function(lambda: {"subject": "s", "message": "m", "files": [("a.txt", b"content")]})
    [ticket] = usedesk_sandbox.tickets
    assert [(file.name, file.content) for file in ticket.files] == [("a.txt", b"content")]


INJECTION = "{{ 40 + 2 }} {{ conn.usedesk_default.password }} {% raw %}"


def test_returned_values_are_not_rendered(run_dag, usedesk):
    body = f"""
@task
def texts():
    return [{INJECTION!r}]

@task.usedesk_ticket(subject="s")
def plain():
    return {{"subject": {INJECTION!r}, "message": {INJECTION!r}, "custom_fields": {{1: {INJECTION!r}}}}}

@task.usedesk_ticket(subject="s")
def from_upstream(texts):
    return texts[0]

@task.usedesk_ticket(subject="s")
def mapped(text):
    return text

texts = texts()
plain()
from_upstream(texts)
mapped.expand(text=texts)
"""
    run = run_dag(dag(body))
    assert run.state == "success"
    by_field = {sent.get("field_value", sent["subject"]): sent for sent in usedesk.sent()}
    assert by_field[INJECTION]["subject"] == INJECTION
    assert [sent["message"] for sent in usedesk.sent()] == [INJECTION] * 3


def test_returned_text_names_no_file(run_dag, usedesk, tmp_path):
    (tmp_path / "letter.txt").write_text("{{ 40 + 2 }} from the file")
    body = """
@task.usedesk_ticket(subject="s")
def returned():
    return "letter.txt"

@task.usedesk_ticket(subject="s", message="letter.txt")
def of_the_decorator():
    return {}

returned()
of_the_decorator()
"""
    assert run_dag(dag(body, f"template_searchpath={str(tmp_path)!r}")).state == "success"
    assert sorted(sent["message"] for sent in usedesk.sent()) == ["42 from the file", "letter.txt"]


@pytest.mark.parametrize("returned", [None, ["a"], 5, ("a", "b")], ids=lambda value: type(value).__name__)
def test_other_return_types_fail_task(usedesk, returned):
    with pytest.raises(AirflowFailException, match=f"It returned {type(returned).__name__}"):
        run_function(lambda: returned, subject="s", message="m")
    assert usedesk.sent() == []


def test_all_invalid_arguments_are_named(usedesk):
    returned = {"mesage": "m", 5: "x", "usedesk_conn_id": "other", "subject": " "}
    with pytest.raises(AirflowFailException) as caught:
        run_function(lambda: returned, channel_id="{{ 'abc' }}")
    assert usedesk.sent() == []
    for error in (
        "mesage: is not a parameter of create/ticket; is message meant?",
        "5: is not a parameter",
        "usedesk_conn_id: is not a parameter",
        "subject: ",
        "message: is required",
        "channel_id: ",
    ):
        assert error in str(caught.value)


def test_invalid_return_is_not_retried(run_dag, usedesk):
    body = """
@task.usedesk_ticket(subject="s", message="m", retries=3)
def open_ticket():
    return 5

open_ticket()
"""
    run = run_dag(dag(body))
    assert run.states == {("open_ticket", -1): "failed"}
    assert usedesk.sent() == []
    assert "It returned int" in run.printed


def test_override_partial_and_expand(run_dag, usedesk):
    body = """
@task
def people():
    return [{"name": "Anna", "number": 1}, {"name": "Boris", "number": 2}]

@task.usedesk_ticket(subject="s", tag="{{ 'of ' ~ task.task_id }}")
def remind(name, number, *, ti):
    return f"{name} {number} {ti.map_index}"

remind("Once", 0)
remind("Twice", 0)
remind.override(task_id="other", subject="o")("Other", 0)
remind.override(task_id="each").partial(number=7).expand(name=["A", "{{ 'B' }}"])
remind.override(task_id="all").expand_kwargs(people())
"""
    run = run_dag(dag(body))
    assert run.state == "success"
    sent = {one["message"]: (one["subject"], one["tag"]) for one in usedesk.sent()}
    assert sent == {
        "Once 0 -1": ("s", "of remind"),
        "Twice 0 -1": ("s", "of remind__1"),
        "Other 0 -1": ("o", "of other"),
        "A 7 0": ("s", "of each"),
        "B 7 1": ("s", "of each"),
        "Anna 1 0": ("s", "of all"),
        "Boris 2 1": ("s", "of all"),
    }
    keys = [one["additional_id"] for one in usedesk.sent()]
    assert len(set(keys)) == len(keys)


def test_async_function(usedesk):
    async def open_ticket(name):
        await asyncio.sleep(0)
        return f"Hello {name}"

    run_function(open_ticket, "Anna", subject="s")
    assert usedesk.sent()[0]["message"] == "Hello Anna"


def test_arguments_named_like_context(run_dag, usedesk):
    body = """
@task.usedesk_ticket
def open_ticket(subject, message, channel_id, dag_run, **context):
    return {"subject": subject, "message": f"{message} {context['dag'].dag_id}", "channel_id": channel_id}

open_ticket("s", "m", channel_id=5, dag_run="mine")
"""
    run = run_dag(dag(body))
    assert run.state == "success"
    assert without_key(usedesk.sent()[0]) == {"subject": "s", "message": "m taskflow", "channel_id": 5}


def test_function_arguments_are_not_stored(run_dag, usedesk, left_behind):
    body = """
@task.usedesk_ticket(subject="Subject of {{ 'Qwerty' }}{{ 'uiop' }}", channel_id="{{ 683 }}")
def open_ticket(name, phone):
    assert name == "Qwerty" + "uiop"
    return {"message": f"Dear {name}", "client_phone": phone, "username": name, "custom_fields": {10: name}}

open_ticket("{{ 'Qwerty' }}{{ 'uiop' }}", phone="{{ '7912' }}{{ '0000001' }}")
open_ticket.override(task_id="mapped").partial(phone="{{ '7912' }}{{ '0000001' }}").expand(
    name=["{{ 'Qwerty' }}{{ 'uiop' }}"]
)
"""
    run = run_dag(dag(body))
    assert run.state == "success"
    assert [sent["client_phone"] for sent in usedesk.sent()] == ["79120000001"] * 2
    assert run.rendered["open_ticket", -1]["op_args"] == "***"
    assert run.rendered["mapped", 0]["op_args"] in ([], "[]")
    for key in (("open_ticket", -1), ("mapped", 0)):
        assert run.rendered[key]["op_kwargs"] == "***"
        assert run.rendered[key]["subject"] == "***"
        assert run.rendered[key]["channel_id"] in (683, "683")
    for secret in (TOKEN.encode(), b"Qwertyuiop", b"79120000001"):
        assert secret not in left_behind(run)


def test_failure_logs_no_personal_values(run_dag, usedesk, left_behind):
    usedesk.post(
        f"{URL}/create/ticket",
        json={"code": 119, "error": f"{TOKEN}: no client Qwertyuiop 79120000001"},
    )
    body = """
@task.usedesk_ticket(subject="s")
def open_ticket(name):
    return {"message": "m", "client_name": name + "uiop", "client_phone": "7912" + "0000001"}

open_ticket("{{ 'Qwerty' }}")
"""
    run = run_dag(dag(body))
    assert run.state == "failed"
    assert "UsedeskClientNotFound" in run.printed
    for secret in (TOKEN.encode(), b"Qwertyuiop", b"79120000001"):
        assert secret not in left_behind(run)


def test_not_delivered_fails_with_ids(run_dag, usedesk):
    usedesk.post(
        f"{URL}/create/ticket",
        json={"status": "success", "ticket_id": "77", "message_status": "not delivered"},
    )
    body = """
@task.usedesk_ticket(subject="s", retries=3)
def open_ticket():
    return "m"

open_ticket()
"""
    run = run_dag(dag(body))
    assert run.states == {("open_ticket", -1): "failed"}
    assert len(usedesk.sent()) == 1
    assert pushed(run, "open_ticket") == {"ticket_id": 77, "message_status": "not delivered"}


def test_task_has_ticket_link(run_dag, usedesk_sandbox, monkeypatch):
    connection = {**usedesk_sandbox.connection, "extra": {"web_url": "https://help.example"}}
    monkeypatch.setenv("AIRFLOW_CONN_USEDESK_DEFAULT", json.dumps(connection))
    body = """
@task.usedesk_ticket(subject="s")
def open_ticket(message):
    return message

open_ticket("m")
open_ticket.override(task_id="mapped").expand(message=["a"])
"""
    run = run_dag(dag(body))
    for key in (("open_ticket", -1), ("mapped", 0)):
        ticket_id = run.xcoms[key]["ticket_id"]
        assert run.xcoms[key]["ticket_url"] == f"https://help.example/tickets/{ticket_id}"
    operator = make(lambda: "m")
    assert operator.operator_extra_links == CreateTicketOperator.operator_extra_links
    assert set(operator.template_fields) == {
        *DecoratedOperator.template_fields,
        *CreateTicketOperator.template_fields,
    }
    assert operator.task_type == "_UsedeskTicketDecoratedOperator"
    assert operator.operator_name == "@task.usedesk_ticket"


@pytest.mark.parametrize("has_store", [False, True])
@pytest.mark.parametrize("where", ["returned", "decorator"])
def test_retry_reuses_ticket_despite_new_text(usedesk_sandbox, has_store, where):
    store = StateStore() if has_store else None
    calls = []

    def write():
        calls.append("called")
        number = len(calls)
        changing = {"subject": f"{number} errors", "client_id": "new_client"} if where == "returned" else {}
        return {"message": f"There are {number} errors", **changing}

    usedesk_sandbox.fail(faults.close("after"), method="create/ticket")
    operator = make(write, subject="errors", retries=1)
    with pytest.raises(UsedeskOutcomeUnknown):
        operator.execute(attempt_context(1, max_tries=1, store=store, task_id="open"))
    again = attempt_context(2, max_tries=1, store=store, task_id="open")
    operator = make(write, subject="errors", retries=1)
    ticket_id = operator.execute(again)
    assert calls == ["called", "called"]
    [ticket] = usedesk_sandbox.tickets
    assert ticket.ticket_id == ticket_id == again["ti"].pushed["ticket_id"]
    assert usedesk_sandbox.requests("create/ticket") == 1
    assert ticket.additional_id.endswith("/example/open")


@pytest.mark.parametrize(
    ("name", "value"),
    [("subject", "3 payments failed"), ("client_id", 27747628)],
    ids=["subject", "client_id"],
)
def test_retry_reuses_ticket_despite_new_names(run_dag, usedesk_sandbox, name, value):
    usedesk_sandbox.fail(faults.close("after"), method="create/ticket")
    body = f"""
@task.usedesk_ticket(subject="Daily report", client_id=27747627)
def open_ticket(ti=None):
    return {{"message": "m", {name!r}: {value!r}}} if ti.try_number == 1 else "m"

open_ticket()
"""
    run = run_dag(dag(body, "default_args={'retries': 1, 'retry_delay': 0.1}"))
    assert run.state == "success"
    [ticket] = usedesk_sandbox.tickets
    assert run.xcoms["open_ticket", -1]["ticket_id"] == ticket.ticket_id


def test_retry_sends_after_function_error(usedesk_sandbox):
    calls = []

    def write():
        calls.append("called")
        if len(calls) == 1:
            raise LookupError("not ready")
        return "m"

    operator = make(write, subject="s", retries=1)
    with pytest.raises(LookupError):
        operator.execute(attempt_context(1, max_tries=1, store=StateStore(), task_id="open"))
    operator.execute(attempt_context(2, max_tries=1, store=StateStore(), task_id="open"))
    assert [ticket.message for ticket in usedesk_sandbox.tickets] == ["m"]


@pytest.mark.parametrize("returned", [None, math.nan, ""])
def test_returned_empty_message_key_fails(usedesk_sandbox, returned):
    """The map index would name the message, which is another one when the list moves."""
    operator = make(lambda: {"message": "m", "message_key": returned}, subject="s")
    with pytest.raises(AirflowFailException, match="message_key: is given but empty"):
        operator.execute(attempt_context(1, task_id="open", map_index=0))
    assert not usedesk_sandbox.tickets


def test_returned_null_keeps_the_message_key_of_the_decorator(usedesk_sandbox):
    operator = make(lambda: {"message": "m", "message_key": None}, subject="s", message_key="visit-1")
    operator.execute(attempt_context(1, task_id="open"))
    assert len(usedesk_sandbox.tickets) == 1


def test_returned_message_key_names_message(usedesk_sandbox):
    """The list of a mapped task has moved between the run and its clear."""

    def write(visit):
        return {"message": f"About {visit}", "message_key": visit}

    def run(visit, map_index, clear_number=0):
        context = attempt_context(1, task_id="open", map_index=map_index, clear_number=clear_number)
        return make(write, visit, subject="Visit").execute(context)

    first = run("visit-1", 0)
    assert run("visit-1", 1, clear_number=1) == first
    assert [ticket.message for ticket in usedesk_sandbox.tickets] == ["About visit-1"]
