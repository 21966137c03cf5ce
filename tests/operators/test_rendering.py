"""Rendered arguments: real values in the code of a user, ``***`` in what Airflow stores, all of them sent."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from airflow_provider_usedesk.compat.sdk import AirflowFailException
from airflow_provider_usedesk.decorators.ticket import usedesk_ticket_task
from airflow_provider_usedesk.operators.ticket import CreateTicketOperator
from tests.support.airflow import URL
from tests.support.operators import attempt_context, dag, pushed, run_attempt

REAL = "Dear Anna"
HOOKS = """
from pathlib import Path

def record(place, task):
    with Path(FILE).open("a") as file:
        file.write(f"{place}: {type(task.message).__name__} {task.message}\\n")

def callback(context):
    record("callback", context["task"])

def hook(context):
    record("hook", context["task"])

class Recording(CreateTicketOperator):
    def pre_execute(self, context):
        record("pre_execute", self)

    def execute(self, context):
        record("execute", self)
        return super().execute(context)

    def execute_complete(self, context, **kwargs):
        record("execute_complete", self)
        return super().execute_complete(context, **kwargs)

    def post_execute(self, context, result=None):
        record("post_execute", self)

class Footer(CreateTicketOperator):
    overwrite_rtif_after_execution = True

    def execute(self, context):
        self.message += " -- footer"
        return super().execute(context)

arguments = {"subject": "Subject", "message": "Dear {{ 'Anna' }}"}
"""
CALLBACKS = "on_execute_callback=callback, on_success_callback=callback, on_failure_callback=callback"


@pytest.fixture
def run_recording(run_dag, tmp_path):
    """Run a Dag whose tasks record the message that their code reads; return the run and the records."""

    def run(body: str, options: str = ""):
        records = tmp_path / "records"
        done = run_dag(dag(f"FILE = {str(records)!r}\n{HOOKS}\n{body}", options))
        return done, records.read_text().splitlines() if records.exists() else []

    return run


def test_methods_and_callbacks_read_real_values(run_recording, usedesk):
    run, records = run_recording(f"Recording(task_id='open', **arguments, {CALLBACKS})")
    assert run.state == "success"
    places = ["pre_execute", "callback", "execute", "post_execute", "callback"]
    assert sorted(records) == sorted(f"{place}: str {REAL}" for place in places)
    assert run.rendered["open", -1]["message"] == "***"


def test_pre_execute_hook_reads_real_values(run_recording, usedesk):
    run, records = run_recording("CreateTicketOperator(task_id='open', **arguments, pre_execute=hook)")
    assert records == [f"hook: str {REAL}"]
    assert run.rendered["open", -1]["message"] == "***"


def test_deferred_task_reads_real_values(run_recording, usedesk):
    comment = {"id": 5, "from": "user", "type": "public"}
    details = [
        {"ticket": {"id": 1001}, "comments": [{**comment, "delivered": delivered}]} for delivered in (0, 1)
    ]
    usedesk.post(f"{URL}/ticket", [{"json": one} for one in details])
    run, records = run_recording(
        "Recording(task_id='open', **arguments, wait_for_delivery=True, deferrable=True, "
        "delivery_poke_interval=0.05)"
    )
    assert run.state == "success"
    assert f"execute_complete: str {REAL}" in records
    assert all(line.endswith(f": str {REAL}") for line in records)
    assert run.rendered["open", -1]["message"] == "***"


def test_failed_task_stores_hidden_values(run_recording, usedesk):
    usedesk.post(f"{URL}/create/ticket", json={"code": 119, "error": "client"})
    run, records = run_recording(f"Recording(task_id='open', **arguments, {CALLBACKS})")
    assert run.state == "failed"
    assert records[-1] == f"callback: str {REAL}"
    assert run.rendered["open", -1]["message"] == "***"


def test_changed_message_is_sent_and_hidden(run_recording, usedesk):
    run, _ = run_recording("""
Footer(task_id="open", **arguments)
Footer.partial(task_id="mapped", subject="Subject").expand(message=["One", "Two"])
""")
    assert run.state == "success"
    messages = {sent["message"] for sent in usedesk.sent()}
    assert messages == {f"{REAL} -- footer", "One -- footer", "Two -- footer"}
    for key in (("open", -1), ("mapped", 0), ("mapped", 1)):
        assert run.rendered[key]["message"] == "***"
        assert run.rendered[key]["subject"] == "***"


def test_hidden_values_are_not_stored_elsewhere(run_recording, usedesk, left_behind):
    run, _ = run_recording("""
