"""Rendered arguments: real values in the code of a user, ``***`` in what Airflow stores, all of them sent."""

from __future__ import annotations

import copy
import json
import logging
import pickle
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from jinja2 import ChainableUndefined, Undefined

from airflow_provider_usedesk.compat.sdk import AirflowException, AirflowFailException, AirflowSkipException
from airflow_provider_usedesk.decorators.ticket import usedesk_ticket_task
from airflow_provider_usedesk.operators.batch import CreateTicketBatchOperator
from airflow_provider_usedesk.operators.comment import CreateCommentOperator
from airflow_provider_usedesk.operators.message import (
    SendTelegramMessageOperator,
    SendViberMessageOperator,
    SendWhatsAppMessageOperator,
    SendWhatsAppTemplateOperator,
)
from airflow_provider_usedesk.operators.ticket import CreateTicketOperator, UpdateTicketOperator
from tests.support.airflow import TOKEN, URL
from tests.support.dags import DAG
from tests.support.operators import attempt_context, dag, pushed, run_attempt
from tests.support.version import RENDERS_TASK_OF_CONTEXT

REAL = "Dear Anna"
TEMPLATE = "Dear {{ 'Anna' }}"
IN_CONTEXT = REAL if RENDERS_TASK_OF_CONTEXT else TEMPLATE
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
    methods = ["pre_execute", "execute", "post_execute"]
    callbacks = [f"callback: str {IN_CONTEXT}"] * 2
    assert sorted(records) == sorted([*callbacks, *(f"{method}: str {REAL}" for method in methods)])
    assert run.rendered["open", -1]["message"] == "***"


def test_pre_execute_hook_reads_real_values(run_recording, usedesk):
    run, records = run_recording("CreateTicketOperator(task_id='open', **arguments, pre_execute=hook)")
    assert records == [f"hook: str {IN_CONTEXT}"]
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
    assert records[-1] == f"callback: str {IN_CONTEXT}"
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
        given = {"subject": "s", "message": "m", name: "{{ ('nan' ~ ti.task_id[4:]) | float }}"}
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

    @pytest.mark.parametrize(
        ("native", "given"), [(True, "{{ none }}"), (False, "{{ '' }}"), (False, " "), (False, NAN)]
    )
    @pytest.mark.parametrize(
        ("operator", "arguments"),
        [
            (CreateTicketOperator, {"subject": "s", "message": "m"}),
            (CreateCommentOperator, {"ticket_id": 77, "type": "public", "message": "m"}),
        ],
    )
    def test_empty_value_names_no_message(self, usedesk, operator, arguments, native, given):
        with pytest.raises(AirflowFailException, match="message_key: is given but empty"):
            run_attempt(operator, native=native, **arguments, message_key=given)
        assert not usedesk.sent()


EMPTY_INSIDE = "Dear {{ none }}, see you"
TICKET = {"subject": "s", "message": "m"}
CHANNEL = {**TICKET, "channel_id": 1}
FIELDS = [
    (CreateTicketOperator, TICKET, "subject"),
    (CreateTicketOperator, TICKET, "message"),
    (CreateTicketOperator, TICKET, "client_name"),
    (CreateTicketOperator, TICKET, "message_key"),
    (CreateTicketOperator, TICKET, "tag"),
    (UpdateTicketOperator, {"ticket_id": 77, "status": 2}, "subject"),
    (CreateCommentOperator, {"ticket_id": 77, "type": "public", "message": "m"}, "message"),
    (SendWhatsAppMessageOperator, {**CHANNEL, "user_id": 5, "client_id": 5}, "message"),
    (SendViberMessageOperator, {**CHANNEL, "client_id": 5}, "message"),
    (SendTelegramMessageOperator, {**CHANNEL, "username": "anna"}, "message"),
    (CreateTicketBatchOperator, {"recipients": [], "row_key": "id", **TICKET}, "message"),
]
NESTED = {
    "template_variables": ["18:00", EMPTY_INSIDE],
    "custom_fields": {10: EMPTY_INSIDE},
    "lists": [[{"id": 61, "value": EMPTY_INSIDE}]],
}
WHATSAPP = {"channel_id": 1, "client_id": 5, "template_id": 7}


