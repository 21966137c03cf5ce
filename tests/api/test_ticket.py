"""What may be sent: friendly and wire shapes, and every validation error named before anything is sent."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_usedesk.api import ticket
from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest
from airflow_provider_usedesk.api.ticket import ticket_request

WORDS = {"subject": "s", "message": "m"}


def fields(params: dict[str, Any], rules: ticket.MessageProfile = ticket.TICKET) -> dict[str, Any]:
    body = json.loads(ticket_request(params, rules).as_json("token"))
    assert body.pop("api_token") == "token"
    return body


def sent(**params: Any) -> dict[str, Any]:
    body = fields({**WORDS, **params})
    return {name: value for name, value in body.items() if name not in WORDS}


def validation_errors(params: dict[str, Any], rules: ticket.MessageProfile = ticket.TICKET) -> dict[str, str]:
    with pytest.raises(UsedeskInvalidRequest) as raised:
        ticket_request(params, rules)
    return dict(error.split(": ", 1) for error in raised.value.validation_errors)


def validation_error(**params: Any) -> str:
    [(_, reason)] = validation_errors({**WORDS, **params}).items()
    return reason


PAGE_SAMPLES = {
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


@pytest.mark.parametrize("name", PAGE_SAMPLES)
def test_page_sample_is_sent_as_it_stands_on_the_page(name):
    sample = PAGE_SAMPLES[name]
    wire = {key: int(value) if key in NUMBERS else value for key, value in sample.items()}
    assert fields(sample) == wire


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("WhatsApp message", ticket.WHATSAPP_MESSAGE),
        ("WhatsApp template (pact)", ticket.WHATSAPP_TEMPLATE),
        ("WhatsApp template (Landbot, infobip)", ticket.WHATSAPP_TEMPLATE),
        ("Viber (c2d)", ticket.VIBER_MESSAGE),
    ],
)
def test_page_sample_follows_the_rules_of_its_section(name, rules):
    assert fields(PAGE_SAMPLES[name], rules) == fields(PAGE_SAMPLES[name])


def test_all_33_parameters_of_the_page_are_known():
    listed = (
        "subject message client_name client_email client_id company_name private_comment additional_id type"
    )
    listed += (
        " priority status tag assignee_id group_id client_phone field_id field_value channel_id files from_"
    )
    listed += " user_id trigger_id client_country client_city client_address new_address phone_type lists"
    listed += " template_id template_name template_variables template_lang username"
    assert set(listed.split()) == ticket.CREATE_TICKET.arguments - {"custom_fields"}
    assert len(listed.split()) == 33


class TestShapes:
    def test_ids_may_use_all_32_bits(self):
        assert sent(channel_id=2**32 - 1) == {"channel_id": 2**32 - 1}

    @pytest.mark.parametrize("given", [683, "683", " 683 "])
    def test_ids_as_number_or_digits(self, given):
        assert sent(channel_id=given, assignee_id=given) == {"channel_id": 683, "assignee_id": 683}

    @pytest.mark.parametrize(
        ("given", "wire"),
        [(3, 3), ("3", 3), ("closed", 3), ("On hold", 5), ("on_hold", 5), ("on-hold", 5), (42, 42)],
    )
    def test_status_as_number_or_name(self, given, wire):
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
    def test_tag_as_list_or_text(self, given, wire):
        assert sent(tag=given) == {"tag": wire}

    @pytest.mark.parametrize(
        "given",
        [{10: "x", "12": True, 9: 93}, "{10: 'x', 12: True, 9: 93}", '{"10": "x", "12": true, "9": 93}'],
    )
    def test_custom_fields_as_dict(self, given):
        assert sent(custom_fields=given) == {"field_id": "10;12;9", "field_value": "x;true;93"}

    @pytest.mark.parametrize(
        ("ids", "entries"),
        [("10;12", "x;true"), ([10, "12"], ["x", True]), ("[10, 12]", "['x', True]"), (("10", 12), "x;true")],
    )
    def test_custom_fields_as_ids_and_values(self, ids, entries):
        assert sent(field_id=ids, field_value=entries) == {"field_id": "10;12", "field_value": "x;true"}

    def test_one_custom_field(self):
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
    def test_phone_loses_its_formatting_only(self, given):
        assert sent(client_phone=given) == {"client_phone": "79123456789"}

    def test_no_digit_of_a_phone_is_guessed(self):
        assert sent(client_phone="8 (912) 345-67-89") == {"client_phone": "89123456789"}
        assert sent(client_phone="00 7 912") == {"client_phone": "007912"}

    def test_lists_as_on_the_page_and_flat(self):
        levels = [{"id": 61, "value": "A"}, {"id": "62", "value": 7}]
        wire = [{"id": "61", "value": "A"}, {"id": "62", "value": "7"}]
        assert sent(lists=[levels]) == {"lists": [wire]}
        assert sent(lists=json.dumps([levels])) == {"lists": [wire]}
        assert sent(lists=levels) == {"lists": wire}

    @pytest.mark.parametrize(
        "given", [["A", 1, Decimal("2.50")], ("A", 1, "2.50"), "['A', 1, '2.50']", iter(["A", 1, "2.50"])]
    )
    def test_template_variables_as_any_list(self, given):
        assert sent(template_id=1, template_variables=given)["template_variables"] == ["A", "1", "2.50"]

    def test_template_without_variables(self):
        assert sent(template_id=1, template_variables=[]) == {"template_id": 1}

    @pytest.mark.parametrize("given", [True, "true", "True", 1])
    def test_private_comment(self, given):
        assert sent(private_comment=given) == {"private_comment": True}

    @pytest.mark.parametrize("given", [False, "false", "False", None])
    def test_private_comment_is_left_out_unless_true(self, given):
        assert sent(private_comment=given) == {}

    def test_new_address(self):
        assert sent(new_address=True) == {"new_address": "true"}
        assert sent(new_address="Main St 1") == {"new_address": "Main St 1"}
        assert sent(new_address=False) == sent(new_address="False") == {}

    @pytest.mark.parametrize("name", ["ivanov", "@ivanov"])
    def test_username_with_and_without_at(self, name):
        assert sent(username=name) == {"username": name}

    def test_client_id(self):
        assert sent(client_id=27747627) == sent(client_id="27747627") == {"client_id": "27747627"}
        assert sent(client_id="new_client") == {"client_id": "new_client"}

    def test_numbers_that_native_rendering_makes_of_text(self):
        assert sent(client_name=2026, template_id="8094") == {"client_name": "2026", "template_id": 8094}

    @pytest.mark.parametrize("blank", ["", "  ", None])
    def test_optional_text_that_is_blank_is_left_out(self, blank):
        assert sent(client_name=blank, client_email=blank, client_phone=blank, tag=blank, files=blank) == {}

    def test_emoji_count_as_one_character(self):
        assert fields({**WORDS, "subject": "🙂" * 255})["subject"] == "🙂" * 255

    def test_nothing_is_escaped_or_lost(self):
        message = '<b>Привет</b> & "quotes" \\ \n 🙂'
        assert fields({"subject": "s", "message": message})["message"] == message


class TestFaults:
    def test_all_faults_of_one_call_are_named_at_once(self):
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

    def test_required_ones_are_named(self):
        assert validation_errors({}) == {"subject": "is required", "message": "is required"}

    @pytest.mark.parametrize("nothing", ["", " ", "None"])
    @pytest.mark.parametrize("name", ["subject", "message"])
    def test_nobody_gets_a_message_named_none(self, name, nothing):
        assert set(validation_errors({**WORDS, name: nothing})) == {name}

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
    def test_none_is_a_fault_wherever_it_would_be_read(self, params):
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
    @pytest.mark.parametrize(("nothing", "reason"), [("", "empty"), ("None", "the text 'None'")])
    def test_blank_where_it_would_change_the_way_of_the_ticket(self, name, nothing, reason):
        assert reason in validation_error(**{name: nothing})

    def test_blank_private_comment_does_not_become_public(self):
        assert validation_error(private_comment="")

    @pytest.mark.parametrize("given", [0, -1, 2**32, "2.5", 2.5, True, "12a", [1], "１２"])
    def test_what_is_not_a_32_bit_id(self, given):
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
    def test_unknown_choice_names_what_is_right(self, name, given, right):
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
    def test_too_long(self, name):
        assert "255" in validation_error(**{name: "я" * 256})

    def test_message_is_measured_in_bytes(self):
        assert fields({"subject": "s", "message": "я" * 32_767})
        assert "65536" in validation_error(message="я" * 32_768)

    def test_tags_are_measured_together(self):
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
    def test_missing_partner(self, params, missing):
        assert set(validation_errors({**WORDS, **params})) == {missing}

    def test_from_in_both_spellings(self):
        assert set(validation_errors({**WORDS, "from": "client", "from_": "client"})) == {"from_"}

    def test_a_custom_field_twice(self):
        assert "twice" in validation_error(custom_fields={"10": "a", 10: "b"})

    @pytest.mark.parametrize("given", [",", "a,,b", ["a", ""]])
    def test_an_empty_tag(self, given):
        assert "empty" in validation_error(tag=given)

    def test_custom_fields_in_both_shapes(self):
        assert set(
            validation_errors({**WORDS, "custom_fields": {1: "a"}, "field_id": "1", "field_value": "a"})
        ) == {"custom_fields"}

    def test_semicolon_in_a_custom_field_cannot_be_expressed(self):
        assert "';'" in validation_error(custom_fields={1: "a;b"})
        assert "';'" in validation_error(field_id=[1], field_value=["a;b"])

    def test_different_numbers_of_ids_and_values(self):
        assert "2 values for 3 ids" in validation_error(field_id="1;2;3", field_value="a;b")

    @pytest.mark.parametrize("given", ["Ann", "{'a': 1}", {"a": 1}, b"Ann", {"Ann"}, 5])
    def test_template_variables_must_be_a_list(self, given):
        assert "list" in validation_error(template_id=1, template_variables=given)

    @pytest.mark.parametrize("given", ["phone", "+7912x", "7+912", "", "12345,678", -79123])
    def test_what_is_not_a_phone(self, given):
        params = {**WORDS, "channel_id": 1, "client_phone": given}
        assert any("client_phone" in name for name in validation_errors(params, ticket.VIBER_MESSAGE))

    @pytest.mark.parametrize(
        "given", [[[]], [{"id": 1}], [[{"id": "a", "value": "x"}]], "x", [[{"value": "x"}]], [1]]
    )
    def test_lists_in_another_shape(self, given):
        assert validation_error(lists=given)

    @pytest.mark.parametrize("given", [b"x", ["x"], {"x": 1}, True, date(2026, 1, 1), "\ud83d"])
    def test_what_is_not_a_text(self, given):
        assert validation_error(message=given)

    def test_no_value_is_repeated(self):
        secret = "+7 905 000-11-22-x"
        with pytest.raises(UsedeskInvalidRequest) as raised:
            ticket_request(
                {"client_phone": secret, "status": secret, "username": f"{secret} x", "type": secret}
            )
        assert secret not in str(raised.value)
        assert "905" not in str(raised.value)


class TestChannelRules:
    whatsapp = {**WORDS, "channel_id": 1, "from_": "user", "user_id": 2, "client_phone": "79"}
    template = {"channel_id": 1, "from_": "user", "client_phone": "79", "template_id": 3}
    telegram = {**WORDS, "channel_id": 1, "username": "ivanov"}

    @pytest.mark.parametrize("missing", ["subject", "message", "channel_id", "user_id", "client_phone"])
    def test_whatsapp_message_needs(self, missing):
        [name] = validation_errors({**self.whatsapp, missing: None}, ticket.WHATSAPP_MESSAGE)
        assert missing in name

    @pytest.mark.parametrize("missing", ["channel_id", "template_id", "client_phone"])
    def test_whatsapp_template_needs(self, missing):
        [name] = validation_errors({**self.template, missing: None}, ticket.WHATSAPP_TEMPLATE)
        assert missing in name

    def test_whatsapp_template_takes_one_template(self):
        both = validation_errors({**self.template, "template_name": "Main"}, ticket.WHATSAPP_TEMPLATE)
        assert set(both) == {"template_id and template_name"}

    def test_whatsapp_template_sends_subject_and_message_when_given(self):
        assert fields({**self.template, **WORDS}, ticket.WHATSAPP_TEMPLATE)["message"] == "m"

    def test_whatsapp_is_written_by_an_agent(self):
        assert (
            "user"
            in validation_errors({**self.whatsapp, "from_": "client"}, ticket.WHATSAPP_MESSAGE)["from_"]
        )

    def test_client_id_alone_reaches_the_clients_first_phone(self):
        params = {**self.whatsapp, "client_phone": None, "client_id": 5}
        assert fields(params, ticket.WHATSAPP_MESSAGE)["client_id"] == "5"

    def test_a_new_client_needs_a_phone(self):
        params = {**self.whatsapp, "client_phone": None, "client_id": "new_client"}
        assert set(validation_errors(params, ticket.WHATSAPP_MESSAGE)) == {"client_phone"}

    @pytest.mark.parametrize("missing", ["subject", "message", "channel_id", "client_phone"])
    def test_viber_message_needs(self, missing):
        params = {**WORDS, "channel_id": 1, "client_phone": "79", missing: None}
        [name] = validation_errors(params, ticket.VIBER_MESSAGE)
        assert missing in name

    @pytest.mark.parametrize("missing", ["subject", "message", "channel_id", "username"])
    def test_telegram_message_needs(self, missing):
        [name] = validation_errors({**self.telegram, missing: None}, ticket.TELEGRAM_MESSAGE)
        assert missing in name

    def test_telegram_takes_name_or_phone(self):
        assert fields(self.telegram, ticket.TELEGRAM_MESSAGE)
        assert fields({**self.telegram, "username": "", "client_phone": "79"}, ticket.TELEGRAM_MESSAGE)
        assert validation_errors({**self.telegram, "username": None}, ticket.TELEGRAM_MESSAGE) == {
            "client_phone or username": "is required"
        }

    def test_a_message_cannot_be_private(self):
        assert "private_comment" in validation_errors(
            {**self.whatsapp, "private_comment": True}, ticket.WHATSAPP_MESSAGE
        )


def test_form_uses_the_brackets_of_php():
    params = {
        **WORDS,
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
