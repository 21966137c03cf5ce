"""Operators that create tickets, in runs of Dags and in single attempts."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest
from airflow_provider_usedesk.api.responses import CreatedTicket
from airflow_provider_usedesk.api.ticket import CREATE_TICKET
from airflow_provider_usedesk.compat.sdk import AirflowFailException
from airflow_provider_usedesk.operators import message
from airflow_provider_usedesk.operators.ticket import CreateTicketOperator
from tests.support.airflow import TOKEN, URL
from tests.support.delivery import set_extra
from tests.support.operators import StateStore, attempt_context, dag, pushed, run_attempt

OPEN_FROM_XCOM = """
@task
def find():
    return {
        "client": "Anna",
        "phone": "+7 (912) 345-67-89",
        "tags": ["debt", "may"],
        "fields": {10: True},
        "channel": 683,
    }

found = find()
CreateTicketOperator(
    task_id="open",
    subject="Invoice of {{ ti.xcom_pull('find')['client'] }}",
    message="{{ ti.xcom_pull('find')['client'] }} owes",
    client_phone="{{ ti.xcom_pull('find')['phone'] }}",
    tag="{{ ti.xcom_pull('find')['tags'] }}",
    custom_fields="{{ ti.xcom_pull('find')['fields'] }}",
    channel_id="{{ ti.xcom_pull('find')['channel'] }}",
    private_comment="{{ True }}",
    files=None,
) << found
"""


@pytest.mark.parametrize("native", [False, True])
def test_templates_read_xcom(run_dag, usedesk, native):
    run = run_dag(dag(OPEN_FROM_XCOM, f"render_template_as_native_obj={native}"))
    assert run.state == "success"
    [sent] = usedesk.sent()
    assert sent == {
        "api_token": TOKEN,
        "subject": "Invoice of Anna",
        "message": "Anna owes",
        "client_phone": "79123456789",
        "tag": "debt,may",
        "field_id": "10",
        "field_value": "true",
        "channel_id": 683,
        "private_comment": True,
        "additional_id": sent["additional_id"],
    }
    assert pushed(run, "open") == {"return_value": 1001, "ticket_id": 1001, "message_status": "delivered"}


def test_xcom_args_and_downstream_tasks(run_dag, usedesk):
    run = run_dag(
        dag(
            """
            @task(multiple_outputs=True)
            def find() -> dict:
                return {"phone": "79123456789", "words": ["Anna", 3], "channel": 123}

            @task
            def note(ticket_id):
                return ticket_id + 1

            found = find()
            template = SendWhatsAppTemplateOperator(
                task_id="send",
                channel_id=found["channel"],
                client_phone=found["phone"],
                template_id=8094,
                template_variables=found["words"],
            )
            note(template.output)
            """.replace("            ", "")
        )
    )
    assert run.state == "success"
    assert usedesk.sent()[0]["template_variables"] == ["Anna", "3"]
    assert run.xcoms["note", -1] == {"return_value": 1002}


def test_mapped_over_arguments(run_dag, usedesk):
    run = run_dag(
        dag("""
@task
def people():
    return [
        {"client_phone": "79111111111", "template_variables": ["Anna"]},
        {"client_phone": "79222222222", "template_variables": ["Boris"]},
    ]

SendWhatsAppTemplateOperator.partial(task_id="send", channel_id=123, template_id=8094).expand_kwargs(people())
CreateTicketOperator.partial(task_id="open", subject="s").expand(message=["first", "second"])
""")
    )
    assert run.state == "success"
    sent = usedesk.sent()
    people = {one["client_phone"]: one["template_variables"] for one in sent if "template_id" in one}
    assert people == {"79111111111": ["Anna"], "79222222222": ["Boris"]}
    assert sorted(one["message"] for one in sent if "message" in one) == ["first", "second"]
    ids = [run.xcoms[task, index]["return_value"] for task in ("send", "open") for index in (0, 1)]
    assert sorted(ids) == [1001, 1002, 1003, 1004]


def test_message_from_template_file(run_dag, usedesk, tmp_path):
    for ending in ("html", "md", "txt"):
        (tmp_path / f"letter.{ending}").write_text(f"<p>{ending} for {{{{ params.name }}}}</p>\nbye.txt")
    body = """
