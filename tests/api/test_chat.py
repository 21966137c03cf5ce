"""The methods of chats: encoding, and the validation errors before sending."""

from __future__ import annotations

import json

import pytest

from airflow_provider_usedesk.api import chat
from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest


def body_of(request):
    body = json.loads(request.as_json("token"))
    assert body.pop("api_token") == "token"
    return body


def errors_of(make, **params):
    with pytest.raises(UsedeskInvalidRequest) as raised:
        make(params)
    return dict(error.split(": ", 1) for error in raised.value.validation_errors)


def test_message_of_client_is_nested():
    request = chat.add_chat_message_request(
        {
            "company_id": "19",
            "channel_id": 860,
            "chat_id": 5,
            "text": "Hello",
            "client_id": "27747627",
            "client_name": "Anna",
            "client_email": "anna@example.org",
        }
    )
    author = {"client_id": 27747627, "name": "Anna", "email": "anna@example.org"}
    message = {"text": "Hello", "from": author}
    assert body_of(request) == {"company_id": 19, "channel_id": 860, "chat_id": 5, "message": message}
    assert dict(request.as_form("token"))["message[from][name]"] == "Anna"
    assert request.hide("Hello Anna anna@example.org") == "*** *** ***"


def test_message_of_unknown_client():
    request = chat.add_chat_message_request({"company_id": 19, "channel_id": 860, "text": "Hello"})
    assert body_of(request) == {"company_id": 19, "channel_id": 860, "message": {"text": "Hello"}}


def test_message_of_agent():
    request = chat.send_chat_message_request({"chat_id": "675", "user_id": 27, "text": "Hello World"})
    assert body_of(request) == {"chat_id": 675, "user_id": 27, "text": "Hello World"}
    assert request.hide("Hello World") == "***"


def test_other_agent():
    request = chat.change_chat_assignee_request({"chat_id": "675", "user_id": 27})
    assert body_of(request) == {"chat_id": 675, "user_id": 27}


@pytest.mark.parametrize(
    ("make", "required"),
    [
        (chat.add_chat_message_request, {"company_id", "channel_id", "text"}),
        (chat.send_chat_message_request, {"chat_id", "user_id", "text"}),
        (chat.change_chat_assignee_request, {"chat_id", "user_id"}),
    ],
)
def test_required_parameters(make, required):
    assert errors_of(make) == dict.fromkeys(required, "is required")
    assert set(errors_of(make, **dict.fromkeys(required, ""))) == required


def test_invalid_values_are_rejected():
    given = {"chat_id": "x", "user_id": 0, "text": "я" * 32_768, "txt": "t"}
    found = errors_of(chat.send_chat_message_request, **given)
    assert set(found) == set(given)
    assert "is text meant?" in found["txt"]