@pytest.mark.parametrize("native", [False, True], ids=["text", "native"])
class TestEmptyValueInsideText:
    @pytest.mark.parametrize(("operator", "arguments", "name"), FIELDS)
    def test_fails_and_names_the_argument(self, usedesk, native, operator, arguments, name):
        with pytest.raises(AirflowFailException, match=rf"{name}: .*default\('customer', true\)") as caught:
            run_attempt(operator, native=native, **{**arguments, name: EMPTY_INSIDE})
        assert "see you" not in str(caught.value)
        assert usedesk.request_history == []

    @pytest.mark.parametrize("name", NESTED)
    def test_fails_in_lists_and_dicts(self, usedesk, native, name):
        with pytest.raises(AirflowFailException, match=f"{name}: .*default"):
            run_attempt(SendWhatsAppTemplateOperator, native=native, **{**WHATSAPP, name: NESTED[name]})
        assert usedesk.request_history == []

    def test_names_all_arguments(self, usedesk, native):
        with pytest.raises(AirflowFailException, match=r"subject: .*\n *message: "):
            run_attempt(CreateTicketOperator, native=native, subject=EMPTY_INSIDE, message=EMPTY_INSIDE)

    def test_fails_in_arguments_of_the_decorator(self, usedesk, native):
        with pytest.raises(AirflowFailException, match="subject: .*default"):
            run_decorated(lambda: "m", native=native, subject=EMPTY_INSIDE)

    def test_fails_in_arguments_of_the_function(self, usedesk, native):
        with pytest.raises(AirflowFailException, match="op_args: .*default"):
            run_decorated(lambda text: text, EMPTY_INSIDE, native=native, subject="s")

    @pytest.mark.parametrize("value", ["none", "nan", "decimal_nan", "nothing", "people | first"])
    def test_every_empty_value_counts(self, usedesk, native, value):
        options = {"user_defined_macros": EMPTY_VALUES, "jinja_environment_kwargs": {"undefined": Undefined}}
        with pytest.raises(AirflowFailException, match="message: .*default"):
            run_in_dag({**options}, native=native, message=f"Dear {{{{ {value} }}}}, see you")

    @pytest.mark.parametrize(
        "expression",
        [
            "'Dear ' ~ none",
            "('a' ~ ('b' ~ nan)) | trim",
            "['Anna', none] | join(' ')",
            "[{'name': none}] | join(attribute='name')",
            "[{'name': none}] | map(attribute='name') | join",
            "'%s' | format(none)",
            "none | title",
            "nan | string",
            "nothing | upper",
            "'Dear ' ~ nothing",
        ],
    )
    @pytest.mark.parametrize("template", ["{{ %s }}", "{{ %s }}, see you", "{%% set a = %s %%}{{ a }}"])
    def test_empty_value_is_refused_before_it_becomes_a_text(self, usedesk, native, template, expression):
        options = {"user_defined_macros": EMPTY_VALUES, "jinja_environment_kwargs": {"undefined": Undefined}}
        with pytest.raises(AirflowFailException, match="message: .*default"):
            run_in_dag(options, native=native, message=template % expression)
        assert usedesk.request_history == []

    def test_filter_of_the_dag_gets_empty_values(self, usedesk, native):
        options = {"user_defined_filters": {"title": lambda name: (name or "you").title()}}
        run_in_dag(options, native=native, message="Dear {{ none | title }}!")
        assert usedesk.sent()[0]["message"] == "Dear You!"

    @pytest.mark.parametrize(
        ("template", "sent"),
        [
            ("Dear {{ none | default('customer', true) }}!", "Dear customer!"),
            ("Dear {{ '' }}Anna!", "Dear Anna!"),
            ("Dear {{ 'Mr ' if false }}Smith!", "Dear Smith!"),
            ("Dear {% if false %}{{ none }}{% endif %}Anna!", "Dear Anna!"),
            ("You have {{ 0 }} of {{ false }}!", "You have 0 of False!"),
            ("{{ 'Dear ' ~ (none or 'customer') ~ 1 ~ '' }}!", "Dear customer1!"),
            ("{{ ['a', 1, ''] | join('-') }}{{ [] | join }}!", "a-1-!"),
            ("{{ [{'name': 'Anna'}] | map(attribute='name') | join }}!", "Anna!"),
            ("{{ none | default('anna', true) | title | replace('n', 'm') }}!", "Amma!"),
            ("{{ ('Mr ' if false) | trim }}{{ 'é' | urlencode }}!", "%C3%A9!"),
        ],
    )
    def test_other_values_are_sent(self, usedesk, native, template, sent):
        run_attempt(CreateTicketOperator, native=native, subject="s", message=template)
        assert usedesk.sent()[0]["message"] == sent