for ending in ("html", "md", "txt"):
    file = f"letter.{ending}"
    CreateTicketOperator(task_id=f"plain_{ending}", subject="plain", message=file)
    CreateTicketOperator.partial(task_id=f"mapped_{ending}", message=file).expand(subject=["mapped"])
"""
    folder = f"template_searchpath={str(tmp_path)!r}, params={{'name': 'Anna'}}"
    assert run_dag(dag(body, folder)).state == "success"
    sent = sorted((one["subject"], one["message"]) for one in usedesk.sent())
    assert sent == [
        (subject, f"<p>{ending} for Anna</p>\nbye.txt")
        for subject in ("mapped", "plain")
        for ending in ("html", "md", "txt")
    ]


def test_only_message_names_template_file(run_dag, usedesk, tmp_path):
    report = tmp_path / "report.txt"
    report.write_text("{{ this is no template")
    bodies = []

    def respond(request, context):
        bodies.append(request.body.read())
        return {"status": "success", "ticket_id": 5}

    usedesk.post(f"{URL}/create/ticket", json=respond)
    body = f"CreateTicketOperator(task_id='o', subject='a.txt', message='m', files=[{str(report)!r}])"
    assert run_dag(dag(body)).state == "success"
    assert b"{{ this is no template" in bodies[0]
    assert b"a.txt" in bodies[0]


# Apart from the call, whose lines a traceback shows.
LIKE_A_FILE = dag("CreateTicketOperator(task_id='open', subject='s', message='Dear Anna, see my.txt')")


def test_missing_template_file_fails_task(run_dag, usedesk):
    run = run_dag(LIKE_A_FILE)
    assert run.state == "failed"
    assert usedesk.sent() == []
    assert "message: ends like the name of a template file" in run.printed
    assert "Dear Anna" not in run.printed


def test_upstream_text_names_no_file(run_dag, usedesk, tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    body = """
@task
def texts():
    return ["secret.txt", "{{ 40 + 2 }} bill.html"]

@task
def text():
    return "secret.txt"

