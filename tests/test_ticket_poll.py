"""What one poll of many tickets asks, and what is known after it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow_provider_usedesk.api.errors import UsedeskTicketNotFound, UsedeskUnavailable
from airflow_provider_usedesk.api.records import TicketDetails, TicketRow
from airflow_provider_usedesk.ticket_status import Look, Watch
from airflow_provider_usedesk.triggers.ticket_poll import MAX_PAGES, see

BEFORE = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
NOW = BEFORE + timedelta(minutes=1)


class Client:
    """Usedesk with some pages of changed tickets, and some that can be read."""

    def __init__(self, pages=(), there=(), broken=()):
        self.pages, self.there, self.broken = pages, there, broken
        self.asked = []

    def ticket_pages(self, **filters):
        self.asked.append(filters)
        for page in self.pages:
            yield [TicketRow(id=number, status=2) for number in page]

    def ticket(self, ticket_id):
        self.asked.append(ticket_id)
        if ticket_id in self.broken:
            raise UsedeskUnavailable("out of order")
        if ticket_id not in self.there:
            raise UsedeskTicketNotFound("gone")
        return TicketDetails(id=ticket_id, status=3)


def look(since=BEFORE, read=()):
    return Look(since, frozenset({3, 2}), read)


def known_after(seen, ticket_id):
    watch = Watch(ticket_id, frozenset({2}), known_until=BEFORE, read_at=BEFORE)
    seen.note(watch, NOW)
    return watch.known_until == NOW, watch.read_at == NOW


def test_the_list_goes_back_a_little_further_and_is_taken_newest_first():
    client = Client(pages=[[1]])
    see(client, look())
    [filters] = client.asked
    assert BEFORE - timedelta(hours=1) < filters["updated_after"] < BEFORE
    assert (filters["fstatus"], filters["sort"], filters["order"]) == ([2, 3], "last_updated_at", "desc")


def test_no_list_when_all_are_read():
    client = Client(there=[1, 2])
    seen = see(client, look(since=None, read=(1, 2)))
    assert client.asked == [1, 2]
    assert [seen.of(number).status for number in (1, 2)] == [3, 3]


def test_after_a_whole_list_nothing_can_have_been_missed():
    seen = see(Client(pages=[[1], [2]]), look())
    assert known_after(seen, 1) == known_after(seen, 17) == (True, False)
    assert (seen.of(2).status, seen.of(17)) == (2, None)


def test_a_list_with_too_many_pages_leaves_it_open():
    pages = [[number] for number in range(MAX_PAGES + 1)]
    seen = see(Client(pages=pages, there=[17]), look(read=(17,)))
    assert known_after(seen, 99) == (False, False)
    assert known_after(seen, 17) == (True, True)


def test_what_was_seen_before_something_broke_counts():
    seen = see(Client(pages=[[1]], there=[17], broken=[18]), look(read=(17, 18, 19)))
    assert (seen.of(1).status, seen.of(17).status) == (2, 3)
    assert isinstance(seen.of(18), UsedeskUnavailable)
    assert isinstance(seen.of(2), UsedeskUnavailable)
    assert known_after(seen, 18) == (True, False)


def test_a_ticket_that_is_gone_stops_no_other():
    seen = see(Client(there=[2]), look(since=None, read=(1, 2)))
    assert isinstance(seen.of(1), UsedeskTicketNotFound)
    assert seen.of(2).status == 3