name = "{{ 'Qwerty' }}{{ 'uiop' }}"
Footer(task_id="open", subject=name, message="m", client_name=name)
""")
    assert run.state == "success"
    assert usedesk.sent()[0]["client_name"] == "Qwertyuiop"
    assert b"Qwertyuiop" not in left_behind(run)


def test_failed_template_stores_no_values(run_recording, usedesk, left_behind):
    run, _ = run_recording("""
class Broken(Footer):
    template_fields = ("subject", "message")

Broken(task_id="open", subject="{{ 'Qwerty' }}{{ 'uiop' }}", message="{{ 1 / 0 }}")
""")
    assert run.state == "failed"
    assert b"Qwertyuiop" not in left_behind(run)


def test_rendered_text_is_not_rendered_again(run_recording, usedesk):
    """A subclass may render what it has set itself; what came from upstream stays as it is."""
    run, _ = run_recording("""
class Twice(CreateTicketOperator):
    def execute(self, context):
        self.subject = "{{ 40 + 2 }}"
        self.render_template_fields(context)
        return super().execute(context)

@task
def text():
    return "a {{ 1 + 1 }}"

Twice(task_id="open", subject="s", message=text())
""")
    assert run.state == "success"
    [sent] = usedesk.sent()
    assert (sent["subject"], sent["message"]) == ("42", "a {{ 1 + 1 }}")


def test_nested_template_fields_are_rendered():
    class Address:
        template_fields = ("city",)
        city = "{{ 'Mos' }}cow"

    operator = CreateTicketOperator(task_id="open", subject="s", message="m", client_address=Address())
    operator.render_template_fields(attempt_context())
    assert operator.client_address.city == "Moscow"


NARROWED = {
    "ticket": (
        "CreateTicketOperator",
        {"subject": "{{ s }}", "message": "{{ 'm' }}", "channel_id": 5, "tag": "a"},
        {"subject": "{{ s }}", "message": "m", "channel_id": 5, "tag": "a"},
    ),
    "whatsapp": (
        "SendWhatsAppTemplateOperator",
        {"channel_id": 5, "client_phone": "79123456789", "template_id": 7, "message": "{{ 'm' }}"},
        {"channel_id": 5, "client_phone": "79123456789", "template_id": 7, "message": "m", "from": "user"},
    ),
    "comment": (
        "CreateCommentOperator",
        {"ticket_id": 77, "type": "public", "message": "{{ 'm' }}", "cc": "a@example.org"},
        {"ticket_id": 77, "type": "public", "message": "m", "cc": ["a@example.org"]},
    ),
    "update": (
        "UpdateTicketOperator",
        {"ticket_id": 77, "subject": "{{ s }}", "message": None, "status": 2},
        {"ticket_id": 77, "subject": "{{ s }}", "status": 2},
    ),
}


@pytest.mark.parametrize(("operator", "arguments", "expected"), NARROWED.values(), ids=NARROWED)
def test_narrow_template_fields_send_all(run_dag, usedesk, operator, arguments, expected):
    usedesk.post(f"{URL}/create/comment", json={"status": "success", "comment_id": 5})
    usedesk.post(f"{URL}/update/ticket", json={"status": "success"})
    given = {name: value for name, value in arguments.items() if value is not None}
    run = run_dag(
        dag(f"""
class Narrow({operator}):
    template_fields = ("message",)

Narrow(task_id="send", **{given!r})
""")
    )
    assert run.state == "success"
    [sent] = usedesk.sent()
    assert {
        name: value for name, value in sent.items() if name not in ("api_token", "additional_id")
    } == expected


def test_narrow_decorator_sends_all(usedesk):
    operator = usedesk_ticket_task(lambda: "m", task_id="open", subject="s", channel_id=5, tag="a")().operator
    operator.template_fields = ("message",)
    operator.execute(attempt_context())
    [sent] = usedesk.sent()
    assert (sent["subject"], sent["message"], sent["channel_id"], sent["tag"]) == ("s", "m", 5, "a")


def test_narrow_batch_sends_all(run_dag, usedesk_sandbox, tmp_path):
    run = run_dag(
        dag(f"""