CreateTicketOperator.partial(task_id="mapped", subject="s").expand(message=texts())
CreateTicketOperator(task_id="plain", subject="s", message=text())
"""
    run = run_dag(dag(body, f"template_searchpath={str(tmp_path)!r}"))
    assert run.state == "success"
    messages = sorted(sent["message"] for sent in usedesk.sent())
    assert messages == ["secret.txt", "secret.txt", "{{ 40 + 2 }} bill.html"]


def test_all_parameters_are_templated_and_sent(run_dag, usedesk):
    ids = ("assignee_id", "group_id", "channel_id", "user_id", "trigger_id", "template_id", "client_id")
    given = {name: f"{{{{ {number} }}}}" for number, name in enumerate(ids, 1001)}
    texts = ("subject", "message", "client_name", "client_email", "company_name", "additional_id")
    texts += ("client_country", "client_city", "client_address", "template_lang", "new_address")
    given |= {name: f"{{{{ 'my' }}}}_{name}@example.org" for name in texts}
    choices = {"type": "task", "priority": "low", "phone_type": "fax", "from_": "user", "status": "5"}
    given |= {name: f"{{{{ '{value}' }}}}" for name, value in choices.items()}
    given |= {
        "client_phone": "+{{ 79123456789 }}",
        "username": "@{{ 'anna' }}",
        "private_comment": "{{ True }}",
        "tag": ["{{ 'a' }}"],
        "field_id": "{{ 10 }}",
        "field_value": "{{ 'x' }}",
        "lists": [[{"id": "{{ 61 }}", "value": "{{ 'y' }}"}]],
        "template_variables": ["{{ 'z' }}"],
    }
    run = run_dag(dag(f"CreateTicketOperator(task_id='open', **{given!r})"))
    assert run.state == "success"
    [sent] = usedesk.sent()
    del sent["api_token"]
    assert sent == {
        **{name: number for number, name in enumerate(ids, 1001)},
        "client_id": "1007",
        **{name: f"my_{name}@example.org" for name in texts},
        "type": "task",
        "priority": "low",
        "phone_type": "fax",
        "from": "user",
        "status": 5,
        "client_phone": "79123456789",
        "username": "@anna",
        "private_comment": True,
        "tag": "a",
        "field_id": "10",
        "field_value": "x",
        "lists": [[{"id": "61", "value": "y"}]],
        "template_variables": ["z"],
    }


def test_template_fields_cover_the_method():
    others = {"usedesk_conn_id", "message_key"}
    assert set(CreateTicketOperator.template_fields) == CREATE_TICKET.arguments | others


EMPTY = [
    ("message", "{{ ti.xcom_pull('nobody') }}"),
    ("subject", "{{ '' }}"),
    ("channel_id", "{{ ti.xcom_pull('nobody') }}"),
    ("private_comment", "{{ '' }}"),
]


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize(("name", "template"), EMPTY, ids=[name for name, _ in EMPTY])
def test_empty_template_sends_no_ticket(usedesk, name, template, native):
    arguments = {"subject": "s", "message": "m", name: template}
    with pytest.raises(AirflowFailException, match=f"{name}: "):
        run_attempt(CreateTicketOperator, native=native, **arguments)
    assert usedesk.sent() == []


@pytest.mark.parametrize("native", [False, True])
def test_empty_template_fails_task(run_dag, usedesk, native):
    body = "CreateTicketOperator(task_id='open', subject='s', message=\"{{ ti.xcom_pull('nobody') }}\")"
    run = run_dag(dag(body, f"render_template_as_native_obj={native}"))
    assert run.state == "failed"
    assert usedesk.sent() == []
    assert "message: " in run.printed


@pytest.mark.parametrize("native", [False, True])
def test_empty_optional_text_is_omitted(usedesk, native):
    arguments = {"subject": "s", "message": "m", "client_name": "{{ none or '' }}", "company_name": None}
    run_attempt(CreateTicketOperator, native=native, **arguments)
    [sent] = usedesk.sent()
    assert set(sent) == {"api_token", "subject", "message", "additional_id"}


def test_messages_to_every_channel(run_dag, usedesk):
    run = run_dag(
        dag("""
words = {"subject": "s", "message": "m", "channel_id": 20054}
SendWhatsAppMessageOperator(task_id="whatsapp", **words, client_phone="79254697403", user_id=2156)
SendViberMessageOperator(task_id="viber", **words, client_id=27747627)
SendTelegramMessageOperator(task_id="telegram", **words, username="@ivanov")
SendWhatsAppTemplateOperator(
    task_id="infobip", channel_id=20054, client_id=27747627, template_name="Main", template_lang="en",
    template_variables=["Valeria"], usedesk_conn_id="usedesk_{{ 'default' }}", priority="low",
)
""")
    )
    assert run.state == "success"
    by_id = {
        sent.get("username") or sent.get("template_name") or sent.get("user_id", "viber"): sent
        for sent in usedesk.sent()
    }
    assert by_id[2156]["from"] == "user"
    assert "from" not in by_id["viber"]
    assert by_id["@ivanov"]["message"] == "m"
    assert by_id["Main"]["template_lang"] == "en"


@pytest.mark.parametrize(
    ("extra", "given"), [({"phone_region": "RU"}, {}), ({}, {"phone_region": "{{ 'RU' }}"})]
)
def test_phone_region_of_connection_or_argument(usedesk, monkeypatch, extra, given):
    set_extra(monkeypatch, **extra)
    written = ["8 (912) 345-67-89", "912 345-67-89", "+7.912.345.67.89", "+79123456789 доб. 2"]
    for phone in written:
        run_attempt(CreateTicketOperator, subject="s", message="m", client_phone=phone, **given)
    assert [sent["client_phone"] for sent in usedesk.sent()] == ["79123456789"] * 4
    assert not any("phone_region" in sent for sent in usedesk.sent())
    # The recipient in the idempotency key, its fourth part.
    assert len({sent["additional_id"].split(".")[3] for sent in usedesk.sent()}) == 1


def test_all_wrong_arguments_are_named_with_wrong_region(usedesk):
    given = {"client_phone": "0912", "phone_region": "UK", "priority": "high"}
    with pytest.raises(
        AirflowFailException, match=r"client_phone: cannot be read: phone_region .*\n *priority: "
    ):
        run_attempt(CreateTicketOperator, subject="s", message="m", **given, _airflow_from_mapped=True)
    assert usedesk.sent() == []


def test_not_delivered_fails_with_ids(run_dag, usedesk):
    usedesk.post(
        f"{URL}/create/ticket",
        json={"status": "success", "ticket_id": "77", "message_status": "not delivered", "comment_id": 8},
    )
    run = run_dag(
        dag("""
