"""What may be sent as a comment, and every validation error of it named before anything is sent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_usedesk.api.comment import CREATE_COMMENT, comment_request
from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest

COMMENT = {"ticket_id": 77, "message": "m", "type": "public"}


def sent(**params: Any) -> dict[str, Any]:
    body = json.loads(comment_request({**COMMENT, **params}).as_json("token"))
    assert body.pop("api_token") == "token"
    return {name: value for name, value in body.items() if params.get(name) or COMMENT.get(name) != value}


def validation_errors(params: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(UsedeskInvalidRequest) as raised:
        comment_request(params)
    return dict(error.split(": ", 1) for error in raised.value.validation_errors)


def validation_error(**params: Any) -> str:
    [(name, reason)] = validation_errors({**COMMENT, **params}).items()
    assert name in params
    return reason


def test_every_parameter_of_the_page_is_known():
    listed = "ticket_id message cc bcc user_id type files from_ template_id template_name template_variables"
    assert CREATE_COMMENT.arguments == {*listed.split(), "template_lang"}


def test_a_comment():
    body = json.loads(comment_request({**COMMENT, "from": "client", "user_id": "2156"}).as_json("token"))
    assert body == {
        "api_token": "token",
        "ticket_id": 77,
        "message": "m",
        "type": "public",
        "from": "client",
        "user_id": 2156,
    }


@pytest.mark.parametrize("given", [77, "77", " 77 "])
def test_ticket_id_as_number_or_digits(given):
    assert sent(ticket_id=given) == {"ticket_id": 77}


@pytest.mark.parametrize("given", ["private", " Private "])
def test_a_private_comment(given):
    assert sent(type=given) == {"type": "private"}


@pytest.mark.parametrize("name", ["cc", "bcc"])
class TestAddresses:
    @pytest.mark.parametrize(
        "given",
        [
            ["a@example.org", " b@example.org "],
            ("a@example.org", "b@example.org"),
            "a@example.org, b@example.org",
            "['a@example.org', 'b@example.org']",
            '["a@example.org", "b@example.org"]',
        ],
    )
    def test_as_list_or_text(self, name, given):
        assert sent(**{name: given}) == {name: ["a@example.org", "b@example.org"]}

    def test_one(self, name):
        assert sent(**{name: "a@example.org"}) == {name: ["a@example.org"]}

    @pytest.mark.parametrize("blank", ["", "  ", None, [], ()])
    def test_none(self, name, blank):
        assert sent(**{name: blank}) == {}

    @pytest.mark.parametrize(
        ("given", "place"),
        [
            ("anna", 1),
            (["a@example.org", "anna"], 2),
            ("a@example.org,,b@example.org", 2),
            ("a@example.org; b@example.org", 1),
            ("Anna <anna@example.org>", 1),
            ("a@b@c", 1),
            (["a@example.org", None], 2),
            (["a@example.org", "None"], 2),
            ([["a@example.org"]], 1),
        ],
    )
    def test_a_fault_tells_the_place_and_not_the_address(self, name, given, place):
        reason = validation_error(**{name: given})
        assert reason.startswith(f"address {place} ")
        assert "anna" not in reason
        assert "example.org" not in reason

    @pytest.mark.parametrize("given", [True, b"a@example.org", {"a@example.org": 1}])
    def test_another_type(self, name, given):
        assert validation_error(**{name: given})


class TestFaults:
    def test_all_are_named_at_once(self):
        given = {
            "message": "",
            "cc": "anna",
            "user_id": "abc",
            "from_": "bot",
            "template_lang": "en",
            "subject": "s",
            "mesage": "m",
        }
        found = validation_errors(given)
        assert set(found) == {"ticket_id", "type", *given}
        assert found["mesage"].endswith("is message meant?")
        assert found["ticket_id"] == "is required"

    def test_who_reads_it_must_be_said(self):
        assert validation_errors({"ticket_id": 1, "message": "m"}) == {
            "type": "is required: public for the client, private for agents only"
        }
        assert "public, private" in validation_error(type="secret")
        assert "empty" in validation_error(type="")

    @pytest.mark.parametrize("nothing", ["", " ", "None", "\ud83d"])
    def test_no_message(self, nothing):
        assert validation_error(message=nothing)

    def test_message_is_measured_in_bytes(self):
        assert sent(message="я" * 32_767)
        assert "65536" in validation_error(message="я" * 32_768)

    @pytest.mark.parametrize("given", [0, -1, "x", "", 2.5, True, 2**32])
    def test_ticket_id(self, given):
        assert validation_error(ticket_id=given)

    def test_from_in_both_spellings(self):
        assert set(validation_errors({**COMMENT, "from": "user", "from_": "user"})) == {"from_"}

    def test_a_template_needs_no_message(self):
        params = {"ticket_id": 77, "type": "public", "template_id": 8094, "template_variables": ["Anna", 3]}
        body = json.loads(comment_request(params).as_json("token"))
        assert (body["template_id"], body["template_variables"]) == (8094, ["Anna", "3"])
        assert "message" not in body

    def test_one_template(self):
        both = {**COMMENT, "template_id": 1, "template_name": "Main"}
        assert set(validation_errors(both)) == {"template_id and template_name"}
        assert "needs template_id" in validation_error(template_variables=["a"])

    def test_a_file_that_is_not_there(self):
        assert "files" in str(validation_errors({**COMMENT, "files": ["/no/such/file"]}))

    def test_no_value_is_repeated(self):
        given = {"ticket_id": "Smith", "type": "Smith", "cc": "Smith", "user_id": "Smith", "from_": "Smith"}
        with pytest.raises(UsedeskInvalidRequest) as raised:
            comment_request(given)
        assert "Smith" not in str(raised.value)


def test_form_uses_the_brackets_of_php():
    request = comment_request({**COMMENT, "cc": ["a@example.org", "b@example.org"], "bcc": "c@example.org"})
    assert dict(request.as_form("token")) == {
        "api_token": "token",
        "ticket_id": "77",
        "message": "m",
        "type": "public",
        "cc[0]": "a@example.org",
        "cc[1]": "b@example.org",
        "bcc[0]": "c@example.org",
    }


def test_hides_its_people():
    request = comment_request({**COMMENT, "message": "Dear Anna", "cc": "anna@example.org", "bcc": "b@c.de"})
    told = request.hide("b@c.de or anna@example.org was told 'Dear Anna' in ticket 77")
    assert told == "*** or *** was told '***' in ticket 77"
    assert "Anna" not in repr(request)