class TestArgumentsOfTheFunction:
    @pytest.mark.parametrize("argument", ["{{ none }}", "{{ nan }}", "{{ none | string }}"])
    def test_argument_of_the_function_is_no_text_of_null(self, usedesk, argument):
        options = {"user_defined_macros": EMPTY_VALUES}
        with pytest.raises(AirflowFailException, match="op_args: .*default"):
            run_decorated(lambda name: f"Dear {name}", argument, subject="s", options=options)
        assert usedesk.request_history == []

    def test_native_argument_of_the_function_may_be_none(self, usedesk):
        run_decorated(lambda name: f"Dear {name or 'you'}", "{{ none }}", native=True, subject="s")
        assert usedesk.sent()[0]["message"] == "Dear you"


EMPTY_VALUES = {"nan": float("nan"), "decimal_nan": Decimal("nan"), "people": []}


def run_decorated(function, *args, native=False, options=None, **arguments):
    with DAG("example", schedule=None, render_template_as_native_obj=native, **(options or {})):
        operator = usedesk_ticket_task(function, task_id="task", **arguments)(*args).operator
    return rendered_and_executed(operator)


def run_in_dag(options, *, native=False, **arguments):
    with DAG("example", schedule=None, render_template_as_native_obj=native, **options):
        operator = CreateTicketOperator(task_id="task", **{**TICKET, **arguments})
    return rendered_and_executed(operator)


def rendered_and_executed(operator):
    task, context = operator.prepare_for_execution(), attempt_context()
    task.render_template_fields(context)
    return task.execute(context)


@pytest.mark.parametrize("native", [False, True], ids=["text", "native"])
@pytest.mark.parametrize(
    ("options", "template", "sent"),
    [
        (
            {"finalize": lambda value: "nobody" if value is None else value},
            "Dear {{ none }}!",
            "Dear nobody!",
        ),
        ({"undefined": ChainableUndefined}, "Dear {{ a.b.c | default('Anna') }}!", "Dear Anna!"),
        ({"variable_start_string": "[[", "variable_end_string": "]]"}, "Dear [[ 'Anna' ]]!", "Dear Anna!"),
    ],
    ids=["finalize", "undefined", "delimiters"],
)
def test_options_of_the_dag_stay_in_force(usedesk, native, options, template, sent):
    run_in_dag({"jinja_environment_kwargs": options}, native=native, message=template)
    assert usedesk.sent()[0]["message"] == sent


def test_text_of_an_undefined_class_is_sent(usedesk):
    class Unknown(Undefined):
        def __str__(self):
            return "customer"

    run_in_dag({"template_undefined": Unknown}, message="Dear {{ nobody }}!")
    assert usedesk.sent()[0]["message"] == "Dear customer!"


def test_included_file_is_strict(usedesk, tmp_path):
    (tmp_path / "letter.html").write_text("{% include 'greeting.html' %} Bye.")
    (tmp_path / "greeting.html").write_text("Dear {{ none }}!")
    with pytest.raises(AirflowFailException, match="message: .*default"):
        run_in_dag({"template_searchpath": [str(tmp_path)]}, message="letter.html")
    assert usedesk.request_history == []


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ({"tag": "{{ ['a', 'b'] }}"}, {"tag": "a,b"}),
        ({"client_name": "{{ none }}"}, {}),
        ({"client_name": "{{ none if true else 'x' }}"}, {}),
    ],
)
def test_native_values_stay(usedesk, arguments, sent):
    run_attempt(CreateTicketOperator, native=True, **TICKET, **arguments)
    names = {"api_token", "subject", "message", "additional_id"}
    assert {name: value for name, value in usedesk.sent()[0].items() if name not in names} == sent


@pytest.mark.parametrize("native", [False, True], ids=["text", "native"])
@pytest.mark.parametrize(("value", "sent"), [("true", "true"), ("false", "false"), ("1 > 2", "false")])
def test_checkbox_gets_the_spelling_of_usedesk(usedesk, native, value, sent):
    run_attempt(CreateTicketOperator, native=native, **TICKET, custom_fields={12: f"{{{{ {value} }}}}"})
    assert usedesk.sent()[0]["field_value"] == sent


