"""Operators in Dags that really run: arguments from XComs in, ids in XCom out."""

from __future__ import annotations

from functools import partial

import pytest

from tests.support.operators import dag, pushed

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
def test_templates_find_their_values_in_xcom(run_dag, usedesk, native):
    run = run_dag(dag(OPEN_FROM_XCOM, f"render_template_as_native_obj={native}"))
    assert run.state == "success"
    [sent] = usedesk.sent()
    assert sent == {
        "api_token": "0123456789abcdef-token",
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


def test_xcom_args_and_the_tasks_behind(run_dag, usedesk):
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


@pytest.mark.parametrize("ending", ["html", "md", "txt"])
@pytest.mark.parametrize("mapped", [False, True])
def test_message_from_a_template_file(run_dag, usedesk, tmp_path, ending, mapped):
    (tmp_path / f"letter.{ending}").write_text("<p>Dear {{ params.name }}</p>\nbye.txt")
    folder = f"template_searchpath={str(tmp_path)!r}, params={{'name': 'Anna'}}"
    if mapped:
        body = (
            f"CreateTicketOperator.partial(task_id='open', message='letter.{ending}').expand(subject=['s'])"
        )
    else:
        body = f"CreateTicketOperator(task_id='open', subject='s', message='letter.{ending}')"
    assert run_dag(dag(body, folder)).state == "success"
    assert usedesk.sent()[0]["message"] == "<p>Dear Anna</p>\nbye.txt"


def test_only_message_is_a_template_file(run_dag, usedesk, tmp_path):
    report = tmp_path / "report.txt"
    report.write_text("{{ this is no template")
    bodies = []

    def answer(request, context):
        bodies.append(request.body.read())
        return {"status": "success", "ticket_id": 5}

    usedesk.post("https://help.example/uapi/create/ticket", json=answer)
    body = f"CreateTicketOperator(task_id='o', subject='a.txt', message='m', files=[{str(report)!r}])"
    assert run_dag(dag(body)).state == "success"
    assert b"{{ this is no template" in bodies[0]
    assert b"a.txt" in bodies[0]


# Apart from the call, whose lines a traceback shows.
LIKE_A_FILE = dag("CreateTicketOperator(task_id='open', subject='s', message='Dear Anna, see my.txt')")


def test_a_text_that_ends_like_a_file_is_neither_sent_nor_shown(run_dag, usedesk):
    run = run_dag(LIKE_A_FILE)
    assert run.state == "failed"
    assert usedesk.sent() == []
    assert "ends like the name of a template file" in run.printed
    assert "Dear Anna" not in run.printed


def test_a_text_from_upstream_is_never_taken_for_a_file(run_dag, usedesk, tmp_path):
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


def test_every_parameter_is_templated_and_sent(run_dag, usedesk):
    ids = ("assignee_id", "group_id", "channel_id", "user_id", "trigger_id", "template_id", "client_id")
    given = {name: f"{{{{ {number} }}}}" for number, name in enumerate(ids, 1001)}
    texts = ("subject", "message", "client_name", "client_email", "company_name", "additional_id")
    texts += ("client_country", "client_city", "client_address", "template_lang", "username", "new_address")
    given |= {name: f"{{{{ 'my' }}}}_{name}" for name in texts}
    choices = {"type": "task", "priority": "low", "phone_type": "fax", "from_": "user", "status": "5"}
    given |= {name: f"{{{{ '{value}' }}}}" for name, value in choices.items()}
    given |= {
        "client_phone": "+{{ 79 }}",
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
        **{name: f"my_{name}" for name in texts},
        "type": "task",
        "priority": "low",
        "phone_type": "fax",
        "from": "user",
        "status": 5,
        "client_phone": "79",
        "private_comment": True,
        "tag": "a",
        "field_id": "10",
        "field_value": "x",
        "lists": [[{"id": "61", "value": "y"}]],
        "template_variables": ["z"],
    }


def test_the_operator_knows_every_parameter_of_the_method():
    from airflow_provider_usedesk.api.ticket import CREATE_TICKET
    from airflow_provider_usedesk.operators.ticket import CreateTicketOperator

    assert set(CreateTicketOperator.template_fields) == CREATE_TICKET.arguments | {"usedesk_conn_id"}


NOTHING = [
    ("message", "{{ ti.xcom_pull('nobody') }}"),
    ("subject", "{{ '' }}"),
    ("channel_id", "{{ ti.xcom_pull('nobody') }}"),
    ("private_comment", "{{ '' }}"),
]


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize(("name", "template"), NOTHING)
def test_a_template_that_finds_nothing_sends_nothing(run_dag, usedesk, name, template, native):
    arguments = {"subject": "s", "message": "m", name: template}
    body = f"CreateTicketOperator(task_id='open', **{arguments!r})"
    run = run_dag(dag(body, f"render_template_as_native_obj={native}"))
    assert run.state == "failed"
    assert usedesk.sent() == []
    assert f"{name}: " in run.printed


@pytest.mark.parametrize("native", [False, True])
def test_an_optional_text_that_finds_nothing_is_left_out(run_dag, usedesk, native):
    body = """
CreateTicketOperator(
    task_id="open", subject="s", message="m", client_name="{{ params.name or '' }}", company_name=None
)
"""
    run_dag(dag(body, f"render_template_as_native_obj={native}, params={{'name': None}}"))
    [sent] = usedesk.sent()
    assert set(sent) == {"api_token", "subject", "message", "additional_id"}


def test_every_channel(run_dag, usedesk):
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


def test_not_delivered_fails_for_good_with_the_ids_in_xcom(run_dag, usedesk):
    usedesk.post(
        "https://help.example/uapi/create/ticket",
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


def test_viber_answers_a_chat(run_dag, usedesk):
    usedesk.post(
        "https://help.example/uapi/create/ticket",
        json={"status": "success", "ticket_id": 77, "chat_id": "5754"},
    )
    run = run_dag(
        dag(
            "SendViberMessageOperator(task_id='v', subject='s', message='m', channel_id=1, client_phone='79')"
        )
    )
    assert pushed(run, "v") == {"return_value": 77, "ticket_id": 77, "chat_id": "5754"}


def test_no_xcom_when_none_is_wanted(run_dag, usedesk):
    run = run_dag(dag("CreateTicketOperator(task_id='open', subject='s', message='m', do_xcom_push=False)"))
    assert run.state == "success"
    assert pushed(run, "open") == {}


def test_the_hook_in_a_python_task(run_dag, usedesk):
    run = run_dag(
        dag("""
@task
def open_ticket():
    return UsedeskHook().create_ticket(subject="s", message="m", **{"from": "client"}).ticket_id

open_ticket()
""")
    )
    assert run.xcoms["open_ticket", -1] == {"return_value": 1001}


def test_nothing_personal_and_no_token_is_left_behind(run_dag, usedesk, left_behind):
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
    for secret in (b"0123456789abcdef-token", b"Qwertyuiop", b"qwerty@example.org", b"79120000001"):
        assert secret not in left_behind(run)


def test_a_failure_shows_neither_token_nor_person(run_dag, usedesk, left_behind):
    usedesk.post(
        "https://help.example/uapi/create/ticket",
        json={"code": 119, "error": "0123456789abcdef-token: no client Qwertyuiop 79120000001"},
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
    for secret in (b"0123456789abcdef-token", b"Qwertyuiop", b"79120000001"):
        assert secret not in left_behind(run)


@pytest.mark.parametrize(
    ("operator", "error"),
    [
        ("SendWhatsAppMessageOperator(**words, **reach, user_id=2156, from_='client')", "from_: "),
        ("SendWhatsAppTemplateOperator(channel_id=1, **reach)", "template_id or template_name: "),
        ("SendViberMessageOperator(**words, client_name='Anna')", "client_phone or client_id: "),
        ("SendTelegramMessageOperator(**words, client_id=27747627)", "client_phone or username: "),
    ],
)
def test_each_channel_has_its_own_rules(run_dag, usedesk, operator, error):
    words = 'words = {"subject": "s", "message": "m", "channel_id": 1}\nreach = {"client_phone": "79"}\n'
    run = run_dag(dag(words + operator.replace("Operator(", "Operator(task_id='send', ")))
    assert run.state == "failed"
    assert usedesk.sent() == []
    assert error in run.printed


def answers(usedesk, *answers):
    usedesk.post(
        "https://help.example/uapi/create/ticket",
        [{"json": {"status": "success", **answer}} for answer in answers],
    )


NOT_DELIVERED = {"ticket_id": 77, "message_status": "not delivered"}
DELIVERED = {"ticket_id": 78, "message_status": "delivered"}
TELEGRAM = (
    "SendTelegramMessageOperator(task_id='send', subject='s', message='m', channel_id=1, username='i', {})"
)


def test_not_delivered_may_be_ignored(run_dag, usedesk):
    answers(usedesk, NOT_DELIVERED)
    run = run_dag(dag(TELEGRAM.format("on_not_delivered='ignore'")))
    assert run.state == "success"
    assert pushed(run, "send") == {"return_value": 77, **NOT_DELIVERED}


def test_not_delivered_may_be_sent_anew(run_dag, usedesk, caplog):
    answers(usedesk, NOT_DELIVERED, DELIVERED)
    run = run_dag(dag(TELEGRAM.format("on_not_delivered='resend'")))
    assert run.state == "success"
    assert pushed(run, "send") == {"return_value": 78, **DELIVERED}
    first, second = (sent["additional_id"] for sent in usedesk.sent())
    assert second == f"{first}/resend"
    assert "ticket 77 was not delivered. It is sent again" in run.printed + caplog.text


def test_not_delivered_twice_fails(run_dag, usedesk):
    answers(usedesk, NOT_DELIVERED, {**NOT_DELIVERED, "ticket_id": 79})
    run = run_dag(dag(TELEGRAM.format("on_not_delivered='resend', retries=2")))
    assert run.state == "failed"
    assert len(usedesk.sent()) == 2
    assert run.xcoms["send", -1]["ticket_id"] == 79


def test_the_first_try_is_one_request_with_a_readable_key(run_dag, usedesk):
    run_dag(dag("CreateTicketOperator.partial(task_id='open', subject='s').expand(message=['a', 'b'])"))
    keys = sorted(sent["additional_id"] for sent in usedesk.sent())
    assert all(key.startswith("airflow/example/manual__") for key in keys)
    assert [key.rsplit("/", 2)[1:] for key in keys] == [["open", "0"], ["open", "1"]]


def test_an_id_of_ones_own_is_left_as_it_is(run_dag, usedesk):
    run_dag(dag("CreateTicketOperator(task_id='o', subject='s', message='m', additional_id='{{ 40 + 2 }}')"))
    assert usedesk.sent()[0]["additional_id"] == "42"


@pytest.mark.parametrize("blank", ["", "   ", "{{ ' ' }}"])
def test_a_blank_id_of_ones_own_does_not_take_the_key_away(run_dag, usedesk, blank):
    run_dag(dag(f"CreateTicketOperator(task_id='o', subject='s', message='m', additional_id={blank!r})"))
    assert usedesk.sent()[0]["additional_id"].startswith("airflow/example/")


@pytest.mark.parametrize("answer", [{"code": 112, "error": "token"}, {"code": 119, "error": "client"}])
def test_no_retry_is_wasted_on_what_it_cannot_mend(run_dag, usedesk, answer):
    usedesk.post("https://help.example/uapi/create/ticket", json=answer)
    run = run_dag(dag("CreateTicketOperator(task_id='o', subject='s', message='m', retries=5)"))
    assert run.state == "failed"
    assert run.states == {("o", -1): "failed"}
    assert len(usedesk.sent()) == 1


def test_retry_policy_gets_not_delivered_error(run_dag, usedesk):
    """A retry that the policy asks for reuses the ticket, and sends nothing."""
    pytest.importorskip("airflow.sdk")
    answers(usedesk, NOT_DELIVERED, DELIVERED)
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


def test_a_retry_policy_gets_the_error_itself(run_dag, usedesk):
    pytest.importorskip("airflow.sdk")
    usedesk.post("https://help.example/uapi/create/ticket", json={"code": 119, "error": "client"})
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
        ('subject="Failed in try {{ ti.try_number }}"', "Failed in try 1"),
        ('subject="s", client_id="{{ 27747626 + ti.try_number }}"', "s"),
        ("subject=Changing()", "try 1"),
    ],
)
def test_what_differs_in_each_try_makes_no_second_ticket(
    run_dag, usedesk_sandbox, monkeypatch, arguments, subject
):
    """The answer of the first try is lost, and the second would send something else."""
    from airflow_provider_usedesk import sandbox
    from airflow_provider_usedesk.idempotency import find_ticket

    without_wait = partial(find_ticket.TicketSearch, consistency_delay=0.0)
    monkeypatch.setattr(find_ticket, "TicketSearch", without_wait)
    usedesk_sandbox.fail(sandbox.close("after"), method="create/ticket")
    body = f"""
class Changing(XComArg):
    def iter_references(self):
        return ()

    def resolve(self, context, **options):
        return f"try {{context['ti'].try_number}}"

CreateTicketOperator(task_id="open", message="m", {arguments})
"""
    run = run_dag(dag(body, "default_args={'retries': 1, 'retry_delay': 0.1}"))
    assert run.state == "success"
    [ticket] = usedesk_sandbox.tickets
    assert ticket.subject == subject
    assert run.xcoms["open", -1]["ticket_id"] == ticket.ticket_id
