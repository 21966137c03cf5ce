"""The methods of agents: encoding, and the validation errors before sending."""

from __future__ import annotations

import json

import pytest

from airflow_provider_usedesk.api import agents
from airflow_provider_usedesk.api.body import Body
from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest

OLGA = {"name": "Olga", "email": "olga@example.org", "password": "invented", "group": 77}


def body_of(request):
    body = json.loads(request.as_json("token"))
    assert body.pop("api_token") == "token"
    return body


def errors_of(make, **params):
    with pytest.raises(UsedeskInvalidRequest) as raised:
        make(params)
    return dict(error.split(": ", 1) for error in raised.value.validation_errors)


def test_documented_parameters_are_known():
    common = {"name", "email", "role", "group", "phone", "avatar"}
    assert agents.CREATE_USER.arguments == common | {"password", "send_invite", "lang"}
    assert agents.UPDATE_USER.arguments == common | {"user_id", "chat_online_status", "ticket_online_status"}
    assert agents.DELETE_USER.arguments == {"user_id"}


def test_new_agent():
    more = {"role": "Admin", "phone": "8 (912) 345-67-89", "send_invite": "false", "lang": "pt-br"}
    expected = {**OLGA, **more, "role": "admin", "send_invite": False}
    assert body_of(agents.create_user_request({**OLGA, **more})) == expected


def test_changed_agent():
    given = {"user_id": "2156", "chat_online_status": "true", "ticket_online_status": False}
    expected = {"user_id": 2156, "chat_online_status": True, "ticket_online_status": False}
    assert body_of(agents.update_user_request(given)) == expected


def test_avatar_is_sent_or_deleted():
    with Body(agents.create_user_request({**OLGA, "avatar": ("o.png", b"png")}), "token") as body:
        assert b'name="avatar"; filename="o.png"' in body.content.read()
    request = agents.update_user_request({"user_id": 5, "avatar": "delete"})
    assert body_of(request) == {"user_id": 5, "avatar": "delete"}


def test_deleted_agent():
    assert body_of(agents.delete_user_request({"user_id": "5"})) == {"user_id": 5}


def test_required_parameters():
    assert errors_of(agents.create_user_request) == dict.fromkeys(OLGA, "is required")
    assert set(errors_of(agents.update_user_request)) == {"user_id", "arguments"}
    assert errors_of(agents.delete_user_request) == {"user_id": "is required"}


def test_invalid_values_are_rejected():
    given = {"email": "olga", "role": "boss", "group": "x", "lang": "de"}
    assert set(errors_of(agents.create_user_request, **{**OLGA, **given})) == set(given)


def test_password_is_redacted():
    request = agents.create_user_request(OLGA)
    assert request.hide("Olga olga@example.org invented") == "*** *** ***"
    assert "invented" not in repr(request)
