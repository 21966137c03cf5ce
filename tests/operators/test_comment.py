"""Operators that write comments, in runs of Dags and in single attempts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
import requests
from airflow.exceptions import AirflowException

from airflow_provider_usedesk import sandbox as faults
from airflow_provider_usedesk.api.comment import CREATE_COMMENT
from airflow_provider_usedesk.compat.sdk import AirflowFailException
from airflow_provider_usedesk.operators.comment import CreateCommentOperator
from airflow_provider_usedesk.sandbox import Sandbox
from tests.support.airflow import TOKEN, URL
from tests.support.delivery import set_extra
from tests.support.operators import StateStore, attempt_context, dag, pushed, run_attempt


def call(**arguments) -> str:
    given = {"task_id": "write", "ticket_id": 77, "message": "Paid", "type": "public", **arguments}
    return f"CreateCommentOperator(**{given!r})"


def retried(**arguments) -> str:
    return dag(call(**arguments), "default_args={'retries': 1, 'retry_delay': 0.1}")


@pytest.fixture
def comments(usedesk):
    """Each comment gets the next id."""
    numbers = count(501)
    usedesk.post(
        f"{URL}/create/comment",
        json=lambda request, context: {"status": "success", "comment_id": str(next(numbers))},
    )
    return usedesk


def asked(usedesk, method):
    return [one.json() for one in usedesk.request_history if one.url == f"{URL}/{method}"]


def test_comment_on_upstream_ticket(run_dag, comments):
    run = run_dag(
        dag("""
ticket = CreateTicketOperator(task_id="open", subject="s", message="m")

@task
def after(ticket_id):
    return ticket_id + 1

write = CreateCommentOperator(
    task_id="write",
    ticket_id=ticket.output,
    message="Paid",
    type="public",
    cc=["a@example.org", "b@example.org"],
)
after(write.output)
""")
    )
    assert run.state == "success"
    [sent] = asked(comments, "create/comment")
    assert sent == {
        "api_token": TOKEN,
        "ticket_id": 1001,
        "message": "Paid",
        "type": "public",
        "cc": ["a@example.org", "b@example.org"],
    }
    assert pushed(run, "write") == {"return_value": 1001, "ticket_id": 1001, "comment_id": 501}
    assert run.xcoms["after", -1] == {"return_value": 1002}


def test_all_parameters_are_templated_and_sent(run_dag, comments):
    given = {
        "ticket_id": "{{ 70 + 7 }}",
        "message": "{{ 'Your' }} bill",
        "type": "{{ 'private' }}",
        "cc": "{{ 'a@example.org' }},b@example.org",
        "bcc": ["{{ 'c@example.org' }}"],
        "user_id": "{{ 2156 }}",
        "from_": "{{ 'user' }}",
        "trigger_id": "{{ 1260 }}",
        "template_name": "{{ 'Main' }}",
        "template_variables": ["{{ 'Anna' }}", 3],
        "template_lang": "{{ 'en' }}",
        "usedesk_conn_id": "usedesk_{{ 'default' }}",
    }
    assert run_dag(dag(call(**given))).state == "success"
    [sent] = asked(comments, "create/comment")
    assert sent == {
        "api_token": TOKEN,
        "ticket_id": 77,
        "message": "Your bill",
        "type": "private",
        "cc": ["a@example.org", "b@example.org"],
        "bcc": ["c@example.org"],
        "user_id": 2156,
        "from": "user",
        "trigger_id": 1260,
        "template_name": "Main",
        "template_variables": ["Anna", "3"],
        "template_lang": "en",
    }


def test_template_fields_cover_the_method():
    others = {"usedesk_conn_id", "message_key"}
    assert set(CreateCommentOperator.template_fields) == CREATE_COMMENT.arguments | others


def test_type_is_required():
    with pytest.raises((TypeError, AirflowException), match="'type'"):
        CreateCommentOperator(task_id="write", ticket_id=77, message="m")


def test_mapped_over_upstream_values(run_dag, comments):
    body = """
@task
def texts():
    return [{"ticket_id": 1, "message": "one"}, {"ticket_id": 2, "message": "two"}]

