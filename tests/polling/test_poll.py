"""What one poll of many tickets asks, and what is known after it."""

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
    """Usedesk with some pages of changed tickets, and some that can be read."""

    def __init__(self, pages=(), there=(), broken=(), error=UsedeskUnavailable):
        self.pages, self.there, self.broken, self.error = pages, there, broken, error
        self.asked = []

    def ticket_pages(self, **filters):
        self.asked.append(filters)
        for page in self.pages:
            if page in self.broken:
                raise self.error("out of order")
            yield [TicketRow(id=number, status=2) for number in page]

    def ticket(self, ticket_id):
        self.asked.append(ticket_id)
        if ticket_id in self.broken:
            raise self.error("out of order")
        if ticket_id not in self.there:
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


def test_the_list_goes_back_a_little_further_and_is_taken_newest_first():
    client = Client(pages=[[1]])
    run_poll(client, plan())
    [filters] = client.asked
    assert BEFORE - timedelta(hours=1) < filters["updated_after"] < BEFORE
    assert (filters["fstatus"], filters["sort"], filters["order"]) == ([2, 3], "last_updated_at", "desc")


def test_no_list_when_all_are_read():
    client = Client(there=[1, 2])
    result = run_poll(client, plan(since=None, read=(1, 2)))
    assert client.asked == [1, 2]
    assert [of(result, number).status for number in (1, 2)] == [3, 3]


def test_after_a_whole_list_nothing_can_have_been_missed():
    result = run_poll(Client(pages=[[1], [2]]), plan())
    assert known_after(result, 1) == known_after(result, 17) == (True, False)
    assert (of(result, 2).status, of(result, 17)) == (2, None)


def test_a_whole_list_tells_nothing_of_the_time_before_it():
    result = run_poll(Client(pages=[[1]], broken=[17]), plan(read=(17,)))
    assert known_after(result, 17, known_until=BEFORE - timedelta(days=1)) == (False, True)


def test_a_list_with_too_many_pages_leaves_it_open():
    pages = [[number] for number in range(MAX_PAGES + 1)]
    result = run_poll(Client(pages=pages, there=[17]), plan(read=(17,)))
    assert known_after(result, 99) == (False, False)
    assert known_after(result, 17) == (True, True)


def test_what_was_seen_before_something_broke_counts():
    broken = Client(pages=[[1], [5]], broken=[[5]], there=[17])
    result = run_poll(broken, plan(read=(17,)))
    assert of(result, 1).status == 2
    assert isinstance(of(result, 2), UsedeskUnavailable)
    assert (known_after(result, 1), known_after(result, 2)) == ((True, False), (False, False))
    assert 17 not in broken.asked


@pytest.mark.parametrize("error", [UsedeskUnavailable, UsedeskRateLimited])
def test_after_a_whole_list_a_failed_read_is_a_failure_for_that_ticket_only(error):
    result = run_poll(Client(pages=[[1]], broken=[17], error=error), plan(read=(17,)))
    assert (of(result, 1).status, of(result, 2)) == (2, None)
    assert isinstance(of(result, 17), error)
    assert known_after(result, 17) == (True, True)


def test_who_was_to_be_read_and_was_not_hears_of_the_failure():
    result = run_poll(Client(pages=[[1]], broken=[17], error=UsedeskRateLimited), plan(read=(17, 18)))
    assert isinstance(result.of(subscription(18, known_until=BEFORE - timedelta(days=1))), UsedeskRateLimited)


def test_what_the_list_showed_of_a_ticket_holds_when_it_cannot_be_read():
    assert of(run_poll(Client(pages=[[1]], broken=[1]), plan(read=(1,))), 1).status == 2


@pytest.mark.parametrize(
    "error", [UsedeskTicketNotFound, UsedeskRejected, UsedeskAccessDenied, UsedeskUnavailable]
)
def test_a_ticket_that_cannot_be_read_stops_no_other(error):
    result = run_poll(Client(there=[2], broken=[1], error=error), plan(since=None, read=(1, 2)))
    assert isinstance(of(result, 1), error)
    assert of(result, 2).status == 3
    assert known_after(result, 1) == (False, True)


def test_tickets_that_are_gone_stop_no_other():
    result = run_poll(Client(there=[9]), plan(since=None, read=(1, 2, 3, 9)))
    assert {type(of(result, number)) for number in (1, 2, 3)} == {UsedeskTicketNotFound}
    assert of(result, 9).status == 3


@pytest.mark.parametrize(
    ("error", "asked"), [(UsedeskUnavailable, 2), (UsedeskRateLimited, 1), (UsedeskInvalidToken, 1)]
)
def test_an_outage_is_not_asked_a_hundred_times(error, asked):
    tickets = range(1, 101)
    client = Client(broken=tickets, error=error)
    result = run_poll(client, plan(since=None, read=tuple(tickets)))
    assert len(client.asked) == asked
    assert {type(of(result, number)) for number in tickets} == {error}


def test_a_refused_list_says_nothing_against_a_ticket():
    result = run_poll(Client(pages=[[5]], broken=[[5]], error=UsedeskRejected), plan(read=(17,)))
    assert isinstance(of(result, 1), UsedeskUnavailable)
    assert "out of order" in str(of(result, 1))


def test_nothing_is_read_for_nobody():
    client = Client(there=[1, 2, 3])
    run_poll(client, plan(since=None, read=(1, 2, 3)), is_cancelled=lambda: len(client.asked) == 1)
    assert client.asked == [1]