SendTelegramMessageOperator(
    task_id="send", subject="s", message="m", channel_id=1, username="ivanov", retries=3, retry_delay=0.1
)
""")
    )
    assert run.state == "failed"
    assert len(usedesk.sent()) == 1
    assert pushed(run, "send") == {"ticket_id": 77, "message_status": "not delivered", "comment_id": 8}
    assert "ticket 77" in run.printed


def test_viber_pushes_chat_id(run_dag, usedesk):
    usedesk.post(
        f"{URL}/create/ticket",
        json={"status": "success", "ticket_id": 77, "chat_id": "5754"},
    )
    run = run_dag(
        dag(
            "SendViberMessageOperator(task_id='v', subject='s', message='m', channel_id=1, "
            "client_phone='79123456789')"
        )
    )
    assert pushed(run, "v") == {"return_value": 77, "ticket_id": 77, "chat_id": "5754"}


def test_do_xcom_push_false_pushes_none(run_dag, usedesk):
    run = run_dag(dag("CreateTicketOperator(task_id='open', subject='s', message='m', do_xcom_push=False)"))
    assert run.state == "success"
    assert pushed(run, "open") == {}


def test_hook_in_python_task(run_dag, usedesk):
    run = run_dag(
        dag("""
@task
def open_ticket():
    return UsedeskHook().create_ticket(subject="s", message="m", **{"from": "client"}).ticket_id

open_ticket()
""")
    )
    assert run.xcoms["open_ticket", -1] == {"return_value": 1001}


def test_personal_values_are_not_stored(run_dag, usedesk, left_behind):
    run = run_dag(
        dag("""
CreateTicketOperator(
    task_id="open",
    subject="Subject of {{ 'Qwerty' }}{{ 'uiop' }}",
    message="Message of {{ 'Qwerty' }}{{ 'uiop' }}",
    client_name="{{ 'Qwerty' }}{{ 'uiop' }}",
    client_email="{{ 'qwe' }}{{ 'rty@example.org' }}",
    client_phone="{{ '7912' }}{{ '0000001' }}",
    client_address="{{ 'Qwerty' }}{{ 'uiop' }}",
    username="{{ 'Qwerty' }}{{ 'uiop' }}",
    custom_fields={10: "{{ 'Qwerty' }}{{ 'uiop' }}"},
    lists=[[{"id": 1, "value": "{{ 'Qwerty' }}{{ 'uiop' }}"}]],
    template_id=1,
    template_variables=["{{ 'Qwerty' }}{{ 'uiop' }}"],
    channel_id="{{ 683 }}",
    tag=["visible"],
)
""")
    )
    assert run.state == "success"
    assert usedesk.sent()[0]["template_variables"] == ["Qwertyuiop"]
    assert run.rendered["open", -1]["channel_id"] in (683, "683")
    assert run.rendered["open", -1]["tag"] == ["visible"]
    assert run.rendered["open", -1]["client_phone"] == "***"
    for secret in (TOKEN.encode(), b"Qwertyuiop", b"qwerty@example.org", b"79120000001"):
        assert secret not in left_behind(run)


def test_failure_logs_no_personal_values(run_dag, usedesk, left_behind):
    usedesk.post(
        f"{URL}/create/ticket",
        json={"code": 119, "error": f"{TOKEN}: no client Qwertyuiop 79120000001"},
    )
    body = """
