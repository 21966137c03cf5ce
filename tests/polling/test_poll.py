"""The requests of one poll, and what is known after it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_usedesk.api.errors import (
    UsedeskAccessDenied,
    UsedeskInvalidToken,
    UsedeskRateLimited,
    UsedeskRejected,
    UsedeskTicketNotFound,
    UsedeskUnavailable,
)
from airflow_provider_usedesk.api.records import TicketDetails, TicketRow
from airflow_provider_usedesk.polling.poll import MAX_PAGES, run_poll
from airflow_provider_usedesk.polling.poll_plan import PollPlan, Subscription

BEFORE = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
NOW = BEFORE + timedelta(minutes=1)


class Client:
    """A client with some pages of changed tickets, and some tickets that can be read."""

    def __init__(self, pages=(), readable=(), broken=(), error=UsedeskUnavailable):
        self.pages, self.readable, self.broken, self.error = pages, readable, broken, error
        self.requests = []

    def ticket_pages(self, **filters):
        self.requests.append(filters)
        for page in self.pages:
            if page in self.broken:
                raise self.error("out of order")
            yield [TicketRow(id=number, status=2) for number in page]

    def ticket(self, ticket_id):
        self.requests.append(ticket_id)
        if ticket_id in self.broken:
            raise self.error("out of order")
        if ticket_id not in self.readable:
            raise UsedeskTicketNotFound("gone")
        return TicketDetails(id=ticket_id, status=3)


def plan(since=BEFORE, read=()):
    return PollPlan(since, frozenset({3, 2}), read)


def subscription(ticket_id, known_until=BEFORE):
    return Subscription(ticket_id, frozenset({2}), timedelta(minutes=1), known_until, read_at=BEFORE)


def of(result, ticket_id):
    return result.of(subscription(ticket_id))


def known_after(result, ticket_id, **known):
    after = result.applied_to(subscription(ticket_id, **known), NOW)
    return after.known_until == NOW, after.read_at == NOW


def test_list_overlaps_and_is_newest_first():
    client = Client(pages=[[1]])
    run_poll(client, plan())
    [filters] = client.requests
    assert BEFORE - timedelta(hours=1) < filters["updated_after"] < BEFORE
    assert (filters["fstatus"], filters["sort"], filters["order"]) == ([2, 3], "last_updated_at", "desc")


def test_reads_without_a_list():
    client = Client(readable=[1, 2])
    result = run_poll(client, plan(since=None, read=(1, 2)))
    assert client.requests == [1, 2]
    assert [of(result, number).status for number in (1, 2)] == [3, 3]


def test_complete_list_covers_all():
    result = run_poll(Client(pages=[[1], [2]]), plan())
    assert known_after(result, 1) == known_after(result, 17) == (True, False)
    assert (of(result, 2).status, of(result, 17)) == (2, None)


def test_list_does_not_cover_earlier_changes():
    result = run_poll(Client(pages=[[1]], broken=[17]), plan(read=(17,)))
    assert known_after(result, 17, known_until=BEFORE - timedelta(days=1)) == (False, True)


def test_truncated_list_does_not_cover():
    pages = [[number] for number in range(MAX_PAGES + 1)]
    result = run_poll(Client(pages=pages, readable=[17]), plan(read=(17,)))
    assert known_after(result, 99) == (False, False)
    assert known_after(result, 17) == (True, True)


def test_results_before_an_error_count():
    broken = Client(pages=[[1], [5]], broken=[[5]], readable=[17])
    result = run_poll(broken, plan(read=(17,)))
    assert of(result, 1).status == 2
    assert isinstance(of(result, 2), UsedeskUnavailable)
    assert (known_after(result, 1), known_after(result, 2)) == ((True, False), (False, False))
    assert 17 not in broken.requests


@pytest.mark.parametrize("error", [UsedeskUnavailable, UsedeskRateLimited])
def test_failed_read_after_list_concerns_one_ticket(error):
    result = run_poll(Client(pages=[[1]], broken=[17], error=error), plan(read=(17,)))
    assert (of(result, 1).status, of(result, 2)) == (2, None)
    assert isinstance(of(result, 17), error)
    assert known_after(result, 17) == (True, True)


def test_unread_ticket_gets_the_error():
    result = run_poll(Client(pages=[[1]], broken=[17], error=UsedeskRateLimited), plan(read=(17, 18)))
    assert isinstance(result.of(subscription(18, known_until=BEFORE - timedelta(days=1))), UsedeskRateLimited)


def test_listed_state_counts_despite_failed_read():
    assert of(run_poll(Client(pages=[[1]], broken=[1]), plan(read=(1,))), 1).status == 2


@pytest.mark.parametrize(
    "error", [UsedeskTicketNotFound, UsedeskRejected, UsedeskAccessDenied, UsedeskUnavailable]
)
def test_failed_read_stops_no_other(error):
    result = run_poll(Client(readable=[2], broken=[1], error=error), plan(since=None, read=(1, 2)))
    assert isinstance(of(result, 1), error)
    assert of(result, 2).status == 3
    assert known_after(result, 1) == (False, True)


def test_missing_tickets_stop_no_other():
    result = run_poll(Client(readable=[9]), plan(since=None, read=(1, 2, 3, 9)))
    assert {type(of(result, number)) for number in (1, 2, 3)} == {UsedeskTicketNotFound}
    assert of(result, 9).status == 3


@pytest.mark.parametrize(
    ("error", "requests"), [(UsedeskUnavailable, 2), (UsedeskRateLimited, 1), (UsedeskInvalidToken, 1)]
)
def test_outage_stops_the_reads(error, requests):
    tickets = range(1, 101)
    client = Client(broken=tickets, error=error)
    result = run_poll(client, plan(since=None, read=tuple(tickets)))
    assert len(client.requests) == requests
    assert {type(of(result, number)) for number in tickets} == {error}


def test_refused_list_refuses_no_ticket():
    result = run_poll(Client(pages=[[5]], broken=[[5]], error=UsedeskRejected), plan(read=(17,)))
    assert isinstance(of(result, 1), UsedeskUnavailable)
    assert "out of order" in str(of(result, 1))


def test_cancelled_poll_stops_reading():
    client = Client(readable=[1, 2, 3])
    run_poll(client, plan(since=None, read=(1, 2, 3)), is_cancelled=lambda: len(client.requests) == 1)
    assert client.requests == [1]


def test_rate_limit_keeps_retry_after():
    class Refusing(Client):
        def ticket(self, ticket_id):
            raise UsedeskRateLimited("slow", retry_after=30)

    result = run_poll(Refusing(), plan(since=None, read=(1,)))
    assert result.error.retry_after == 30
