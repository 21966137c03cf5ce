"""Phone numbers as people write them, with and without a region."""

from __future__ import annotations

import logging
import sys

import pytest

from airflow_provider_usedesk.api.client import UsedeskClient
from airflow_provider_usedesk.api.errors import UsedeskBadConnection
from airflow_provider_usedesk.api.phone import checked_region, phone
from airflow_provider_usedesk.api.settings import read_settings
from airflow_provider_usedesk.api.ticket import TICKET
from tests.api.test_ticket import TEXTS, sent, validation_error

DIGITS = "79123456789"
FORMATTED = [
    DIGITS,
    int(DIGITS),
    float(DIGITS),
    f"{DIGITS}.0",
    "+7 (912) 345-67-89",
    "+7.912.345.67.89",
    "7-912-345-67-89\n",
    "+7\u00a0912\u202f345\u201167\u221289",
    "\u202a+7\u200b912\u2060345\ufeff67\u00ad89\u202c",
]
NATIONAL = ["8 (912) 345-67-89", "89123456789", 89123456789, "912 345-67-89", "8.912.345.67.89"]
OTHERS = ["007 912 345-67-89", "+7 912 345-67-89 (доб. 2)", "8 912 345 67 89, ext. 12", "+8 912 345-67-89"]


class TestWithoutRegion:
    @pytest.mark.parametrize("given", FORMATTED)
    def test_formatting_is_removed(self, given):
        assert sent(client_phone=given) == {"client_phone": DIGITS}

    @pytest.mark.parametrize(
        "given", ["007 912 345-67-89", "0912 345 67 89", "345-67-89", "7" * 16, "+12345"]
    )
    def test_number_without_country_code_is_refused(self, given):
        reason = validation_error(client_phone=given)
        assert "phone_region" in reason
        assert DIGITS in reason  # the example, not the number

    @pytest.mark.parametrize(
        ("given", "cause"),
        [
            ("7,91235E+10", "scientific notation"),
            ("7.9e10", "scientific notation"),
            (f"'{DIGITS}", "apostrophe"),
            ("+79123456789, +79123456780", "one phone number"),
            ("79123456789/79123456780", "one phone number"),
            ("тел. 79123456789", "letters"),
            ("tel:+79123456789", "letters"),
            ("8 800 ANNAANN", "letters"),
            ("٧٩١٢٣٤٥٦٧٨٩", "another script"),
            ("7912345678*9", "U+002A"),
            ("☎ 79123456789 \x07", "U+0007, U+260E"),
            (-79123456789.0, "negative"),
        ],
    )
    @pytest.mark.parametrize("region", [None, "RU"])
    def test_error_gives_cause_without_digits(self, given, cause, region):
        reason = validation_error(client_phone=given, phone_region=region)
        assert cause in reason
        assert "912345" not in reason.replace(DIGITS, "")

    @pytest.mark.parametrize(
        ("given", "cause"),
        [
            ("+7 912 345-67-89 доб. 2", "extension"),
            ("79123456789 (ext. 2)", "extension"),
            ("79123456789 79123456780", "two numbers"),
        ],
    )
    def test_error_gives_cause(self, given, cause):
        assert cause in validation_error(client_phone=given)


class TestWithRegion:
    @pytest.mark.parametrize("given", [*FORMATTED, *NATIONAL, *OTHERS])
    def test_all_forms_are_one_number(self, given):
        assert sent(client_phone=given, phone_region="RU") == {"client_phone": DIGITS}

    @pytest.mark.parametrize(
        ("given", "region", "digits"),
        [
            ("380501234567", "RU", "380501234567"),
            ("+380 50 123 45 67", "RU", "380501234567"),
            ("050 123 45 67", "UA", "380501234567"),
            ("8 701 123 45 67", "kz", "77011234567"),
            ("8 (495) 123-45-67", " ru ", "74951234567"),
            ("+298 212345", "RU", "298212345"),
            ("+7 900 000 00 01", "RU", "79000000001"),
        ],
    )
    def test_other_numbers(self, given, region, digits):
        assert phone(given, checked_region(region)) == digits

    @pytest.mark.parametrize("given", ["345-67-89", "+7 912 345-67-8", "8912345678", "0" * 11, "7" * 16])
    def test_no_number_is_refused(self, given):
        reason = validation_error(client_phone=given, phone_region="RU")
        assert "neither one of RU" in reason

    @pytest.mark.parametrize(
        ("region", "cause"), [("UK", "GB"), ("Russia", "two letters"), (7, "two letters")]
    )
    def test_wrong_region_is_refused(self, region, cause):
        reason = validation_error(client_phone="0912", phone_region=region)
        assert reason.startswith("cannot be read: phone_region must be")
        assert cause in reason

    def test_region_without_number_is_ignored(self):
        assert sent(phone_region="UK") == {}

    @pytest.mark.parametrize("empty", [None, "", float("nan")])
    def test_empty_region_is_none(self, empty):
        assert sent(client_phone=DIGITS, phone_region=empty) == {"client_phone": DIGITS}

    def test_missing_library_is_named(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "phonenumbers", None)
        assert "airflow-provider-usedesk[phone]" in validation_error(client_phone=DIGITS, phone_region="RU")
        assert sent(client_phone=DIGITS) == {"client_phone": DIGITS}


class TestClient:
    @staticmethod
    def sent_by(client, **params):
        return client.checked({**TEXTS, **params}, TICKET).fields["client_phone"]

    def test_setting_is_the_default(self):
        client = UsedeskClient.connect("token", phone_region="RU")
        assert self.sent_by(client, client_phone="8 912 345-67-89") == DIGITS
        assert self.sent_by(client, client_phone="050 123 45 67", phone_region="UA") == "380501234567"

    def test_national_number_warns_once(self, caplog):
        client = UsedeskClient.connect("token")
        for one in (client, client.with_before_send(lambda: None)):
            for given in NATIONAL:
                self.sent_by(one, client_phone=given)
        [record] = caplog.records
        assert record.levelno == logging.WARNING
        assert "phone_region" in record.getMessage()
        assert "912" not in record.getMessage()

    @pytest.mark.parametrize("given", [*FORMATTED, "+81 3 1234 56789", "380501234567"])
    def test_other_numbers_do_not_warn(self, caplog, given):
        self.sent_by(UsedeskClient.connect("token"), client_phone=given)
        assert not caplog.records

    def test_region_silences_warning(self, caplog):
        self.sent_by(UsedeskClient.connect("token", phone_region="RU"), client_phone=NATIONAL[0])
        self.sent_by(UsedeskClient.connect("token"), client_phone=NATIONAL[0], phone_region="RU")
        assert not caplog.records


def test_setting_is_checked():
    assert read_settings("token", phone_region=" ru ").phone_region == "RU"
    assert read_settings("token", phone_region="").phone_region is None
    with pytest.raises(UsedeskBadConnection, match="phone_region must be the code of a country"):
        read_settings("token", phone_region="Russia")
