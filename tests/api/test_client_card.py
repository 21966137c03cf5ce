"""The methods that create and change clients: encoding, and the validation errors before sending."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_usedesk.api import client_card
from airflow_provider_usedesk.api.body import Body
from airflow_provider_usedesk.api.client_card import create_client_request, update_client_request
from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest

TELEGRAM = {"identity": "anna", "type": "telegram"}


def created(**params: Any) -> dict[str, Any]:
    return body_of(create_client_request({"name": "Anna", **params}), {"name": "Anna"})


def updated(**params: Any) -> dict[str, Any]:
    return body_of(update_client_request({"client_id": 5, **params}), {"client_id": 5})


def body_of(request: Any, without: dict[str, Any]) -> dict[str, Any]:
    body = json.loads(request.as_json("token"))
    return {key: value for key, value in body.items() if key != "api_token" and without.get(key) != value}


def errors_of(make: Any, **params: Any) -> dict[str, str]:
    with pytest.raises(UsedeskInvalidRequest) as raised:
        make(params)
    return dict(error.split(": ", 1) for error in raised.value.validation_errors)


def test_documented_parameters_are_known():
    common = "name emails messengers note phone sites avatar status_vip status_spam position merge_id"
    address = "client_country client_city client_address new_address phone_type"
    listed = {*common.split(), *address.split(), "phone_region"}
    assert client_card.CREATE_CLIENT.arguments == listed
    assert client_card.UPDATE_CLIENT.arguments == listed | {"client_id", "is_new_note"}


def test_client_as_json():
    assert created(
        emails="anna@example.org, smith@example.org",
        phone="+7 912 345-67-89",
        messengers=[{**TELEGRAM, "uid": 99}],
        sites=[{"url": "https://anna.example.org"}],
        note="<b>Regular</b>",
        status_vip="true",
        position="Director",
        merge_id="27747628",
        client_city="Perm",
        new_address=True,
        phone_type="mobile",
    ) == {
        "emails": ["anna@example.org", "smith@example.org"],
        "phone": "79123456789",
        "messengers": [{**TELEGRAM, "uid": "99"}],
        "sites": [{"url": "https://anna.example.org"}],
        "note": "<b>Regular</b>",
        "status_vip": True,
        "position": "Director",
        "merge_id": 27747628,
        "client_city": "Perm",
        "new_address": "true",
        "phone_type": "mobile",
    }


def test_update_as_json():
    assert updated(note="n", is_new_note=True, status_spam=False) == {
        "note": "n",
        "is_new_note": True,
        "status_spam": False,
    }


def test_blank_and_null_are_left_out():
    assert created(emails=[], note="", phone=None, messengers=[], sites=None, avatar="") == {}


@pytest.mark.parametrize("written", [TELEGRAM, [TELEGRAM], str([TELEGRAM]), json.dumps([TELEGRAM])])
def test_messengers_in_every_form(written):
    assert created(messengers=written) == {"messengers": [TELEGRAM]}


class TestIdsOfParts:
    def test_part_with_id_is_changed(self):
        given = {
            "messengers": [{**TELEGRAM, "id": "7"}],
            "sites": [{"id": 8, "url": "https://a.example.org"}],
        }
        assert updated(**given) == {
            "messengers": [{**TELEGRAM, "id": 7}],
            "sites": [{"id": 8, "url": "https://a.example.org"}],
        }

    def test_empty_part_with_id_is_deleted(self):
        given = {"messengers": [{"id": 7, "identity": "", "type": "viber"}], "sites": {"id": 8, "url": " "}}
        assert updated(**given) == {
            "messengers": [{"id": 7, "identity": "", "type": "viber"}],
            "sites": [{"id": 8, "url": ""}],
        }

    def test_new_client_has_no_ids(self):
        found = errors_of(create_client_request, name="Anna", messengers=[{**TELEGRAM, "id": 7}])
        assert set(found) == {"messengers"}


class TestValidationErrors:
    @pytest.mark.parametrize("given", [{}, {"note": "n"}, {"name": " ", "emails": []}])
    def test_new_client_needs_a_name_or_a_contact(self, given):
        assert errors_of(create_client_request, **given) == {
            "name or emails or phone or messengers": "is required"
        }

    @pytest.mark.parametrize("given", [{}, {"is_new_note": True}, {"phone_region": "RU"}])
    def test_update_needs_a_change(self, given):
        assert "arguments" in errors_of(update_client_request, client_id=5, **given)

    def test_update_needs_the_client(self):
        assert errors_of(update_client_request, name="Anna") == {"client_id": "is required"}

    @pytest.mark.parametrize("make", [create_client_request, update_client_request])
    def test_vip_and_spam_exclude_each_other(self, make):
        given = {"name": "Anna", "status_vip": True, "status_spam": False}
        if make is update_client_request:
            given["client_id"] = 5
        assert errors_of(make, **given) == {"status_vip and status_spam": "only one of them can be given"}

    @pytest.mark.parametrize(
        ("name", "value", "reason"),
        [
            ("phone", "912", "10"),
            ("emails", ["anna"], "one email address"),
            ("merge_id", "x", "32-bit id"),
            ("messengers", [{"identity": "anna"}], "number 1: needs type"),
            ("messengers", [TELEGRAM, {**TELEGRAM, "type": "icq"}], "number 2: type must be one of telegram"),
            ("messengers", [{**TELEGRAM, "identity": "a" * 65}], "at most 64"),
            ("messengers", [{**TELEGRAM, "name": "a"}], "has a name that is none of identity, type, uid"),
            ("messengers", [{**TELEGRAM, "identity": ""}], "identity is empty"),
            ("messengers", "anna", "must be a list"),
            ("messengers", ["anna"], "number 1 must be {"),
            ("sites", [{}], "number 1: needs url"),
            ("phone_type", "work", "must be one of home"),
            ("avatar", "/no/such/file.png", "no such file"),
            ("avatar", [("a.png", b"1"), ("b.png", b"2")], "must be one file"),
        ],
    )
    def test_invalid_value_is_rejected(self, name, value, reason):
        phone = {"phone": "79123456789"} if name == "phone_type" else {}
        found = errors_of(create_client_request, **{"name": "Anna", **phone, name: value})
        assert set(found) == {name}
        assert reason in found[name]

    @pytest.mark.parametrize("name", ["messengers", "sites", "emails", "note", "position"])
    def test_errors_quote_no_value(self, name):
        with pytest.raises(UsedeskInvalidRequest) as raised:
            create_client_request({"name": "Anna", name: [{"Qwertyuiop": "Qwertyuiop"}]})
        assert "Qwertyuiop" not in str(raised.value)


def test_avatar_is_one_file_of_a_form():
    request = create_client_request(
        {"name": "Anna", "avatar": ("anna.png", b"png"), "messengers": [TELEGRAM], "status_vip": False}
    )
    assert dict(request.as_form("token")) == {
        "api_token": "token",
        "name": "Anna",
        "messengers[0][identity]": "anna",
        "messengers[0][type]": "telegram",
        "status_vip": "false",
    }
    with Body(request, "token") as body:
        content = body.content.read()
    assert b'name="avatar"; filename="anna.png"' in content
    assert b"files[]" not in content


def test_personal_data_is_redacted():
    request = create_client_request(
        {
            "name": "Qwerty",
            "emails": "q@example.org",
            "phone": "79123456789",
            "messengers": [{"identity": "qwerty_tg", "type": "telegram"}],
            "sites": [{"url": "https://q.example.org"}],
            "note": "owes us",
        }
    )
    shown = request.hide("Qwerty q@example.org 79123456789 qwerty_tg https://q.example.org owes us telegram")
    assert shown == "*** *** *** *** *** *** telegram"
    assert "Qwerty" not in repr(request)
