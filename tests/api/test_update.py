"""Update requests: encoding, and the validation errors raised before sending."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest
from airflow_provider_usedesk.api.ticket import UPDATE_TICKET, update_request


def sent(**params: Any) -> dict[str, Any]:
    body = json.loads(update_request({"ticket_id": 77, **params}).as_json("token"))
    assert (body.pop("api_token"), body.pop("ticket_id")) == ("token", 77)
    return body


def validation_errors(params: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(UsedeskInvalidRequest) as raised:
        update_request(params)
    return dict(error.split(": ", 1) for error in raised.value.validation_errors)


def validation_error(**params: Any) -> str:
    [(name, reason)] = validation_errors({"ticket_id": 77, "priority": "low", **params}).items()
    assert name in params
    return reason


def test_documented_parameters_are_known():
    listed = (
        "ticket_id subject client_id group_id assignee_id user_id tag priority status silent type field_id"
    )
    assert UPDATE_TICKET.arguments == {*listed.split(), "field_value", "lists", "custom_fields"}


def test_update_encodes_every_parameter():
    assert sent(
        subject="s",
        client_id="27747627",
        group_id=77,
        assignee_id="2156",
        user_id=2156,
        tag=["debt", "may"],
        priority="Urgent",
        status="on hold",
        silent=True,
        type="task",
        custom_fields={10: "A-17", 12: True},
        lists=[[{"id": 61, "value": "A"}]],
    ) == {
        "subject": "s",
        "client_id": 27747627,
        "group_id": 77,
        "assignee_id": 2156,
        "user_id": 2156,
        "tag": "debt,may",
        "priority": "urgent",
        "status": 5,
        "silent": True,
        "type": "task",
        "field_id": "10;12",
        "field_value": "A-17;true",
        "lists": [[{"id": "61", "value": "A"}]],
    }


@pytest.mark.parametrize("name", ["assignee_id", "group_id"])
@pytest.mark.parametrize("given", ["null", " null "])
def test_null_removes_assignee_and_group(name, given):
    assert sent(**{name: given}) == {name: "null"}


@pytest.mark.parametrize("given", ["", "None", "nobody", 0, True, "NULL", []])
@pytest.mark.parametrize("name", ["assignee_id", "group_id"])
def test_invalid_assignee_or_group_is_rejected(name, given):
    reason = validation_error(**{name: given})
    if given in ("nobody", 0):
        assert "'null' for none" in reason


@pytest.mark.parametrize("empty", [[], (), {}])
def test_empty_list_clears_lists(empty):
    assert sent(lists=empty) == {"lists": []}


@pytest.mark.parametrize("empty", ["", " ", "None"])
def test_empty_text_does_not_clear_lists(empty):
    assert validation_error(lists=empty)


def test_missing_parameters_are_omitted():
    assert sent(status=2, subject=None, lists=None, assignee_id=None, silent=False) == {"status": 2}
    assert sent(status=2, tag="", custom_fields={}, field_id=" ", field_value="") == {"status": 2}


@pytest.mark.parametrize(
    "name", ["subject", "client_id", "group_id", "user_id", "priority", "status", "type", "silent"]
)
@pytest.mark.parametrize("empty", ["", " ", "None"])
def test_empty_value_is_rejected(name, empty):
    assert validation_error(**{name: empty})


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"silent": True},
        {"user_id": 5},
        {"tag": "", "silent": True},
        {"custom_fields": {}},
        {"status": None},
    ],
)
def test_update_without_change_is_rejected(params):
    [name] = validation_errors({"ticket_id": 77, **params})
    assert name == "arguments"


def test_error_lists_all_problems():
    given = {
        "status": "done",
        "priority": "high",
        "assignee_id": "abc",
        "message": "m",
        "tags": ["a"],
        "files": ["a.txt"],
        "field_id": "1",
        "subject": "x" * 256,
        "silent": "maybe",
    }
    found = validation_errors(given)
    assert set(found) == {"ticket_id", "field_value", *given} - {"field_id"}
    assert found["tags"].endswith("is tag meant?")
    assert "not a parameter of update/ticket" in found["message"]


def test_custom_fields_exclude_field_ids():
    assert set(
        validation_errors({"ticket_id": 1, "custom_fields": {1: "a"}, "field_id": 1, "field_value": "a"})
    ) == {"custom_fields"}
    assert sent(field_id=[1, 2], field_value=["a", "b"]) == {"field_id": "1;2", "field_value": "a;b"}


@pytest.mark.parametrize("client", ["new_client", 0, "x"])
def test_client_must_exist(client):
    assert validation_error(client_id=client)


def test_errors_quote_no_value():
    given = dict.fromkeys(("ticket_id", "status", "priority", "assignee_id", "client_id", "type"), "Smith")
    with pytest.raises(UsedeskInvalidRequest) as raised:
        update_request({**given, "subject": "Smith" * 100})
    assert "Smith" not in str(raised.value)


def test_personal_data_is_redacted():
    request = update_request(
        {"ticket_id": 77, "subject": "Dear Anna", "custom_fields": {10: "Passport 4507"}}
    )
    assert request.hide("77: Dear Anna, Passport 4507") == "77: ***, ***"
    assert "Anna" not in repr(request)