CreateCommentOperator.partial(task_id="write", type="private").expand_kwargs(texts())
"""
    run = run_dag(dag(body))
    assert run.state == "success"
    sent = {one["ticket_id"]: one["message"] for one in asked(comments, "create/comment")}
    assert sent == {1: "one", 2: "two"}
    assert [pushed(run, "write", index)["return_value"] for index in (0, 1)] == [1, 2]


def test_message_from_template_file(run_dag, comments, tmp_path):
    (tmp_path / "paid.html").write_text("<p>Dear {{ params.name }}</p>")
    folder = f"template_searchpath={str(tmp_path)!r}, params={{'name': 'Anna'}}"
    run_dag(dag(call(message="paid.html"), folder))
    assert asked(comments, "create/comment")[0]["message"] == "<p>Dear Anna</p>"


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("name", ["ticket_id", "message", "type", "user_id"])
def test_empty_template_sends_no_comment(comments, name, native):
    arguments = {"ticket_id": 77, "message": "Paid", "type": "public", name: "{{ ti.xcom_pull('nobody') }}"}
    with pytest.raises(AirflowFailException, match=f"{name}: "):
        run_attempt(CreateCommentOperator, native=native, **arguments)
    assert comments.sent() == []


def test_personal_values_are_not_stored(run_dag, comments, left_behind):
    run = run_dag(
        dag(
            call(
                message="Message of {{ 'Qwerty' }}{{ 'uiop' }}",
                cc="{{ 'qwe' }}{{ 'rty@example.org' }}",
                bcc=["{{ 'qwe' }}{{ 'rty@example.org' }}"],
                template_id=1,
                template_variables=["{{ 'Qwerty' }}{{ 'uiop' }}"],
            )
        )
    )
    assert run.state == "success"
    rendered = run.rendered["write", -1]
    assert {rendered[name] for name in ("message", "cc", "bcc", "template_variables")} == {"***"}
    assert rendered["type"] == "public"
    for secret in (TOKEN.encode(), b"Qwertyuiop", b"qwerty@example.org"):
        assert secret not in left_behind(run)


REFUSALS = {"token": {"code": 112, "error": "token"}, "ticket": {"code": 113, "error": "ticket"}}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
def test_refusal_is_not_retried(run_dag, usedesk, refusal):
    usedesk.post(f"{URL}/create/comment", json=refusal)
    run = run_dag(retried())
    assert run.states == {("write", -1): "failed"}
    assert len(usedesk.sent()) == 1


LOST = {"exc": requests.ReadTimeout("no response")}
WRITTEN = {"json": {"status": "success", "comment_id": 502}}


def lose_response(usedesk, *listed, then=WRITTEN):
    """Lose the response to the first comment, and list these comments in the ticket afterwards."""
    usedesk.post(f"{URL}/create/comment", [LOST, then])

    def ticket(request, context):
        now = datetime.now(UTC)
        rows = [
            {"id": 501, "from": "user", "type": "public", "published_at": f"{now:%Y-%m-%d %H:%M:%S}", **row}
            for row in listed
        ]
        return {"ticket": {"id": 77}, "comments": rows}

    usedesk.post(f"{URL}/ticket", json=ticket)


def test_retry_reuses_comment_after_lost_response(run_dag, usedesk):
    lose_response(usedesk, {"id": 7, "message": "Another"}, {"message": "<p>Paid&nbsp;</p>\n"})
    run = run_dag(retried())
    assert run.state == "success"
    assert len(asked(usedesk, "create/comment")) == 1
    assert asked(usedesk, "ticket") == [{"api_token": TOKEN, "ticket_id": 77}]
    assert pushed(run, "write") == {"return_value": 77, "ticket_id": 77, "comment_id": 501}


EARLIER = f"{datetime.now(UTC) - timedelta(hours=3):%Y-%m-%d %H:%M:%S}"
AMBIGUOUS = {
    "longer text": ({}, {"message": "Paid. Your bank"}),
    "no time": ({}, {"message": "Paid", "published_at": "?"}),
    "another time": ({}, {"message": "Paid", "published_at": EARLIER}),
    "template": ({"template_id": 8094}, {"message": "Anything"}),
}


@pytest.mark.parametrize(("arguments", "listed"), AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_ambiguous_comment_fails_task(run_dag, usedesk, arguments, listed):
    lose_response(usedesk, listed)
    run = run_dag(retried(**arguments))
    assert run.state == "failed"
    assert len(asked(usedesk, "create/comment")) == 1
    assert "comment 501" in run.printed
    assert "on_unknown_outcome='send'" in run.printed


def test_fail_looks_up_no_comment(run_dag, usedesk):
    lose_response(usedesk, {"message": "Paid"})
    run = run_dag(retried(on_unknown_outcome="fail"))
    assert run.state == "failed"
    assert len(usedesk.sent()) == 1


def test_send_writes_again_without_lookup(run_dag, usedesk):
    lose_response(usedesk, {"message": "Paid"})
    run = run_dag(retried(on_unknown_outcome="send"))
    assert run.state == "success"
    assert asked(usedesk, "ticket") == []
    assert len(asked(usedesk, "create/comment")) == 2
    assert pushed(run, "write")["comment_id"] == 502


@pytest.fixture
def sandbox(monkeypatch):
    with Sandbox(listing_lag=0) as running:
        monkeypatch.setenv("AIRFLOW_CONN_USEDESK_DEFAULT", running.connection_json)
        # No request is under way in a test whose attempt has ended.
        set_extra(monkeypatch, consistency_delay=0)
        yield running


WHOLE = """
ticket = CreateTicketOperator(task_id="open", subject="Bill", message="Please pay")
write = CreateCommentOperator(
    task_id="write", ticket_id=ticket.output, message="<p>Paid, thanks</p>", type="public", user_id=2156
)
UpdateTicketOperator(task_id="solve", ticket_id=write.output, status="solved", tag="paid", assignee_id="null")
"""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("method", ["create/comment", "update/ticket"])
def test_lost_response_sends_once(run_dag, sandbox, method, when):
    sandbox.fail(faults.close(when), method=method)
    run = run_dag(dag(WHOLE, "default_args={'retries': 1, 'retry_delay': 0.1}"))
    assert run.state == "success"
    [ticket] = sandbox.tickets
    [_, comment] = ticket.comments
    assert (comment.message, comment.is_private) == ("<p>Paid, thanks</p>", False)
    assert (ticket.status, ticket.tags, ticket.assignee_id) == (2, ("paid",), None)
    assert pushed(run, "write")["comment_id"] == comment.id
    assert pushed(run, "solve")["return_value"] == ticket.ticket_id


def test_changing_text_is_not_sent_twice(run_dag, sandbox):
    """The response of the first attempt is lost, and only a person can decide whether its comment exists."""
    sandbox.fail(faults.close("after"), method="create/comment")
    body = """
