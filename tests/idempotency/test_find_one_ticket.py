"""The search for the ticket of one message, against the sandbox."""

from __future__ import annotations

import pytest

from airflow_provider_usedesk import sandbox as faults
from airflow_provider_usedesk.api.responses import CreatedTicket
from airflow_provider_usedesk.idempotency.decision import Absent, Ambiguous, Found
from airflow_provider_usedesk.idempotency.find_ticket import TicketSearch
from airflow_provider_usedesk.idempotency.ticket_patterns import WantedTicket
from airflow_provider_usedesk.sandbox import Sandbox

KEY = "airflow/d/r/t"


@pytest.fixture(params=["page", "row"])
def usedesk(request, clock):
    with Sandbox(offset_is=request.param, clock=clock) as running:
        yield running


@pytest.fixture
def search(client, clock):
    def search(seconds_ago=0.0, is_exact=True, **wanted):
        find = TicketSearch(client, [WantedTicket(KEY, **wanted)], sleep=clock.sleep, now=clock.moment)
        return find(clock.look_up(seconds_ago, is_exact))[KEY]

    return search


@pytest.fixture
def create(client):
    def create(count=1, subject="Invoice", key=None, **params):
        for number in range(count):
            created = client.create_ticket(
                subject=f"{subject}{number or ''}",
                message="m",
                additional_id=key or f"other-{number}",
                **params,
            )
        return created.ticket_id

    return create


def found(ticket_id):
    return Found(CreatedTicket(ticket_id))


def test_unlisted_ticket_is_found_later(create, search):
    ticket = create(key=KEY)
    assert search() == found(ticket)


def test_listed_ticket_is_found_at_once(create, search, clock, usedesk):
    ticket = create(key=KEY)
    clock.now += 60
    before = clock.now
    assert search(60) == found(ticket)
    assert clock.now == before
    assert usedesk.requests("tickets") == usedesk.requests("ticket") == 1


def test_absent_only_after_second_search(create, search, clock, usedesk):
    create(3)
    assert search() == Absent()
    assert clock.waited >= 30
    assert usedesk.requests("tickets") == 2
    assert usedesk.requests("ticket") == 3


def test_old_attempt_needs_one_search(search, clock, usedesk):
    clock.now += 600
    assert search(600) == Absent()
    assert usedesk.requests() == 1


def test_inexact_time_needs_two_searches(search, clock, usedesk):
    clock.now += 600
    assert search(600, is_exact=False) == Absent()
    assert usedesk.requests("tickets") == 2


def test_other_subjects_and_clients_stay_unread(create, search, clock, usedesk):
    create(130, subject="Another matter ", client_id=27747628)
    ticket = create(subject="Счёт & <b>№ 5</b> ", key=KEY, client_id=27747627)
    clock.now += 60
    assert search(60, subject="Счёт &amp; <b>№ 5", client_id=27747627) == found(ticket)
    assert usedesk.requests("ticket") == 1


def test_changing_subject_only_orders_reads(create, search, clock, usedesk):
    create(30, subject="Another matter ")
    same = create(subject="Invoice, attempt 2", key=KEY)
    clock.now += 60
    assert search(60, subject="Invoice, attempt 2", fixed=frozenset()) == found(same)
    assert usedesk.requests("ticket") == 1
    changed = {"subject": "Invoice, attempt 3", "fixed": frozenset()}
    assert isinstance(search(60, **changed), Ambiguous)
    usedesk.reset()
    other = create(subject="Invoice, attempt 1", key=KEY)
    clock.now += 60
    assert search(60, **changed) == found(other)


@pytest.mark.parametrize(
    ("fixed", "is_found"),
    [((), True), (("subject",), True), (("subject", "client_id"), False)],
    ids=["none", "subject", "both"],
)
def test_changing_client_only_orders_reads(create, search, clock, usedesk, fixed, is_found):
    create(10, client_id=27747628)
    same = create(key=KEY, client_id=27747627)
    clock.now += 60
    assert search(60, client_id=27747627, fixed=frozenset(fixed)) == found(same)
    assert usedesk.requests("ticket") == 1
    result = search(60, client_id=27747628, fixed=frozenset(fixed))
    assert (result == found(same)) == is_found


def test_too_many_candidates_are_ambiguous(create, search, clock, usedesk):
    create(30)
    clock.now += 60
    result = search(60)
    assert isinstance(result, Ambiguous)
    assert "20 tickets" in result.reason
    assert usedesk.requests("ticket") == 20


def test_too_many_pages_are_ambiguous(create, search, clock, usedesk):
    create(320, subject="Another matter ")
    clock.now += 60
    result = search(60, subject="Invoice")
    assert isinstance(result, Ambiguous)
    assert "pages" in result.reason
    assert usedesk.requests("tickets") <= 5


@pytest.mark.parametrize(
    "fault",
    [faults.close(), faults.answer(200, {"code": 115, "error": "no access"}), faults.html(502)],
    ids=["closed", "refused", "502"],
)
def test_failed_list_is_ambiguous(search, usedesk, fault):
    usedesk.fail(fault, times=9)
    assert isinstance(search(), Ambiguous)


def test_other_times_stay_unread(create, search, clock, usedesk):
    create(3)
    clock.now += 3 * 3600
    assert search(60) == Absent()
    create(3)
    clock.now += 60
    assert search(2 * 3600) == Absent()
    assert usedesk.requests("ticket") == 0


def test_no_ticket_is_read_twice(create, search, clock, usedesk, caplog):
    caplog.set_level("INFO")
    create(3)
    clock.now += 10
    assert search(10) == Absent()
    assert usedesk.requests("tickets") == 2
    assert usedesk.requests("ticket") == 3
    assert "absent, after 2 pages and 3 tickets" in caplog.text
