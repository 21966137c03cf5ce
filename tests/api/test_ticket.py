"""Ticket requests: accepted shapes, encoding, and the validation errors raised before sending."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_usedesk.api import ticket
from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest
from airflow_provider_usedesk.api.ticket import ticket_request

TEXTS = {"subject": "s", "message": "m"}


def fields(params: dict[str, Any], profile: ticket.MessageProfile = ticket.TICKET) -> dict[str, Any]:
    body = json.loads(ticket_request(params, profile).as_json("token"))
    assert body.pop("api_token") == "token"
    return body


def sent(**params: Any) -> dict[str, Any]:
    body = fields({**TEXTS, **params})
    return {name: value for name, value in body.items() if name not in TEXTS}


def validation_errors(
    params: dict[str, Any], profile: ticket.MessageProfile = ticket.TICKET
) -> dict[str, str]:
    with pytest.raises(UsedeskInvalidRequest) as raised:
        ticket_request(params, profile)
    return dict(error.split(": ", 1) for error in raised.value.validation_errors)


def validation_error(**params: Any) -> str:
    [(_, reason)] = validation_errors({**TEXTS, **params}).items()
    return reason


DOCUMENTED_SAMPLES = {
    "new e-mail with nested lists": {
        "subject": "New Email",
        "message": "Hi there!",
        "client_name": "John",
        "client_email": "superjohny@gmail.com",
        "field_id": "10;12;9",
        "field_value": "any_value;true;93",
        "channel_id": 683,
        "lists": [[{"id": "61", "value": "Test"}, {"id": "62", "value": "Test1"}]],
    },
    "first message": {
        "client_name": "JON",
        "client_email": "jon@bonjovi.com",
        "message": "Hello World",
        "client_id": "new_client",
        "type": "question",
        "priority": "low",
        "status": "3",
        "subject": "POST UPDATE",
        "tag": "new ticket,test",
        "field_id": "10;12;9",
        "field_value": "any_value;true;93",
        "channel_id": 683,
    },
    "WhatsApp message": {
        "message": "Hello",
        "subject": "First msg",
        "channel_id": "20054",
        "from": "user",
        "user_id": "2156",
        "client_phone": "79254697403",
        "client_id": "27747627",
    },
    "WhatsApp template (pact)": {
        "channel_id": 123,
        "from": "user",
        "client_phone": "79511234567",
        "template_id": 8094,
        "template_variables": ["John", "18:00", "London"],
    },
    "WhatsApp template (Landbot, infobip)": {
        "channel_id": 123,
        "from": "user",
        "client_phone": "79511234567",
        "template_name": "Main",
        "template_variables": ["Valeria"],
    },
    "Viber (c2d)": {
        "message": "Hello",
        "subject": "First msg",
        "channel_id": "20054",
        "client_phone": "79254697403",
        "client_id": "27747627",
    },
}
NUMBERS = {"status", "channel_id", "user_id", "template_id"}


@pytest.mark.parametrize("name", DOCUMENTED_SAMPLES)
def test_documented_sample_is_sent_unchanged(name):
    sample = DOCUMENTED_SAMPLES[name]
    wire = {key: int(value) if key in NUMBERS else value for key, value in sample.items()}
    assert fields(sample) == wire


@pytest.mark.parametrize(
    ("name", "profile"),
    [
        ("WhatsApp message", ticket.WHATSAPP_MESSAGE),
        ("WhatsApp template (pact)", ticket.WHATSAPP_TEMPLATE),
        ("WhatsApp template (Landbot, infobip)", ticket.WHATSAPP_TEMPLATE),
        ("Viber (c2d)", ticket.VIBER_MESSAGE),
    ],
)
def test_documented_sample_fits_message_profile(name, profile):
    assert fields(DOCUMENTED_SAMPLES[name], profile) == fields(DOCUMENTED_SAMPLES[name])


def test_documented_parameters_are_known():
    listed = (
        "subject message client_name client_email client_id company_name private_comment additional_id type"
    )
    listed += (
        " priority status tag assignee_id group_id client_phone field_id field_value channel_id files from_"
    )
    listed += " user_id trigger_id client_country client_city client_address new_address phone_type lists"
    listed += " template_id template_name template_variables template_lang username"
    assert set(listed.split()) == ticket.CREATE_TICKET.arguments - {"custom_fields", "phone_region"}
    assert len(listed.split()) == 33


class TestShapes:
    def test_ids_use_all_32_bits(self):
        assert sent(channel_id=2**32 - 1) == {"channel_id": 2**32 - 1}

    @pytest.mark.parametrize("given", [683, "683", " 683 "])
    def test_ids_accept_number_or_digits(self, given):
        assert sent(channel_id=given, assignee_id=given) == {"channel_id": 683, "assignee_id": 683}

    @pytest.mark.parametrize(
        ("given", "wire"),
        [(3, 3), ("3", 3), ("closed", 3), ("On hold", 5), ("on_hold", 5), ("on-hold", 5), (42, 42)],
    )
    def test_status_accepts_number_or_name(self, given, wire):
        assert sent(status=given) == {"status": wire}

    @pytest.mark.parametrize(
        ("given", "wire"),
        [
            ("new ticket,test", "new ticket,test"),
            (["new ticket", " test "], "new ticket,test"),
            (("a", 1), "a,1"),
            ("['a', 'b']", "a,b"),
            ('["a", "b"]', "a,b"),
            ("[urgent]", "[urgent]"),
        ],
    )
    def test_tag_accepts_list_or_text(self, given, wire):
        assert sent(tag=given) == {"tag": wire}

    @pytest.mark.parametrize(
        "given",
        [{10: "x", "12": True, 9: 93}, "{10: 'x', 12: True, 9: 93}", '{"10": "x", "12": true, "9": 93}'],
    )
    def test_custom_fields_accept_dict(self, given):
        assert sent(custom_fields=given) == {"field_id": "10;12;9", "field_value": "x;true;93"}

    @pytest.mark.parametrize(
        ("ids", "entries"),
        [("10;12", "x;true"), ([10, "12"], ["x", True]), ("[10, 12]", "['x', True]"), (("10", 12), "x;true")],
    )
    def test_custom_fields_accept_ids_and_values(self, ids, entries):
        assert sent(field_id=ids, field_value=entries) == {"field_id": "10;12", "field_value": "x;true"}

    @pytest.mark.parametrize(
        "given",
        [
            {"custom_fields": {10: "True", 12: "False", 9: "True story"}},
            {"field_id": "10;12;9", "field_value": "True;False;True story"},
        ],
    )
    def test_rendered_bools_are_spelled_for_a_checkbox(self, given):
        assert sent(**given) == {"field_id": "10;12;9", "field_value": "true;false;True story"}

    def test_single_custom_field(self):
        assert sent(field_id=10, field_value=False) == {"field_id": "10", "field_value": "false"}

    @pytest.mark.parametrize(
        "given",
        [
            "79123456789",
            "+7 (912) 345-67-89",
            "(+7) [912] 345-67-89",
            "+7\u00a0912\u2011345\u201367\u201389",
            79123456789,
        ],
    )
    def test_phone_formatting_is_removed(self, given):
        assert sent(client_phone=given) == {"client_phone": "79123456789"}

    def test_phone_digits_are_unchanged(self):
        assert sent(client_phone="8 (912) 345-67-89") == {"client_phone": "89123456789"}

    def test_lists_accept_nested_and_flat(self):
        levels = [{"id": 61, "value": "A"}, {"id": "62", "value": 7}]
        wire = [{"id": "61", "value": "A"}, {"id": "62", "value": "7"}]
        assert sent(lists=[levels]) == {"lists": [wire]}
        assert sent(lists=json.dumps([levels])) == {"lists": [wire]}
        assert sent(lists=levels) == {"lists": wire}

    @pytest.mark.parametrize(
        "given", [["A", 1, Decimal("2.50")], ("A", 1, "2.50"), "['A', 1, '2.50']", iter(["A", 1, "2.50"])]
    )
    def test_template_variables_accept_any_list(self, given):
        assert sent(template_id=1, template_variables=given)["template_variables"] == ["A", "1", "2.50"]

    def test_empty_template_variables_are_omitted(self):
        assert sent(template_id=1, template_variables=[]) == {"template_id": 1}

    @pytest.mark.parametrize("given", [True, "true", "True", 1])
    def test_private_comment_accepts_true_values(self, given):
        assert sent(private_comment=given) == {"private_comment": True}

    @pytest.mark.parametrize("given", [False, "false", "False", None])
    def test_private_comment_is_omitted_if_false(self, given):
        assert sent(private_comment=given) == {}

    def test_new_address_accepts_flag_or_text(self):
        assert sent(new_address=True) == {"new_address": "true"}
        assert sent(new_address="Main St 1") == {"new_address": "Main St 1"}
        assert sent(new_address=False) == sent(new_address="False") == {}

    @pytest.mark.parametrize("name", ["ivanov", "@ivanov"])
    def test_username_keeps_at_sign(self, name):
        assert sent(username=name) == {"username": name}

    def test_client_id_is_sent_as_text(self):
        assert sent(client_id=27747627) == sent(client_id="27747627") == {"client_id": "27747627"}
        assert sent(client_id="new_client") == {"client_id": "new_client"}

    def test_natively_rendered_numbers_are_converted(self):
        assert sent(client_name=2026, template_id="8094") == {"client_name": "2026", "template_id": 8094}

    @pytest.mark.parametrize("empty", ["", "  ", None])
    def test_empty_optional_text_is_omitted(self, empty):
        assert sent(client_name=empty, client_email=empty, client_phone=empty, tag=empty, files=empty) == {}

    def test_emoji_count_as_one_character(self):
        assert fields({**TEXTS, "subject": "🙂" * 255})["subject"] == "🙂" * 255

    def test_message_text_is_unchanged(self):
        message = '<b>Привет</b> & "quotes" \\ \n 🙂'
        assert fields({"subject": "s", "message": message})["message"] == message


class TestValidationErrors:
    def test_error_lists_all_problems(self):
        found = validation_errors(
            {
                "subject": "x" * 256,
                "message": "",
                "priority": "highest",
                "channel_id": "abc",
                "from_": "user",
                "field_id": "1;2",
                "field_value": "a",
                "template_id": 1,
                "template_name": "Main",
                "tags": ["a"],
            }
        )
        assert set(found) == {
            "subject",
            "message",
            "priority",
            "channel_id",
            "field_value",
            "template_id and template_name",
            "tags",
        }
        assert found["tags"].endswith("is tag meant?")

    def test_required_parameters_are_named(self):
        assert validation_errors({}) == {"subject": "is required", "message": "is required"}

    @pytest.mark.parametrize("empty", ["", " ", "None"])
    @pytest.mark.parametrize("name", ["subject", "message"])
    def test_empty_subject_or_message_is_rejected(self, name, empty):
        assert set(validation_errors({**TEXTS, name: empty})) == {name}

    @pytest.mark.parametrize(
        "params",
        [
            {"client_name": "None"},
            {"client_phone": "None"},
            {"tag": ["a", "None"]},
            {"template_id": 1, "template_variables": ["Ann", "None"]},
            {"template_id": 1, "template_variables": ["Ann", ""]},
            {"template_id": 1, "template_variables": ["Ann", None]},
            {"template_id": 1, "template_variables": ["Ann", float("nan")]},
            {"custom_fields": {1: None}},
            {"custom_fields": {1: "None"}},
        ],
    )
    def test_none_as_value_is_rejected(self, params):
        assert validation_error(**params)

    @pytest.mark.parametrize(
        "name",
        [
            "channel_id",
            "assignee_id",
            "group_id",
            "user_id",
            "trigger_id",
            "template_id",
            "status",
            "client_id",
        ],
    )
    @pytest.mark.parametrize(("empty", "reason"), [("", "empty"), ("None", "the text 'None'")])
    def test_empty_routing_value_is_rejected(self, name, empty, reason):
        assert reason in validation_error(**{name: empty})

    def test_empty_private_comment_is_rejected(self):
        assert validation_error(private_comment="")

    @pytest.mark.parametrize("given", [0, -1, 2**32, "2.5", 2.5, True, "12a", [1], "１２"])
    def test_invalid_ids_are_rejected(self, given):
        assert "32-bit" in validation_error(channel_id=given)

    @pytest.mark.parametrize(
        ("name", "given", "right"),
        [
            ("type", "bug", "question, task, problem, incident"),
            ("priority", "high", "low, medium, urgent, extreme"),
            ("phone_type", "work", "home, mobile, stationary, fax, other"),
            ("from_", "bot", "user, client, trigger"),
            ("status", "done", "solved"),
        ],
    )
    def test_error_lists_valid_choices(self, name, given, right):
        assert right in validation_error(**{name: given})

    @pytest.mark.parametrize(
        "name",
        [
            "subject",
            "client_name",
            "client_email",
            "company_name",
            "additional_id",
            "client_country",
            "client_city",
            "client_address",
            "username",
        ],
    )
    def test_long_text_is_rejected(self, name):
        assert "255" in validation_error(**{name: "я" * 256})

    def test_message_limit_counts_bytes(self):
        assert fields({"subject": "s", "message": "я" * 32_767})
        assert "65536" in validation_error(message="я" * 32_768)

    def test_tag_limit_counts_joined_text(self):
        assert validation_error(tag=["x" * 128, "y" * 128])
        assert "comma" in validation_error(tag=["a,b"])

    @pytest.mark.parametrize(
        ("params", "missing"),
        [
            ({"from_": "user"}, "user_id"),
            ({"from_": "trigger"}, "trigger_id"),
            ({"field_id": "1"}, "field_value"),
            ({"field_value": "1"}, "field_id"),
            ({"template_variables": ["a"]}, "template_variables"),
            ({"template_lang": "en"}, "template_lang"),
        ],
    )
    def test_dependent_parameters_are_required(self, params, missing):
        assert set(validation_errors({**TEXTS, **params})) == {missing}

    def test_duplicate_from_is_rejected(self):
        assert set(validation_errors({**TEXTS, "from": "client", "from_": "client"})) == {"from_"}

    def test_duplicate_custom_field_is_rejected(self):
        assert "twice" in validation_error(custom_fields={"10": "a", 10: "b"})

    @pytest.mark.parametrize("given", [",", "a,,b", ["a", ""]])
    def test_empty_tag_is_rejected(self, given):
        assert "empty" in validation_error(tag=given)

    def test_custom_fields_exclude_field_ids(self):
        assert set(
            validation_errors({**TEXTS, "custom_fields": {1: "a"}, "field_id": "1", "field_value": "a"})
        ) == {"custom_fields"}

    def test_semicolon_in_custom_field_is_rejected(self):
        assert "';'" in validation_error(custom_fields={1: "a;b"})
        assert "';'" in validation_error(field_id=[1], field_value=["a;b"])

    def test_id_and_value_counts_must_match(self):
        assert "2 values for 3 ids" in validation_error(field_id="1;2;3", field_value="a;b")

    @pytest.mark.parametrize("given", ["Ann", "{'a': 1}", {"a": 1}, b"Ann", {"Ann"}, 5])
    def test_template_variables_must_be_list(self, given):
        assert "list" in validation_error(template_id=1, template_variables=given)

    @pytest.mark.parametrize("given", ["phone", "+7912x", "7+912", "", "12345,678", -79123])
    def test_invalid_phones_are_rejected(self, given):
        params = {**TEXTS, "channel_id": 1, "client_phone": given}
        assert any("client_phone" in name for name in validation_errors(params, ticket.VIBER_MESSAGE))

    @pytest.mark.parametrize(
        "given", [[[]], [{"id": 1}], [[{"id": "a", "value": "x"}]], "x", [[{"value": "x"}]], [1]]
    )
    def test_other_list_shapes_are_rejected(self, given):
        assert validation_error(lists=given)

    @pytest.mark.parametrize("given", [b"x", ["x"], {"x": 1}, True, date(2026, 1, 1), "\ud83d"])
    def test_invalid_text_types_are_rejected(self, given):
        assert validation_error(message=given)

    def test_errors_quote_no_value(self):
        secret = "+7 905 000-11-22-x"
        with pytest.raises(UsedeskInvalidRequest) as raised:
            ticket_request(
                {"client_phone": secret, "status": secret, "username": f"{secret} x", "type": secret}
            )
        assert secret not in str(raised.value)
        assert "905" not in str(raised.value)


class TestMessageProfiles:
    whatsapp = {**TEXTS, "channel_id": 1, "from_": "user", "user_id": 2, "client_phone": "79123456789"}
    template = {"channel_id": 1, "from_": "user", "client_phone": "79123456789", "template_id": 3}
    telegram = {**TEXTS, "channel_id": 1, "username": "ivanov"}

    @pytest.mark.parametrize("missing", ["subject", "message", "channel_id", "user_id", "client_phone"])
    def test_whatsapp_message_requires_parameters(self, missing):
        [name] = validation_errors({**self.whatsapp, missing: None}, ticket.WHATSAPP_MESSAGE)
        assert missing in name

    @pytest.mark.parametrize("missing", ["channel_id", "template_id", "client_phone"])
    def test_whatsapp_template_requires_parameters(self, missing):
        [name] = validation_errors({**self.template, missing: None}, ticket.WHATSAPP_TEMPLATE)
        assert missing in name

    def test_whatsapp_template_allows_one_template(self):
        both = validation_errors({**self.template, "template_name": "Main"}, ticket.WHATSAPP_TEMPLATE)
        assert set(both) == {"template_id and template_name"}

    def test_whatsapp_template_sends_given_message(self):
        assert fields({**self.template, **TEXTS}, ticket.WHATSAPP_TEMPLATE)["message"] == "m"

    def test_whatsapp_message_requires_from_user(self):
        assert (
            "user"
            in validation_errors({**self.whatsapp, "from_": "client"}, ticket.WHATSAPP_MESSAGE)["from_"]
        )

    def test_client_id_replaces_phone(self):
        params = {**self.whatsapp, "client_phone": None, "client_id": 5}
        assert fields(params, ticket.WHATSAPP_MESSAGE)["client_id"] == "5"

    def test_new_client_requires_phone(self):
        params = {**self.whatsapp, "client_phone": None, "client_id": "new_client"}
        assert set(validation_errors(params, ticket.WHATSAPP_MESSAGE)) == {"client_phone"}

    @pytest.mark.parametrize("missing", ["subject", "message", "channel_id", "client_phone"])
    def test_viber_message_requires_parameters(self, missing):
        params = {**TEXTS, "channel_id": 1, "client_phone": "79123456789", missing: None}
        [name] = validation_errors(params, ticket.VIBER_MESSAGE)
        assert missing in name

    @pytest.mark.parametrize("missing", ["subject", "message", "channel_id", "username"])
    def test_telegram_message_requires_parameters(self, missing):
        [name] = validation_errors({**self.telegram, missing: None}, ticket.TELEGRAM_MESSAGE)
        assert missing in name

    def test_telegram_accepts_username_or_phone(self):
        assert fields(self.telegram, ticket.TELEGRAM_MESSAGE)
        assert fields(
            {**self.telegram, "username": "", "client_phone": "79123456789"}, ticket.TELEGRAM_MESSAGE
        )
        assert validation_errors({**self.telegram, "username": None}, ticket.TELEGRAM_MESSAGE) == {
            "client_phone or username": "is required"
        }

    def test_private_message_is_rejected(self):
        assert "private_comment" in validation_errors(
            {**self.whatsapp, "private_comment": True}, ticket.WHATSAPP_MESSAGE
        )


def test_form_uses_php_brackets():
    params = {
        **TEXTS,
        "private_comment": True,
        "channel_id": 683,
        "template_id": 1,
        "template_variables": ["a", "b"],
        "lists": [[{"id": 61, "value": "A"}]],
    }
    assert dict(ticket_request(params).as_form("token")) == {
        "api_token": "token",
        "subject": "s",
        "message": "m",
        "private_comment": "true",
        "channel_id": "683",
        "template_id": "1",
        "template_variables[0]": "a",
        "template_variables[1]": "b",
        "lists[0][0][id]": "61",
        "lists[0][0][value]": "A",
    }


class TestKeyField:
    """One more custom field beside those that a Dag gives."""

    @pytest.mark.parametrize(
        "given",
        [{}, {"custom_fields": None}, {"custom_fields": " ", "field_id": [], "field_value": ""}],
    )
    def test_field_is_alone_without_others(self, given):
        params = ticket.with_custom_field(given, 7, "af2.x")
        assert sent(**params) == {"field_id": "7", "field_value": "af2.x"}

    @pytest.mark.parametrize(
        "given",
        [
            {"custom_fields": {10: "x", "12": True}},
            {"custom_fields": '{"10": "x", "12": true}'},
            {"custom_fields": "{10: 'x', 12: True}"},
            {"field_id": "10;12", "field_value": "x;true"},
            {"field_id": [10, "12"], "field_value": ["x", True]},
            {"field_id": "[10, 12]", "field_value": "['x', True]"},
        ],
    )
    def test_field_is_added_to_others(self, given):
        before = dict(given)
        params = ticket.with_custom_field(given, 7, "af2.x")
        assert sent(**params) == {"field_id": "10;12;7", "field_value": "x;true;af2.x"}
        assert given == before

    def test_single_field_gets_a_second_one(self):
        params = ticket.with_custom_field({"field_id": 10, "field_value": False}, 7, "af2.x")
        assert sent(**params) == {"field_id": "10;7", "field_value": "false;af2.x"}

    @pytest.mark.parametrize(
        "given",
        [
            {"custom_fields": "a"},
            {"custom_fields": {1: None}},
            {"field_id": "10;12", "field_value": "x"},
            {"field_id": 10},
            {"field_value": "x"},
            {"custom_fields": {1: "a"}, "field_id": 1, "field_value": "a"},
        ],
    )
    def test_invalid_fields_are_still_refused(self, given):
        params = ticket.with_custom_field(given, 7, "af2.x")
        assert validation_errors({**TEXTS, **params}).keys() == validation_errors({**TEXTS, **given}).keys()

    @pytest.mark.parametrize(
        "given",
        [
            {"custom_fields": {"7": "a"}},
            {"custom_fields": '{"7": "a"}'},
            {"field_id": "1; 7", "field_value": "a;b"},
        ],
    )
    def test_same_field_is_refused(self, given):
        with pytest.raises(UsedeskInvalidRequest, match="7, to which the connection writes"):
            ticket.with_custom_field(given, 7, "af2.x")
