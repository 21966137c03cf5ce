"""Values as pandas, numpy and templates give them: what is empty, what is a number, what is one line."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from airflow_provider_usedesk.api import values
from tests.api.test_ticket import TEXTS, fields, sent, validation_error, validation_errors
from tests.support.foreign_types import Float32, Foreign, Int64, NaTType, NAType, numpy_bool

NULLS = [
    pytest.param(None, id="None"),
    pytest.param(float("nan"), id="NaN"),
    pytest.param(Decimal("NaN"), id="Decimal"),
    pytest.param(Decimal("sNaN"), id="signaling Decimal"),
    pytest.param(Float32(float("nan")), id="numpy"),
    pytest.param(NaTType(), id="NaT"),
    pytest.param(NAType(), id="NA"),
    pytest.param(json.loads("NaN"), id="JSON"),
]
OPTIONAL = ("client_name", "client_email", "client_phone", "tag", "custom_fields", "files", "lists")


class TestNulls:
    @pytest.mark.parametrize("null", NULLS)
    def test_null_is_not_given(self, null):
        names = (*OPTIONAL, "channel_id", "status", "assignee_id", "client_id", "priority", "private_comment")
        assert sent(**dict.fromkeys(names, null)) == {}

    @pytest.mark.parametrize("null", NULLS)
    def test_required_null_is_named(self, null):
        assert validation_errors({**TEXTS, "subject": null}) == {"subject": "is required"}

    @pytest.mark.parametrize("null", NULLS)
    @pytest.mark.parametrize(
        ("part", "place"),
        [
            (lambda null: {"template_id": 1, "template_variables": ["Ann", null]}, "variable 2"),
            (lambda null: {"custom_fields": {12: null}}, "the value of field 12"),
            (lambda null: {"field_id": [1, 2], "field_value": ["x", null]}, "value 2"),
            (lambda null: {"tag": ["a", null]}, "is an empty value"),
            (lambda null: {"lists": [[{"id": 1, "value": null}]]}, "level 1 of list 1"),
        ],
    )
    def test_null_among_others_is_named_by_its_place(self, null, part, place):
        reason = validation_error(**part(null))
        assert place in reason
        assert "empty value" in reason

    @pytest.mark.parametrize("value", [0, 0.0, False, "nan", "x", [float("nan")], object(), Decimal(0)])
    def test_other_values_are_no_nulls(self, value):
        assert not values.is_null(value)


class TestNullTexts:
    @pytest.mark.parametrize("text", ["None", "nan", "NaT", "<NA>", " nan\n"])
    @pytest.mark.parametrize("name", ["message", "client_name", "client_phone", "channel_id", "tag"])
    def test_rendered_null_is_refused(self, text, name):
        reason = validation_errors({**TEXTS, name: text})[name]
        assert text.strip() in reason
        assert "default()" in reason

    @pytest.mark.parametrize("text", ["a,nan", "a,None", "NaT,a"])
    def test_null_in_tags_is_refused(self, text):
        assert validation_error(tag=text)

    @pytest.mark.parametrize("name", ["Nan", "NAN", "none", "NONE", "nat", "Nan Goldin"])
    def test_other_spellings_are_words(self, name):
        assert sent(client_name=name) == {"client_name": name}


class TestNumbers:
    @pytest.mark.parametrize("given", [Int64(683), Float32(683.0), 683.0, "683.0", Decimal("683.0")])
    def test_ids(self, given):
        assert sent(channel_id=given, client_id=given) == {"channel_id": 683, "client_id": "683"}

    @pytest.mark.parametrize("given", [683.5, Float32(683.5), "683.5", float("inf"), 2.0**60, Foreign(683)])
    def test_what_is_no_whole_number_is_no_id(self, given):
        assert validation_error(client_id=given)

    @pytest.mark.parametrize(
        ("given", "text"), [(Int64(7), "7"), (Float32(2.5), "2.5"), (Decimal("2.50"), "2.50"), (1.5, "1.5")]
    )
    def test_texts(self, given, text):
        assert sent(template_id=1, template_variables=[given])["template_variables"] == [text]
        assert sent(tag=["a", given]) == {"tag": f"a,{text}"}
        assert sent(custom_fields={Int64(10): given}) == {"field_id": "10", "field_value": text}

    @pytest.mark.parametrize("given", [True, False])
    def test_bools(self, given):
        foreign = numpy_bool(given)
        assert sent(custom_fields={1: foreign}) == sent(custom_fields={1: given})
        assert sent(private_comment=foreign) == sent(private_comment=given)
        assert "not bool" in validation_error(client_name=foreign)
        assert "32-bit" in validation_error(channel_id=foreign)

    def test_numpy_itself(self):
        numpy = pytest.importorskip("numpy")
        assert sent(channel_id=numpy.int64(683)) == {"channel_id": 683}
        assert sent(tag=["a", numpy.float32(0.1)]) == {"tag": "a,0.1"}
        assert sent(custom_fields={1: numpy.True_}) == {"field_id": "1", "field_value": "true"}
        assert sent(client_name=numpy.float64("nan")) == {}

    def test_pandas_itself(self):
        pandas = pytest.importorskip("pandas")
        assert sent(client_name=pandas.NA, tag=pandas.NaT) == {}


class TestOneLine:
    @pytest.mark.parametrize(
        ("given", "line"),
        [
            ("Invoice 7\n", "Invoice 7"),
            ("Invoice\r\n7", "Invoice 7"),
            ("\n\n Invoice \n\t 7", "Invoice 7"),
            ("Invoice\u20287\u2029", "Invoice 7"),
            ("Invoice\x007\x1b", "Invoice 7"),
            ("Invoice  7\u00a0€ 👩\u200d💻", "Invoice  7\u00a0€ 👩\u200d💻"),
        ],
    )
    def test_line_breaks_become_one_space(self, given, line):
        assert fields({**TEXTS, "subject": given})["subject"] == line
        assert sent(client_name=given, client_address=given) == {"client_name": line, "client_address": line}
        assert sent(tag=given) == sent(tag=[given]) == {"tag": line}

    def test_length_is_that_of_the_line(self):
        assert fields({**TEXTS, "subject": "x" * 255 + "\n"})["subject"] == "x" * 255

    def test_only_control_characters_are_empty(self):
        assert validation_errors({**TEXTS, "subject": "\x00"}) == {"subject": "is empty"}


class TestEmail:
    @pytest.mark.parametrize(
        "given",
        [
            "anna@example.org",
            "почта@пример.рф",
            "anna+tag@mail.example.org",
            "o'neil@example.org",
            "root@crm",
        ],
    )
    def test_address_is_sent(self, given):
        assert sent(client_email=given) == {"client_email": given}

    @pytest.mark.parametrize("ends", [" {} ", "\u00a0{}\n", "\ufeff{}\u200b", "\u202a{}\u202c"])
    def test_spaces_at_the_ends_are_removed(self, ends):
        assert sent(client_email=ends.format("anna@example.org")) == {"client_email": "anna@example.org"}

    @pytest.mark.parametrize(
        "given",
        [
            "нет",
            "-",
            "anna@",
            "@example.org",
            "anna@example.org, boris@example.org",
            "anna@example.org;boris@example.org",
            "anna@example.org boris@example.org",
            "mailto:anna@example.org",
            "Anna <anna@example.org>",
            "anna@@example.org",
            "anna@example..org",
            "anna@example.org.",
            7,
        ],
    )
    def test_what_is_no_address_is_refused(self, given):
        assert validation_error(client_email=given) == "must be one email address"

    def test_invisible_character_is_named(self):
        assert validation_error(client_email="an\u200bna@example.org").endswith("U+200B")


class TestNameText:
    @pytest.mark.parametrize("value", [5, 5.0, Int64(5), Float32(5.0), Decimal("5.00"), "5", " 5.0 "])
    def test_whole_number_is_its_digits(self, value):
        assert values.name_text(value) == "5"

    @pytest.mark.parametrize(
        "value", [5.5, "5.50", "v5.0", "1.5.0", "5.", "05", True, 1e300, Decimal("sNaN")]
    )
    def test_others_keep_their_text(self, value):
        assert values.name_text(value) == str(value)
