"""The operator that writes in a chat, in runs of Dags and in single attempts."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import requests

from airflow_provider_usedesk.api.chat import SEND_CHAT_MESSAGE
from airflow_provider_usedesk.compat.sdk import AirflowFailException
from airflow_provider_usedesk.operators.chat import SendChatMessageOperator
from tests.support.airflow import TOKEN, URL
from tests.support.operators import dag, pushed, run_attempt

LOST = {"exc": requests.ReadTimeout("no response")}


def call(**arguments) -> str:
    given = {"task_id": "write", "chat_id": 5, "user_id": 2156, "text": "It has arrived", **arguments}
    return f"SendChatMessageOperator(**{given!r})"


def with_import(body: str, options: str = "") -> str:
    module = "airflow_provider_usedesk.operators.chat"
    return f"from {module} import SendChatMessageOperator\n{dag(body, options)}"


def retried(**arguments) -> str:
    return with_import(call(**arguments), "default_args={'retries': 1, 'retry_delay': 0.1}")


@pytest.fixture
def chats(usedesk):
    usedesk.post(f"{URL}/chat/sendMessage", json={"status": "success"})
    return usedesk


def asked(usedesk, method):
    sent = [one.json() for one in usedesk.request_history if one.url == f"{URL}/{method}"]
    return [{name: value for name, value in one.items() if name != "api_token"} for one in sent]


def shows(usedesk, **comment):
    """Let ticket 77 show one comment."""
    now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
    row = {"id": 501, "from": "user", "type": "public", "user_id": 2156, "published_at": now, **comment}
    usedesk.post(f"{URL}/ticket", json={"ticket": {"id": 77}, "comments": [row]})


def test_message_is_sent(run_dag, chats):
    run = run_dag(with_import(call(text="{{ 'It has' }} arrived", chat_id="{{ 5 }}")))
    assert run.state == "success"
    assert asked(chats, "chat/sendMessage") == [{"chat_id": 5, "user_id": 2156, "text": "It has arrived"}]
    assert pushed(run, "write") == {}
    assert run.rendered["write", -1]["text"] == "***"


def test_text_is_not_stored(run_dag, chats, left_behind):
    run = run_dag(with_import(call(text="{{ 'Qwerty' }}{{ 'uiop' }}")))
    assert run.state == "success"
    for value in (TOKEN.encode(), b"Qwertyuiop"):
        assert value not in left_behind(run)


def test_template_fields_cover_the_method():
    others = {"ticket_id", "usedesk_conn_id", "message_key"}
    assert set(SendChatMessageOperator.template_fields) == SEND_CHAT_MESSAGE.arguments | others


@pytest.mark.parametrize("name", ["chat_id", "user_id", "text", "ticket_id"])
def test_invalid_argument_sends_nothing(chats, name):
    given = {"chat_id": 5, "user_id": 2156, "text": "t", name: "{{ 'None' }}"}
    with pytest.raises(AirflowFailException, match=f"{name}: "):
        run_attempt(SendChatMessageOperator, **given)
    assert chats.sent() == []


def test_retry_finds_the_message_in_the_ticket(run_dag, chats):
    chats.post(f"{URL}/chat/sendMessage", [LOST])
    shows(chats, message="It has arrived")
    run = run_dag(retried(ticket_id=77))
    assert run.state == "success"
    assert len(asked(chats, "chat/sendMessage")) == 1


@pytest.mark.parametrize("arguments", [{}, {"ticket_id": 77, "on_unknown_outcome": "fail"}])
def test_message_that_cannot_be_searched_fails_the_task(run_dag, chats, arguments):
    chats.post(f"{URL}/chat/sendMessage", [LOST])
    run = run_dag(retried(**arguments))
    assert run.state == "failed"
    assert len(chats.sent()) == 1
    assert "on_unknown_outcome='send'" in run.printed


def test_send_sends_again(run_dag, chats):
    chats.post(f"{URL}/chat/sendMessage", [LOST, {"json": {"status": "success"}}])
    assert run_dag(retried(on_unknown_outcome="send")).state == "success"
    assert len(asked(chats, "chat/sendMessage")) == 2


def test_refusal_is_not_retried(run_dag, chats):
    chats.post(f"{URL}/chat/sendMessage", json={"code": 117, "error": "wrong user"})
    assert run_dag(retried()).state == "failed"
    assert len(chats.sent()) == 1