CreateTicketOperator(
    task_id="open",
    subject="s",
    message="m",
    client_name="{{ 'Qwerty' }}uiop",
    client_phone="{{ '7912' }}0000001",
)
"""
    run = run_dag(dag(body))
    assert run.state == "failed"
    assert "UsedeskClientNotFound" in run.printed
    for secret in (TOKEN.encode(), b"Qwertyuiop", b"79120000001"):
        assert secret not in left_behind(run)


WORDS = {"subject": "s", "message": "m", "channel_id": 1}
RULES = {
    "whatsapp": (
        message.SendWhatsAppMessageOperator,
        {**WORDS, "client_phone": "79", "user_id": 2156, "from_": "client"},
        "from_: ",
    ),
    "template": (
        message.SendWhatsAppTemplateOperator,
        {"channel_id": 1, "client_phone": "79"},
        "template_id or template_name: ",
    ),
    "viber": (
        message.SendViberMessageOperator,
        {**WORDS, "client_name": "Anna"},
        "client_phone or client_id: ",
    ),
    "telegram": (
        message.SendTelegramMessageOperator,
        {**WORDS, "client_id": 27747627},
        "client_phone or username: ",
    ),
}


@pytest.mark.parametrize(("operator", "arguments", "error"), RULES.values(), ids=RULES)
def test_channel_rules_are_checked(usedesk, operator, arguments, error):
    with pytest.raises(UsedeskInvalidRequest, match=error):
        run_attempt(operator, **arguments)
    assert usedesk.sent() == []


@pytest.mark.parametrize(("operator", "arguments", "error"), RULES.values(), ids=RULES)
def test_channel_rules_are_checked_in_a_mapped_task(usedesk, operator, arguments, error):
    # A mapped task knows its arguments only when it runs.
    with pytest.raises(AirflowFailException, match=error):
        run_attempt(operator, **arguments, _airflow_from_mapped=True)
    assert usedesk.sent() == []


def respond(usedesk, *responses):
    usedesk.post(
        f"{URL}/create/ticket",
        [{"json": {"status": "success", **response}} for response in responses],
    )


NOT_DELIVERED = {"ticket_id": 77, "message_status": "not delivered"}
DELIVERED = {"ticket_id": 78, "message_status": "delivered"}
TELEGRAM = (
    "SendTelegramMessageOperator(task_id='send', subject='s', message='m', channel_id=1, username='i', {})"
)


def test_not_delivered_can_be_ignored(run_dag, usedesk):
    respond(usedesk, NOT_DELIVERED)
    run = run_dag(dag(TELEGRAM.format("on_not_delivered='ignore'")))
    assert run.state == "success"
    assert pushed(run, "send") == {"return_value": 77, **NOT_DELIVERED}


@pytest.mark.parametrize("word", ["not delivered", "NOT_DELIVERED", "undelivered", "failed"])
def test_each_word_for_not_delivered_fails(run_dag, usedesk, word):
    """The words of a provider are those of its delivery reports."""
    respond(usedesk, {"ticket_id": 77, "message_status": word})
    run = run_dag(dag(TELEGRAM.format("retries=2")))
    assert run.state == "failed"
    assert pushed(run, "send")["message_status"] == word
    assert len(usedesk.sent()) == 1


def test_not_delivered_can_be_resent(run_dag, usedesk, caplog):
    respond(usedesk, NOT_DELIVERED, DELIVERED)
    run = run_dag(dag(TELEGRAM.format("on_not_delivered='resend'")))
    assert run.state == "success"
    assert pushed(run, "send") == {"return_value": 78, **DELIVERED}
    first, second = (sent["additional_id"] for sent in usedesk.sent())
    assert [key.split(".")[2] for key in (first, second)] == ["-", "-s"]
    assert "ticket 77 was not delivered. It is sent again" in run.printed + caplog.text


def test_not_delivered_twice_fails(run_dag, usedesk):
    respond(usedesk, NOT_DELIVERED, {**NOT_DELIVERED, "ticket_id": 79})
    run = run_dag(dag(TELEGRAM.format("on_not_delivered='resend', retries=2")))
    assert run.state == "failed"
    assert len(usedesk.sent()) == 2
    assert run.xcoms["send", -1]["ticket_id"] == 79


UNCONFIRMED = {"ticket_id": 77}
MESSENGERS = {
    "whatsapp": (
        message.SendWhatsAppMessageOperator,
        {"subject": "s", "message": "m", "user_id": 2, "client_phone": "79123456789"},
    ),
    "template": (message.SendWhatsAppTemplateOperator, {"template_id": 8, "client_phone": "79123456789"}),
    "viber": (
        message.SendViberMessageOperator,
        {"subject": "s", "message": "m", "client_phone": "79123456789"},
    ),
    "telegram": (
        message.SendTelegramMessageOperator,
        {"subject": "s", "message": "m", "username": "ivanov"},
    ),
    "ticket": (CreateTicketOperator, {"subject": "s", "message": "m", "template_name": "Main"}),
}


@pytest.mark.parametrize(("operator", "arguments"), MESSENGERS.values(), ids=MESSENGERS)
def test_message_without_confirmation_fails(usedesk, operator, arguments, caplog, capsys):
    respond(usedesk, UNCONFIRMED)
    arguments = {**arguments, "channel_id": 20054}
    with pytest.raises(AirflowFailException, match=r"ticket 77, but did not confirm.*channel_id=20054 may"):
        run_attempt(operator, **arguments)
    assert run_attempt(operator, **arguments, on_no_confirmation="warn") == 77
    assert "channel_id=20054 may be wrong" in caplog.text + capsys.readouterr().out


@pytest.mark.parametrize("nothing", [None, "", " ", False, 0])
def test_empty_fields_confirm_nothing(usedesk, nothing):
    respond(usedesk, {**UNCONFIRMED, "message_status": nothing, "chat_id": nothing})
    operator, arguments = MESSENGERS["viber"]
    with pytest.raises(AirflowFailException, match="did not confirm"):
        run_attempt(operator, **arguments, channel_id=20054)


@pytest.mark.parametrize("response", [{"message_status": "delivered"}, {"chat_id": "5754"}])
def test_either_field_confirms(usedesk, response):
    respond(usedesk, {**UNCONFIRMED, **response})
    operator, arguments = MESSENGERS["viber"]
    assert run_attempt(operator, **arguments, channel_id=1) == 77


def test_ticket_needs_no_confirmation(usedesk):
    respond(usedesk, UNCONFIRMED)
    assert run_attempt(CreateTicketOperator, subject="s", message="m", channel_id=1) == 77


def test_unconfirmed_message_is_sent_once(run_dag, usedesk):
    respond(usedesk, UNCONFIRMED)
    run = run_dag(dag(TELEGRAM.format("retries=3, retry_delay=0.1")))
    assert run.state == "failed"
    assert len(usedesk.sent()) == 1
    assert pushed(run, "send") == UNCONFIRMED


@pytest.mark.parametrize(("on_no_confirmation", "is_ok"), [("fail", False), ("warn", True)])
def test_clear_reuses_unconfirmed_ticket(usedesk, on_no_confirmation, is_ok):
    respond(usedesk, UNCONFIRMED)
    operator, arguments = MESSENGERS["telegram"]
    store = StateStore()
    with pytest.raises(AirflowFailException):
        attempt(operator, attempt_context(store=store), **arguments)
    cleared = attempt_context(2, max_tries=1, store=store, clear_number=1)
    with nullcontext() if is_ok else pytest.raises(AirflowFailException, match="ticket 77"):
        assert attempt(operator, cleared, **arguments, on_no_confirmation=on_no_confirmation) == 77
    assert cleared["ti"].pushed["ticket_id"] == 77
    assert len(usedesk.sent()) == 1


def attempt(operator, context, **arguments):
    task = operator(task_id="task", channel_id=1, **arguments)
    task.render_template_fields(context)
    return task.execute(context)


def test_found_ticket_needs_no_confirmation(usedesk):
    found = CreatedTicket(77, is_found=True)
    assert found == CreatedTicket(77)
    assert (found.is_confirmed, CreatedTicket(77).is_confirmed) == (True, False)


@pytest.mark.parametrize(
    ("response", "text"),
    [
        (
            DELIVERED,
            "The messenger's provider accepted its message. Whether the client gets it is not known yet.",
        ),
        ({"ticket_id": 78, "message_status": "queued"}, "message_status of its message: queued."),
    ],
)
def test_log_promises_no_delivery(usedesk, caplog, capsys, response, text):
    caplog.set_level("INFO")
    respond(usedesk, response)
    operator, arguments = MESSENGERS["telegram"]
    run_attempt(operator, **arguments, channel_id=1)
    logged = caplog.text + capsys.readouterr().out
    assert "Opened Usedesk ticket 78 in channel 1" in logged
    assert text in logged
    assert "is delivered" not in logged


@pytest.mark.parametrize("name", ["on_not_delivered", "on_no_confirmation"])
def test_unknown_word_is_refused(name):
    with pytest.raises(ValueError, match=f"{name}: must be one of fail"):
        CreateTicketOperator(task_id="task", subject="s", message="m", **{name: "resent"})


def test_second_ticket_has_the_same_files(usedesk, tmp_path):
    (tmp_path / "report.csv").write_bytes(b"content")
    bodies = []

    def respond(request, context):
        bodies.append(request.body.read())
        return {"status": "success", **(DELIVERED if len(bodies) > 1 else NOT_DELIVERED)}

    usedesk.post(f"{URL}/create/ticket", json=respond)
    # Native rendering makes a generator of it.
    files = f"{{{{ ['{tmp_path}/report.csv'] | map('string') }}}}"
    words = {"subject": "s", "message": "m", "channel_id": 1, "username": "i"}
    run_attempt(
        message.SendTelegramMessageOperator, native=True, **words, files=files, on_not_delivered="resend"
    )
    assert [(b"report.csv" in body, b"content" in body) for body in bodies] == [(True, True), (True, True)]


def test_idempotency_key_names_dag_and_task(run_dag, usedesk):
    run_dag(dag("CreateTicketOperator.partial(task_id='open', subject='s').expand(message=['a', 'b'])"))
    keys = sorted(sent["additional_id"] for sent in usedesk.sent())
    assert all(key.startswith("af2.") and key.endswith("/example/open") for key in keys)
    assert sorted(key.split(".")[2] for key in keys) == ["i0", "i1"]


def test_own_additional_id_is_kept(usedesk):
    run_attempt(CreateTicketOperator, subject="s", message="m", additional_id="{{ 40 + 2 }}")
    assert usedesk.sent()[0]["additional_id"] == "42"


def test_key_is_written_to_its_field(usedesk, monkeypatch):
    set_extra(monkeypatch, key_field_id=7)
    run_attempt(CreateTicketOperator, subject="s", message="m", custom_fields={10: "A-17"})
    [sent] = usedesk.sent()
    written = ".".join(sent["additional_id"].split(".")[:2])
    assert (sent["field_id"], sent["field_value"]) == ("10;7", f"A-17;{written}")


def test_own_additional_id_writes_no_field(usedesk, monkeypatch):
    set_extra(monkeypatch, key_field_id=7)
    run_attempt(CreateTicketOperator, subject="s", message="m", additional_id="own")
    assert not {"field_id", "field_value"} & usedesk.sent()[0].keys()


def test_key_field_of_a_dag_is_refused(usedesk, monkeypatch):
    set_extra(monkeypatch, key_field_id=7)
    with pytest.raises(AirflowFailException, match="writes the idempotency key"):
        run_attempt(CreateTicketOperator, subject="s", message="m", custom_fields={7: "A-17"})
    assert usedesk.sent() == []


@pytest.mark.parametrize("blank", ["", "   ", "{{ ' ' }}"], ids=["empty", "spaces", "template"])
def test_blank_additional_id_keeps_key(usedesk, blank):
    run_attempt(CreateTicketOperator, subject="s", message="m", additional_id=blank)
    assert usedesk.sent()[0]["additional_id"].endswith("/example/task")


REFUSALS = {"token": {"code": 112, "error": "token"}, "client": {"code": 119, "error": "client"}}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
def test_refusal_is_not_retried(run_dag, usedesk, refusal):
    usedesk.post(f"{URL}/create/ticket", json=refusal)
    run = run_dag(dag("CreateTicketOperator(task_id='o', subject='s', message='m', retries=5)"))
    assert run.state == "failed"
    assert run.states == {("o", -1): "failed"}
    assert len(usedesk.sent()) == 1


def _need_retry_policies():
    sdk = pytest.importorskip("airflow.sdk")
    if not hasattr(sdk, "ExceptionRetryPolicy"):
        pytest.skip("this Airflow has no retry policies")


def test_retry_policy_gets_not_delivered(run_dag, usedesk):
    """The retry of the policy reuses the ticket and sends no request."""
    _need_retry_policies()
    respond(usedesk, NOT_DELIVERED, DELIVERED)
    run = run_dag(
        dag("""
