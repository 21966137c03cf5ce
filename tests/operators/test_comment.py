"""Comments from Dags that really run: what is sent, what is kept, and what a later try does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count

import pytest
import requests
from airflow.exceptions import AirflowException

from airflow_provider_usedesk import sandbox as faults
from airflow_provider_usedesk.api.comment import CREATE_COMMENT
from airflow_provider_usedesk.compat.sdk import AirflowFailException
from airflow_provider_usedesk.idempotency import find_comment
from airflow_provider_usedesk.idempotency.find_comment import CommentSearch
from airflow_provider_usedesk.operators.comment import CreateCommentOperator
from airflow_provider_usedesk.sandbox import Sandbox
from tests.support.airflow import URL
from tests.support.operators import StateStore, attempt_context, dag, pushed


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


def test_writes_to_the_ticket_of_an_upstream_task(run_dag, comments):
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
        "api_token": "0123456789abcdef-token",
        "ticket_id": 1001,
        "message": "Paid",
        "type": "public",
        "cc": ["a@example.org", "b@example.org"],
    }
    assert pushed(run, "write") == {"return_value": 1001, "ticket_id": 1001, "comment_id": 501}
    assert run.xcoms["after", -1] == {"return_value": 1002}


def test_every_parameter_is_templated_and_sent(run_dag, comments):
    given = {
        "ticket_id": "{{ 70 + 7 }}",
        "message": "{{ 'Your' }} bill",
        "type": "{{ 'private' }}",
        "cc": "{{ 'a@example.org' }},b@example.org",
        "bcc": ["{{ 'c@example.org' }}"],
        "user_id": "{{ 2156 }}",
        "from_": "{{ 'user' }}",
        "template_name": "{{ 'Main' }}",
        "template_variables": ["{{ 'Anna' }}", 3],
        "template_lang": "{{ 'en' }}",
        "usedesk_conn_id": "usedesk_{{ 'default' }}",
    }
    assert run_dag(dag(call(**given))).state == "success"
    [sent] = asked(comments, "create/comment")
    assert sent == {
        "api_token": "0123456789abcdef-token",
        "ticket_id": 77,
        "message": "Your bill",
        "type": "private",
        "cc": ["a@example.org", "b@example.org"],
        "bcc": ["c@example.org"],
        "user_id": 2156,
        "from": "user",
        "template_name": "Main",
        "template_variables": ["Anna", "3"],
        "template_lang": "en",
    }


def test_the_operator_knows_every_parameter_of_the_method():
    assert set(CreateCommentOperator.template_fields) == CREATE_COMMENT.arguments | {"usedesk_conn_id"}


def test_who_may_read_it_is_said_in_the_dag():
    with pytest.raises((TypeError, AirflowException), match="'type'"):
        CreateCommentOperator(task_id="write", ticket_id=77, message="m")


def test_mapped_over_what_came_from_upstream(run_dag, comments):
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


def test_message_from_a_template_file(run_dag, comments, tmp_path):
    (tmp_path / "paid.html").write_text("<p>Dear {{ params.name }}</p>")
    folder = f"template_searchpath={str(tmp_path)!r}, params={{'name': 'Anna'}}"
    run_dag(dag(call(message="paid.html"), folder))
    assert asked(comments, "create/comment")[0]["message"] == "<p>Dear Anna</p>"


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("name", ["ticket_id", "message", "type", "user_id"])
def test_a_template_that_finds_nothing_writes_nothing(run_dag, comments, name, native):
    body = call(**{name: "{{ ti.xcom_pull('nobody') }}"})
    run = run_dag(dag(body, f"render_template_as_native_obj={native}"))
    assert run.state == "failed"
    assert comments.sent() == []
    assert f"{name}: " in run.printed


def test_nothing_personal_is_left_behind(run_dag, comments, left_behind):
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
    for secret in (b"0123456789abcdef-token", b"Qwertyuiop", b"qwerty@example.org"):
        assert secret not in left_behind(run)


@pytest.mark.parametrize("answer", [{"code": 112, "error": "token"}, {"code": 113, "error": "ticket"}])
def test_no_retry_is_wasted_on_what_it_cannot_mend(run_dag, usedesk, answer):
    usedesk.post(f"{URL}/create/comment", json=answer)
    run = run_dag(retried())
    assert run.states == {("write", -1): "failed"}
    assert len(usedesk.sent()) == 1


LOST = {"exc": requests.ReadTimeout("no answer")}
WRITTEN = {"json": {"status": "success", "comment_id": 502}}


def lose_the_answer(usedesk, *shown, then=WRITTEN):
    """Answer the first comment with nothing, and show these comments in the ticket afterwards."""
    usedesk.post(f"{URL}/create/comment", [LOST, then])

    def ticket(request, context):
        now = datetime.now(UTC)
        rows = [
            {"id": 501, "from": "user", "type": "public", "published_at": f"{now:%Y-%m-%d %H:%M:%S}", **row}
            for row in shown
        ]
        return {"ticket": {"id": 77}, "comments": rows}

    usedesk.post(f"{URL}/ticket", json=ticket)


def test_a_retry_takes_the_comment_whose_answer_was_lost(run_dag, usedesk):
    lose_the_answer(usedesk, {"id": 7, "message": "Another"}, {"message": "<p>Paid&nbsp;</p>\n"})
    run = run_dag(retried())
    assert run.state == "success"
    assert len(asked(usedesk, "create/comment")) == 1
    assert asked(usedesk, "ticket") == [{"api_token": "0123456789abcdef-token", "ticket_id": 77}]
    assert pushed(run, "write") == {"return_value": 77, "ticket_id": 77, "comment_id": 501}


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ({}, {"message": "Paid. Your bank"}),
        ({}, {"message": "Paid", "published_at": "?"}),
        (
            {},
            {
                "message": "Paid",
                "published_at": f"{datetime.now(UTC) - timedelta(hours=3):%Y-%m-%d %H:%M:%S}",
            },
        ),
        ({"template_id": 8094}, {"message": "Anything"}),
    ],
)
def test_a_retry_that_cannot_tell_writes_nothing_and_says_where_to_look(run_dag, usedesk, arguments, shown):
    lose_the_answer(usedesk, shown)
    run = run_dag(retried(**arguments))
    assert run.state == "failed"
    assert len(asked(usedesk, "create/comment")) == 1
    assert "comment 501" in run.printed
    assert "on_unknown_outcome='send'" in run.printed


def test_fail_asks_nothing(run_dag, usedesk):
    lose_the_answer(usedesk, {"message": "Paid"})
    run = run_dag(retried(on_unknown_outcome="fail"))
    assert run.state == "failed"
    assert len(usedesk.sent()) == 1


def test_send_asks_nothing_and_writes_again(run_dag, usedesk):
    lose_the_answer(usedesk, {"message": "Paid"})
    run = run_dag(retried(on_unknown_outcome="send"))
    assert run.state == "success"
    assert asked(usedesk, "ticket") == []
    assert len(asked(usedesk, "create/comment")) == 2
    assert pushed(run, "write")["comment_id"] == 502


@pytest.fixture
def sandbox(monkeypatch):
    # Nothing is under way in a test whose try has ended.
    monkeypatch.setattr(find_comment, "CommentSearch", partial(CommentSearch, consistency_delay=0.0))
    with Sandbox(listing_lag=0) as running:
        monkeypatch.setenv("AIRFLOW_CONN_USEDESK_DEFAULT", running.connection_json)
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
def test_a_lost_answer_leaves_one_comment_and_one_change(run_dag, sandbox, method, when):
    sandbox.fail(faults.close(when), method=method)
    run = run_dag(dag(WHOLE, "default_args={'retries': 1, 'retry_delay': 0.1}"))
    assert run.state == "success"
    [ticket] = sandbox.tickets
    [_, comment] = ticket.comments
    assert (comment.message, comment.is_private) == ("<p>Paid, thanks</p>", False)
    assert (ticket.status, ticket.tags, ticket.assignee_id) == (2, ("paid",), None)
    assert pushed(run, "write")["comment_id"] == comment.id
    assert pushed(run, "solve")["return_value"] == ticket.ticket_id


def test_a_text_that_differs_in_each_try_is_not_sent_twice(run_dag, sandbox):
    """The answer of the first try is lost; nobody but a person can tell whether its comment is there."""
    sandbox.fail(faults.close("after"), method="create/comment")
    body = """
