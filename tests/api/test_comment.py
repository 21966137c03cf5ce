"""Comment requests: encoding, and the validation errors that are raised before sending."""

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


def test_documented_parameters_are_known():
    listed = "ticket_id message cc bcc user_id type files from_ trigger_id template_id template_name"
    assert CREATE_COMMENT.arguments == {*listed.split(), "template_variables", "template_lang"}


def test_public_comment_as_json():
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
def test_ticket_id_accepts_number_or_digits(given):
    assert sent(ticket_id=given) == {"ticket_id": 77}


@pytest.mark.parametrize("given", ["private", " Private "])
def test_type_ignores_case_and_spaces(given):
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
    def test_addresses_as_list_or_text(self, name, given):
        assert sent(**{name: given}) == {name: ["a@example.org", "b@example.org"]}

    def test_single_address_becomes_list(self, name):
        assert sent(**{name: "a@example.org"}) == {name: ["a@example.org"]}

    @pytest.mark.parametrize("empty", ["", "  ", None, [], ()])
    def test_empty_addresses_are_omitted(self, name, empty):
        assert sent(**{name: empty}) == {}

    @pytest.mark.parametrize(
        ("given", "position"),
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
    def test_error_gives_position_not_address(self, name, given, position):
        reason = validation_error(**{name: given})
        assert reason.startswith(f"address {position} ")
        assert "anna" not in reason
        assert "example.org" not in reason

    @pytest.mark.parametrize("given", [True, b"a@example.org", {"a@example.org": 1}])
    def test_other_types_are_rejected(self, name, given):
        assert validation_error(**{name: given})


class TestValidationErrors:
    def test_error_lists_all_problems(self):
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

    def test_type_is_required(self):
        assert validation_errors({"ticket_id": 1, "message": "m"}) == {
            "type": "is required: public for the client, private for agents only"
        }
        assert "public, private" in validation_error(type="secret")
        assert "empty" in validation_error(type="")

    @pytest.mark.parametrize("empty", ["", " ", "None", "\ud83d"])
    def test_empty_message_is_rejected(self, empty):
        assert validation_error(message=empty)

    def test_message_limit_counts_bytes(self):
        assert sent(message="я" * 32_767)
        assert "65536" in validation_error(message="я" * 32_768)

    @pytest.mark.parametrize("given", [0, -1, "x", "", 2.5, True, 2**32])
    def test_invalid_ticket_id_is_rejected(self, given):
        assert validation_error(ticket_id=given)

    def test_duplicate_from_is_rejected(self):
        both = {**COMMENT, "from": "user", "from_": "user", "user_id": 1}
        assert set(validation_errors(both)) == {"from_"}

    @pytest.mark.parametrize("author", ["user", "trigger"])
    def test_author_needs_its_id(self, author):
        for name in ("from", "from_"):
            for other in ({}, {"template_id": 8094}):
                found = validation_errors({**COMMENT, name: author, **other})
                assert found == {f"{author}_id": f"is required with from_='{author}'"}
        assert sent(from_=author, **{f"{author}_id": "1260"}) == {"from": author, f"{author}_id": 1260}

    @pytest.mark.parametrize("given", [{}, {"user_id": 2156}, {"from_": "client"}])
    def test_other_authors_need_no_id(self, given):
        assert sent(**given) == {
            ("from" if name == "from_" else name): value for name, value in given.items()
        }

    def test_template_needs_no_message(self):
        params = {"ticket_id": 77, "type": "public", "template_id": 8094, "template_variables": ["Anna", 3]}
        body = json.loads(comment_request(params).as_json("token"))
        assert (body["template_id"], body["template_variables"]) == (8094, ["Anna", "3"])
        assert "message" not in body

    def test_only_one_template_is_allowed(self):
        both = {**COMMENT, "template_id": 1, "template_name": "Main"}
        assert set(validation_errors(both)) == {"template_id and template_name"}
        assert "needs template_id" in validation_error(template_variables=["a"])

    def test_missing_file_is_rejected(self):
        assert "files" in str(validation_errors({**COMMENT, "files": ["/no/such/file"]}))

    def test_errors_quote_no_value(self):
        given = {"ticket_id": "Smith", "type": "Smith", "cc": "Smith", "user_id": "Smith", "from_": "Smith"}
        with pytest.raises(UsedeskInvalidRequest) as raised:
            comment_request(given)
        assert "Smith" not in str(raised.value)


def test_form_uses_php_brackets():
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


def test_personal_data_is_redacted():
    request = comment_request({**COMMENT, "message": "Dear Anna", "cc": "anna@example.org", "bcc": "b@c.de"})
    redacted = request.hide("b@c.de or anna@example.org received 'Dear Anna' in ticket 77")
    assert redacted == "*** or *** received '***' in ticket 77"
    assert "Anna" not in repr(request)