ticket = CreateTicketOperator(task_id="open", subject="Bill", message="Please pay")
CreateCommentOperator(
    task_id="write", ticket_id=ticket.output, message="Attempt {{ ti.try_number }}", type="public"
)
"""
    run = run_dag(dag(body, "default_args={'retries': 1, 'retry_delay': 0.1}"))
    assert run.states["write", -1] == "failed"
    [ticket] = sandbox.tickets
    assert [comment.message for comment in ticket.comments] == ["Please pay", "Attempt 1"]
    assert "on_unknown_outcome='send'" in run.printed


@pytest.mark.parametrize("operator", ["CreateCommentOperator", "UpdateTicketOperator"])
def test_failed_task_has_link(run_dag, sandbox, operator):
    sandbox.fail(faults.close("after"), times=9)
    given = 'message="m", type="public"' if operator == "CreateCommentOperator" else 'status="solved"'
    run = run_dag(dag(f"{operator}(task_id='t', ticket_id=77, {given})"))
    assert run.state == "failed"
    assert run.xcoms["t", -1]["ticket_url"].endswith("/tickets/77")


def test_invalid_ticket_id_is_not_stored(comments):
    store = StateStore()
    with pytest.raises(AirflowFailException, match=r"ticket_id: must be .*\n *type: "):
        execute(store, 1, ticket_id="+7 951 123-45-67", type="open", _airflow_from_mapped=True)
    assert "951" not in str(store)
    assert comments.sent() == []


def execute(store, try_number, **arguments):
    """Run one attempt of a task, each after clearing it, and return what it pushed."""
    clears = try_number - 1
    context = attempt_context(try_number, max_tries=clears, store=store, clear_number=clears, task_id="write")
    given = {"ticket_id": 77, "message": "Paid", "type": "public", "retries": 0, **arguments}
    returned = CreateCommentOperator(task_id="write", **given).execute(context)
    return {**context["ti"].pushed, "return_value": returned}


def test_clearing_reuses_comment(comments):
    store = StateStore()
    assert (
        execute(store, 1)
        == execute(store, 2, message="Another text")
        == {
            "return_value": 77,
            "ticket_id": 77,
            "comment_id": 501,
        }
    )
    assert len(comments.sent()) == 1


def test_send_again_on_clear_writes_again(comments):
    store = StateStore()
    execute(store, 1, send_again_on_clear=True)
    assert execute(store, 2, send_again_on_clear=True)["comment_id"] == 502
    assert comments.sent()[0] == comments.sent()[1]


def test_other_ticket_gets_own_comment(comments):
    store = StateStore()
    comments.post(f"{URL}/ticket", json={"ticket": {"id": 78}, "comments": []})
    execute(store, 1)
    assert execute(store, 2, ticket_id="78") == {"return_value": 78, "ticket_id": 78, "comment_id": 502}
    assert [sent["ticket_id"] for sent in asked(comments, "create/comment")] == [77, 78]