class TestMappedNone:
    @pytest.mark.parametrize(
        "expand",
        [
            "expand(channel_id=[683, None])",
            "expand(channel_id=[683, float('nan')])",
            "expand_kwargs([{'channel_id': 683}, {'channel_id': None}])",
            "expand(channel_id=channels())",
        ],
    )
    def test_is_refused(self, run_dag, usedesk, expand):
        run = run_dag(
            dag(f"""
@task
def channels():
    return [683, None]

CreateTicketOperator.partial(task_id="open", subject="s", message="m").{expand}
""")
        )
        assert run.states["open", 0] == "success"
        assert run.states["open", 1] == "failed"
        assert "channel_id: is given but empty" in run.printed
        assert [sent["channel_id"] for sent in usedesk.sent()] == [683]

    def test_names_no_message(self, run_dag, usedesk):
        run = run_dag(
            dag("""
CreateTicketOperator.partial(task_id="open", subject="s", message="m").expand_kwargs(
    [{"message_key": "visit-1"}, {"message_key": None}, {"message_key": ""}, {}]
)
""")
        )
        assert [run.states["open", index] for index in range(4)] == ["success", "failed", "failed", "success"]
        assert "message_key: is given but empty" in run.printed
        assert len(usedesk.sent()) == 2

    def test_is_left_out_where_it_is_an_optional_text(self, run_dag, usedesk):
        run = run_dag(
            dag("""
CreateTicketOperator.partial(task_id="open", subject="s", message="m", channel_id=None).expand_kwargs(
    [{"client_name": None}, {"client_name": "Anna", "tag": None}, {}]
)
""")
        )
        assert run.state == "success"
        assert sorted(sent.get("client_name", "") for sent in usedesk.sent()) == ["", "", "Anna"]
        assert not any("channel_id" in sent for sent in usedesk.sent())


PERSONAL = "Qwertyuiop"
FAILING = {
    "missing key": "{{ {'phone': '%s'}['name'] }}",
    "own error": "{{ fail('%s') }}",
    "syntax": "{{ '%s' ",
    "division": "%s {{ 1 / 0 }}",
}


def fail(text):
    raise ValueError(text)


class TestFailingTemplate:
    @pytest.mark.parametrize("template", FAILING.values(), ids=FAILING)
    @pytest.mark.parametrize("name", ["message", "client_name", "template_variables", "client_address"])
    def test_is_told_without_its_text(self, usedesk, caplog, name, template):
        value = template % PERSONAL
        caplog.set_level(logging.INFO)
        given = {"template_variables": [value], "client_address": Address(value)}.get(name, value)
        with pytest.raises(AirflowException, match=rf"task task failed: {name} \(\w+Error\)") as caught:
            run_in_dag({"user_defined_macros": {"fail": fail}}, template_id=8, **{name: given})
        assert PERSONAL not in caplog.text + str(caught.value)
        assert caught.value.__context__ is None
        assert caught.value.__cause__ is None
        assert usedesk.request_history == []

    def test_is_tried_again(self, usedesk):
        with pytest.raises(AirflowException) as caught:
            run_attempt(CreateTicketOperator, subject="s", message="{{ nobody }}")
        assert not isinstance(caught.value, AirflowFailException)

    def test_row_outside_of_row_template_is_told(self, usedesk):
        recipients = [{"id": 1, "name": "Anna"}]
        with pytest.raises(AirflowException, match=r"message \(UndefinedError: only row_template"):
            run_attempt(
                CreateTicketBatchOperator,
                subject="s",
                message="Dear {{ row.name }}",
                recipients=recipients,
                row_key="id",
            )

    def test_may_skip_the_task(self, usedesk):
        def skip():
            raise AirflowSkipException("no message today")

        with pytest.raises(AirflowSkipException, match="no message today"):
            run_in_dag({"user_defined_macros": {"skip": skip}}, message="{{ skip() }}")

    @pytest.mark.parametrize("mapped", ["expand_kwargs([{'message': text}])", "expand(message=[text])"])
    def test_leaves_nothing_behind_in_mapped_tasks(self, run_dag, usedesk, left_behind, mapped):
        run = run_dag(
            dag(f"""
text = "Qwerty" + "uiop {{{{ 1 / 0 }}}}"
CreateTicketOperator.partial(task_id="open", subject="{{{{ 'Qwerty' }}}}{{{{ 'uiop' }}}}").{mapped}
""")
        )
        assert run.state == "failed"
        assert "message (ZeroDivisionError)" in " ".join(run.printed.split())
        assert b"Qwertyuiop" not in run.printed.encode()
        rendered = json.dumps(run.rendered.get(("open", 0), {}))
        assert "Qwertyuiop" not in rendered