class Narrow(CreateTicketBatchOperator):
    template_fields = ("message",)

Narrow(
    task_id="send", recipients=[{{"id": 1}}], row_key="id", subject="{{{{ s }}}}", message="{{{{ 'm' }}}}",
    priority="low", checkpoint_path={str(tmp_path)!r},
)
""")
    )
    assert run.state == "success"
    [ticket] = usedesk_sandbox.tickets
    assert (ticket.subject, ticket.message, ticket.priority) == ("{{ s }}", "m", "low")


def test_argument_of_a_subclass_is_sent(run_dag, usedesk):
    """Arguments of the constructor are sent; other attributes that a subclass sets are its own."""
    run = run_dag(
        dag("""
class Named(SendViberMessageOperator):
    def __init__(self, *, username, **kwargs):
        super().__init__(**kwargs)
        self.username = username
        self.template_lang = "en"

Named(task_id="send", subject="s", message="m", channel_id=1, client_id=5, username="anna")
""")
    )
    assert run.state == "success"
    names = {"api_token", "subject", "message", "channel_id", "client_id", "additional_id", "username"}
    assert set(usedesk.sent()[0]) == names


def test_changed_message_is_not_searched_as_sent(run_dag, usedesk):
    """A subclass may add another text in each attempt, so the search cannot exclude the earlier comment."""
    usedesk.post(f"{URL}/create/comment", [{"text": ""}, {"json": {"status": "success", "comment_id": 5}}])
    moment = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
    comment = {"id": 501, "from": "user", "type": "public", "message": "m 1", "published_at": moment}
    usedesk.post(f"{URL}/ticket", json={"ticket": {"id": 77}, "comments": [comment]})
    run = run_dag(
        dag(
            """
class Numbered(CreateCommentOperator):
    def execute(self, context):
        self.message += f" {context['ti'].try_number}"
        return super().execute(context)

Numbered(task_id="write", ticket_id=77, type="public", message="m")
""",
            "default_args={'retries': 1, 'retry_delay': 0.1}",
        )
    )
    assert run.state == "failed"
    assert sum(one.url == f"{URL}/create/comment" for one in usedesk.request_history) == 1


def test_rendered_fields_are_json(run_recording, usedesk):
    run, _ = run_recording("Recording(task_id='open', **arguments, tag=['a'], custom_fields={10: '{{ 1 }}'})")
    assert json.loads(json.dumps(run.rendered["open", -1]))["tag"] == ["a"]
    assert run.rendered["open", -1]["custom_fields"] == "***"
    assert pushed(run, "open")["ticket_id"] == 1001


NAN = float("nan")


class TestNaN:
    """NaN in an argument, as a data frame or an XCom brings it."""

    @pytest.mark.parametrize("native", [True, False])
    def test_literal_is_not_given(self, usedesk, native):
        given = {"client_name": NAN, "channel_id": NAN}
        run_attempt(CreateTicketOperator, native=native, subject="s", message="m", **given)
        [sent] = usedesk.sent()
        assert not given.keys() & sent.keys()

    @pytest.mark.parametrize(("native", "reason"), [(True, "empty"), (False, "text 'nan'")])
    @pytest.mark.parametrize("name", ["message", "channel_id"])
    def test_result_of_a_template_is_refused(self, usedesk, native, reason, name):
        given = {"subject": "s", "message": "m", name: "{% set nan = 'nan' %}{{ nan | float }}"}
        with pytest.raises(AirflowFailException, match=f"{name}: .*{reason}"):
            run_attempt(CreateTicketOperator, native=native, **given)
        assert not usedesk.sent()

    def test_value_of_a_function_is_not_given(self, usedesk):
        def opening():
            return {"subject": "s", "message": "m", "client_name": NAN, "additional_id": NAN}

        run_attempt(lambda **given: usedesk_ticket_task(opening, **given)().operator)
        [sent] = usedesk.sent()
        assert "client_name" not in sent
        assert sent["additional_id"].startswith("af2.")

    def test_text_of_null_names_no_message(self, usedesk):
        with pytest.raises(AirflowFailException, match="message_key: .*'None'"):
            run_attempt(CreateTicketOperator, subject="s", message="m", message_key="{{ none }}")