ticket = CreateTicketOperator(task_id="open", subject="Bill", message="Please pay")
CreateCommentOperator(
    task_id="write", ticket_id=ticket.output, message="Try {{ ti.try_number }}", type="public"
)
"""
    run = run_dag(dag(body, "default_args={'retries': 1, 'retry_delay': 0.1}"))
    assert run.states["write", -1] == "failed"
    [ticket] = sandbox.tickets
    assert [comment.message for comment in ticket.comments] == ["Please pay", "Try 1"]
    assert "on_unknown_outcome='send'" in run.printed


@pytest.mark.parametrize("operator", ["CreateCommentOperator", "UpdateTicketOperator"])
def test_the_button_is_there_when_the_task_fails(run_dag, sandbox, operator):
    sandbox.fail(faults.close("after"), times=9)
    given = 'message="m", type="public"' if operator == "CreateCommentOperator" else 'status="solved"'
    run = run_dag(dag(f"{operator}(task_id='t', ticket_id=77, {given})"))
    assert run.state == "failed"
    assert run.xcoms["t", -1]["ticket_url"].endswith("/tickets/77")


def test_what_is_no_ticket_is_named_and_never_a_key_in_the_state_store(comments):
    store = StateStore()
    with pytest.raises(AirflowFailException, match="ticket_id: must be .*; type: "):
        execute(store, 1, ticket_id="+7 951 123-45-67", type="open")
    assert "951" not in str(store)
    assert comments.sent() == []


def execute(store, try_number, **arguments):
    """Run one attempt of a task, each after clearing it, and return what it pushed."""
    context = attempt_context(try_number, max_tries=try_number - 1, store=store)
    given = {"ticket_id": 77, "message": "Paid", "type": "public", "retries": 0, **arguments}
    returned = CreateCommentOperator(task_id="write", **given).execute(context)
    return {**context["ti"].pushed, "return_value": returned}


def test_clearing_writes_nothing_and_pushes_the_same_ids(comments):
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


def test_clearing_writes_again_where_that_is_wanted(comments):
    store = StateStore()
    execute(store, 1, send_again_on_clear=True)
    assert execute(store, 2, send_again_on_clear=True)["comment_id"] == 502
    assert comments.sent()[0] == comments.sent()[1]


def test_another_ticket_gets_a_comment_of_its_own(comments):
    store = StateStore()
    execute(store, 1)
    assert execute(store, 2, ticket_id="78") == {"return_value": 78, "ticket_id": 78, "comment_id": 502}
    assert [sent["ticket_id"] for sent in comments.sent()] == [77, 78]