class Address:
    template_fields = ("city",)

    def __init__(self, city):
        self.city = city


def emitted(task):
    """Return what a listener sees that emits all attributes of a task."""
    left_out = ("_dag", "_log", "python_callable")
    return repr({name: value for name, value in vars(task).items() if name not in left_out})


class TestAttributes:
    """A listener can emit all attributes of a task, as OpenLineage does with full task info."""

    def attempt(self, operator):
        task, context = operator.prepare_for_execution(), attempt_context()
        seen = []
        try:
            task.render_template_fields(context)
            seen.append(emitted(task))
            task.execute(context)
        except Exception:
            seen.append(emitted(task))
        return task, [*seen, emitted(task)]

    @pytest.mark.parametrize("last", ["m", "{{ 1 / 0 }}", EMPTY_INSIDE, "{{ none }}"])
    def test_show_no_personal_values(self, usedesk, last):
        with DAG("example", schedule=None):
            operator = CreateTicketOperator(
                task_id="task",
                subject="{{ 'Qwerty' }}uiop",
                client_name=PERSONAL,
                client_address=Address(PERSONAL),
                template_id=8,
                template_variables=[PERSONAL],
                message_key=PERSONAL,
                message=last,
            )
        task, seen = self.attempt(operator)
        assert not any(PERSONAL in text for text in seen)
        assert task.subject == PERSONAL

    @pytest.mark.parametrize(
        "returned", [PERSONAL, {"message": PERSONAL, "message_key": PERSONAL}, [PERSONAL]]
    )
    def test_show_nothing_that_a_function_got_or_returned(self, usedesk, returned):
        with DAG("example", schedule=None):
            made = usedesk_ticket_task(lambda text: returned, task_id="task", subject="s")(PERSONAL)
        task, seen = self.attempt(made.operator)
        assert not any(PERSONAL in text for text in seen)
        assert task._returned == {}

    def test_show_nothing_that_a_task_was_mapped_over(self, run_dag, usedesk, tmp_path):
        run = run_dag(
            dag(f"""
from pathlib import Path

class Emitting(CreateTicketOperator):
    def execute(self, context):
        found = {{name: value for name, value in vars(self).items() if name != "_dag"}}
        Path({str(tmp_path)!r}, "emitted").write_text(repr(found))

Emitting.partial(task_id="open", subject="s").expand_kwargs([{{"message": {PERSONAL!r}, "channel_id": 683}}])
""")
        )
        assert run.state == "success"
        text = (tmp_path / "emitted").read_text()
        assert "683" in text
        assert PERSONAL not in text

    def test_survive_copies(self):
        operator = CreateTicketOperator(task_id="task", subject="s", message=PERSONAL)
        for other in (copy.copy(operator), copy.deepcopy(operator), pickle.loads(pickle.dumps(operator))):
            assert other.message == PERSONAL
            other.render_template_fields(attempt_context())
            assert PERSONAL not in emitted(other)

    def test_keep_the_default_of_a_subclass(self, usedesk):
        class Polite(CreateTicketOperator):
            client_name = "Anna"

        assert Polite(task_id="t", subject="s", message="m").client_name is None
        assert Polite.client_name == "Anna"
        assert not hasattr(Polite(task_id="t", subject="s", message="m"), "cc")


class TestShownValues:
    @pytest.fixture(autouse=True)
    def show_values(self, monkeypatch):
        monkeypatch.setenv("AIRFLOW__USEDESK__SHOW_VALUES", "True")

    def test_are_stored(self, run_recording, usedesk):
        run, _ = run_recording("""
Recording(task_id="open", **arguments)
Recording.partial(task_id="mapped", subject="Subject").expand(message=["One"])
""")
        assert run.state == "success"
        assert run.rendered["open", -1]["message"] == REAL
        assert run.rendered["mapped", 0]["message"] == "One"
        assert TOKEN not in json.dumps([*run.rendered.values()])

    def test_stay_out_of_attributes(self, usedesk):
        task = CreateTicketOperator(task_id="task", subject="s", message=PERSONAL)
        task.render_template_fields(attempt_context())
        assert PERSONAL not in emitted(task)
        assert [getattr(task, name) for name in task.template_fields if name == "message"] == [PERSONAL]