from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule
from airflow_provider_usedesk.api.errors import UsedeskNotDelivered
from datetime import timedelta
soon = timedelta(seconds=0.1)
rule = RetryRule(UsedeskNotDelivered, action=RetryAction.RETRY, retry_delay=soon, reason="policy")
policy = ExceptionRetryPolicy([rule])
CreateTicketOperator(task_id="o", subject="s", message="m", retries=1, retry_policy=policy)
""")
    )
    assert run.states == {("o", -1): "failed"}
    assert len(usedesk.sent()) == 1
    assert "AirflowFailException" not in run.printed


def test_retry_policy_gets_original_error(run_dag, usedesk):
    _need_retry_policies()
    usedesk.post(f"{URL}/create/ticket", json={"code": 119, "error": "client"})
    run = run_dag(
        dag("""
from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule
from airflow_provider_usedesk.api.errors import UsedeskRejected
rule = RetryRule(exception=UsedeskRejected, action=RetryAction.FAIL, reason="by policy")
policy = ExceptionRetryPolicy([rule])
CreateTicketOperator(task_id="o", subject="s", message="m", retries=5, retry_policy=policy)
""")
    )
    assert run.states == {("o", -1): "failed"}
    assert "by policy" in run.printed
    assert "AirflowFailException" not in run.printed


@pytest.mark.parametrize(
    ("arguments", "subject"),
    [
        ('subject="Failed in attempt {{ ti.try_number }}"', "Failed in attempt 1"),
        ('subject="s", client_id="{{ 27747626 + ti.try_number }}"', "s"),
        ("subject=Changing()", "attempt 1"),
    ],
    ids=["subject", "client_id", "xcom_arg"],
)
def test_changing_arguments_create_one_ticket(run_dag, usedesk_sandbox, monkeypatch, arguments, subject):
    """The response of the first attempt is lost, and the second would send something else."""
    from airflow_provider_usedesk import sandbox

    set_extra(monkeypatch, consistency_delay=3)
    usedesk_sandbox.fail(sandbox.close("after"), method="create/ticket")
    body = f"""
class Changing(XComArg):
    def iter_references(self):
        return ()

    def resolve(self, context, **options):
        return f"attempt {{context['ti'].try_number}}"

CreateTicketOperator(task_id="open", message="m", {arguments})
"""
    run = run_dag(dag(body, "default_args={'retries': 1, 'retry_delay': 0.1}"))
    assert run.state == "success"
    [ticket] = usedesk_sandbox.tickets
    assert ticket.subject == subject
    assert run.xcoms["open", -1]["ticket_id"] == ticket.ticket_id


@pytest.mark.parametrize("native", [False, True])
def test_nan_through_xcom_is_not_given(run_dag, usedesk, native):
    run = run_dag(
        dag(
            """
@task
def find():
    return [{"client_name": float("nan"), "subject": "s"}]

@task
def name():
    return float("nan")

CreateTicketOperator(task_id="one", message="m", subject="s", client_name=name())
CreateTicketOperator.partial(task_id="mapped", message="m").expand_kwargs(find())
""",
            f"render_template_as_native_obj={native}",
        )
    )
    if run.states["find", -1] != "success":
        pytest.skip("this Airflow does not store NaN in XCom")
    assert run.state == "success", run.printed
    assert [sent.get("client_name") for sent in usedesk.sent()] == [None, None]
