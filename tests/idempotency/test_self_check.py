"""The self-check, against sandboxes that differ from the documentation in one point each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_usedesk import sandbox as faults
from airflow_provider_usedesk.api.errors import UsedeskRejected
from airflow_provider_usedesk.hooks.delivery_settings import DeliverySettings
from airflow_provider_usedesk.idempotency.keys import IdempotencyKey, parse_key
from airflow_provider_usedesk.idempotency.self_check import (
    SUBJECT,
    check_delivery_contract,
    clock_finding,
    id_finding,
    text_of,
)
from airflow_provider_usedesk.sandbox import Sandbox

FIELD = 10
KEY = IdempotencyKey("3kq7t2mzx4wd5c6e", recipient="r6h2kq7t2mzx", content="4wd5c6e2", nonce="deadbee1")
SENT = text_of(KEY)
NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.fixture
def options():
    return {}


@pytest.fixture
def usedesk(clock, options):
    with Sandbox(clock=clock, **{"listing_lag": 2, **options}) as running:
        yield running


@pytest.fixture
def check(client, clock):
    def check(field=None, delay=120.0):
        settings = DeliverySettings(key_field_id=field, consistency_delay=delay)
        return check_delivery_contract(client, settings, sleep=clock.sleep, now=clock.moment)

    return check


def sandbox(**options):
    return pytest.mark.parametrize("options", [options], ids=["-".join(options)])


def test_good_account_has_no_problems(check, usedesk):
    report = check(field=FIELD)
    [ticket] = usedesk.tickets
    assert report.as_dict() == {
        "ok": True,
        "ticket_id": ticket.ticket_id,
        "findings": [
            "Usedesk shows additional_id unchanged.",
            "The list of tickets shows a new ticket after at most 2 seconds. The consistency delay is 120 "
            "seconds.",
            "The times of Usedesk are UTC, and its clock agrees with that of Airflow.",
            "The list has one page, so the size of a page is not known.",
            "The search of the operators finds the ticket.",
            f"The filter by the custom field {FIELD} finds just the ticket.",
            "The control of the filter works: the oldest ticket with a key in the field is found.",
        ],
        "problems": [],
    }


def test_ticket_is_private(check, usedesk):
    check()
    [ticket] = usedesk.tickets
    assert (ticket.subject, ticket.comments[0].is_private) == (SUBJECT, True)
    assert parse_key(ticket.additional_id)
    assert ticket.custom_fields == {}


def test_without_field_the_list_is_read(check):
    report = check()
    assert report.ok
    assert report.findings[-1] == "The connection has no Key field id, so searches read the list of tickets."


def test_each_check_finds_its_own_ticket(check, usedesk):
    reports = [check(field=FIELD) for _ in range(3)]
    assert [report.ok for report in reports] == [True] * 3
    assert [report.ticket_id for report in reports] == [ticket.ticket_id for ticket in usedesk.tickets]


class TestAdditionalId:
    @pytest.mark.parametrize(
        ("change", "shown"),
        [
            (str, "unchanged."),
            (str.strip, "trimmed. Keys survive this."),
            (str.lower, "lower-cased. Keys survive this."),
            (str.upper, "with other capital letters. Keys survive this."),
            (lambda text: text.strip().lower(), "trimmed and lower-cased. Keys survive this."),
            (lambda text: text[:80], "cut after 80 characters. Keys survive this."),
            (lambda text: text[:80].lower(), "lower-cased and cut after 80 characters. Keys survive this."),
        ],
    )
    def test_harmless_change_is_ok(self, change, shown):
        found = id_finding(SENT, change(SENT))
        assert (found.text, found.ok) == (f"Usedesk shows additional_id {shown}", True)

    @pytest.mark.parametrize(
        ("shown", "text"),
        [
            (SENT[:40], "Usedesk shows additional_id cut after 40 characters. Keys do not survive this."),
            ("0", "Usedesk shows additional_id as a number."),
            ("", "Usedesk shows additional_id as another text."),
            ("af2.other", "Usedesk shows additional_id as another text."),
            (None, "Usedesk does not show the additional_id of the new ticket."),
        ],
    )
    def test_lost_key_is_a_problem(self, shown, text):
        found = id_finding(SENT, shown)
        assert (found.text, found.ok) == (text, False)

    def test_sent_text_has_all_that_can_be_lost(self):
        assert (len(SENT), SENT[-1], parse_key(SENT)) == (255, " ", KEY)
        assert SENT.lower() != SENT

    @sandbox(additional_id=lambda text: text[:40])
    def test_cut_key_fails_the_check(self, check):
        report = check()
        assert report.problems[0].startswith("Usedesk shows additional_id cut after 40")
        assert report.problems[1].startswith("The search of the operators does not find the ticket: ")

    @sandbox(additional_id=lambda text: None)
    def test_hidden_id_fails_the_check(self, check):
        assert len(check().problems) == 2

    @sandbox(additional_id=lambda text: 0)
    def test_number_fails_the_check(self, check):
        assert len(check().problems) == 2

    @sandbox(additional_id=lambda text: text.strip().lower())
    def test_lower_case_passes_the_check(self, check):
        assert check(field=FIELD).ok


class TestList:
    @sandbox(listing_lag=50)
    def test_late_listing_is_measured(self, check, clock):
        report = check()
        assert report.ok
        [seconds] = [int(word) for word in report.findings[1].split() if word.isdigit()][:1]
        assert 50 <= seconds <= 62

    @sandbox(listing_lag=50)
    def test_listing_after_the_delay_is_a_problem(self, check, clock):
        report = check(delay=30)
        assert report.problems == (
            "The list of tickets does not show the new ticket within the consistency delay of 30 seconds.",
        )
        assert round(clock.waited) == 30

    @sandbox(listing_lag=0)
    def test_page_size_is_seen(self, check, client):
        for number in range(120):
            client.create_ticket(subject=f"Order {number}", message="m")
        assert "A page of the list has 100 tickets." in check().findings

    def test_ignored_order_is_a_problem(self, check, client, monkeypatch):
        pages = client.ticket_pages

        def unsorted(**filters):
            return (page[::-1] for page in pages(**filters))

        client.create_ticket(subject="Order", message="m")
        monkeypatch.setattr(client, "ticket_pages", unsorted)
        assert check().problems == ("The list of tickets is not sorted, although the newest are asked for.",)

    def test_refused_list_is_an_error(self, check, usedesk):
        usedesk.fail(faults.answer(body={"error": "no access"}), method="tickets")
        with pytest.raises(UsedeskRejected):
            check()


class TestClock:
    @pytest.mark.parametrize(
        ("shown", "text"),
        [
            ("2026-11-28 12:00:01", "The times of Usedesk are UTC, and its clock agrees"),
            ("2026-11-28 15:00:01", "Read as UTC, the times of Usedesk are 3:00:00 ahead of"),
            ("2026-11-28T15:00:01+03:00", "The times of Usedesk are UTC, and its clock agrees"),
            ("2026-11-28 11:50:01", "Read as UTC, the times of Usedesk are 0:10:00 behind"),
            (None, "The list shows no time of creation"),
            ("yesterday", "The list shows no time of creation"),
        ],
    )
    def test_difference_is_information_only(self, shown, text):
        found = clock_finding(shown, NOON, NOON + timedelta(seconds=2))
        assert found.text.startswith(text)
        assert found.ok

    def test_other_clock_finds_the_ticket(self, client, clock):
        settings = DeliverySettings(key_field_id=FIELD)
        report = check_delivery_contract(
            client, settings, sleep=clock.sleep, now=lambda: clock.moment() + timedelta(hours=5)
        )
        assert report.ok
        assert "5:00:00 behind the clock of Airflow" in report.findings[2]


class TestField:
    @sandbox(filters_fields=False)
    def test_ignored_filter_is_a_problem(self, check, client):
        client.create_ticket(subject="Order", message="m", custom_fields={FIELD: "A-17"})
        report = check(field=FIELD)
        assert report.problems[0] == (
            f"The filter by the custom field {FIELD} returns other tickets. Searches read the list instead."
        )
        assert report.problems[1].startswith("The control of the filter does not work")

    def test_filter_without_results_is_a_problem(self, check, client, monkeypatch):
        pages = client.ticket_pages

        def without_filter(*, fields=None, **filters):
            return pages(**filters) if fields is None else iter(())

        monkeypatch.setattr(client, "ticket_pages", without_filter)
        problems = check(field=FIELD).problems
        assert "does not return the ticket with its custom fields" in problems[0]
        assert problems[1].startswith("The control of the filter does not work")

    def test_field_without_the_key_is_a_problem(self, check, usedesk, client, monkeypatch):
        create = client.create_ticket

        def without_field(*, custom_fields, **params):
            return create(**params)

        monkeypatch.setattr(client, "create_ticket", without_field)
        assert check(field=FIELD).problems == (
            f"The custom field {FIELD} does not show the key. It must be a text field of tickets.",
        )

    def test_refused_filter_is_a_problem(self, check, client, monkeypatch):
        pages = client.ticket_pages

        def refused(*, fields=None, **filters):
            if fields is not None:
                raise UsedeskRejected("Usedesk refused it.")
            return pages(**filters)

        monkeypatch.setattr(client, "ticket_pages", refused)
        assert check(field=FIELD).problems == (
            f"Tickets cannot be filtered by the custom field {FIELD}: Usedesk refused it.",
        )


def test_refused_ticket_is_an_error(check, usedesk):
    usedesk.fail(faults.answer(body={"code": 112, "error": "invalid token"}), method="create/ticket")
    with pytest.raises(Exception, match="token"):
        check()
    assert usedesk.tickets == ()
