"""Lists of tickets, one after the other."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from airflow_provider_usedesk.api.errors import UsedeskRateLimited, UsedeskUnavailable
from airflow_provider_usedesk.api.records import TicketRow
from airflow_provider_usedesk.polling.event_cursor import OVERLAP
from airflow_provider_usedesk.polling.ticket_feed import TicketFeed, list_tickets

START = datetime(2026, 11, 24, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Client:
    def __init__(self):
        self.requests = []

    def ticket_pages(self, **filters):
        self.requests.append(filters)
        yield [TicketRow(id=3), TicketRow(id=2)]
        yield [TicketRow(id=1)]


def test_all_pages_are_returned_oldest_first():
    client = Client()
    assert [row.id for row in list_tickets(client, "new", START)] == [1, 2, 3]
    assert [row.id for row in list_tickets(client, "updated", START)] == [1, 2, 3]
    assert list_tickets(client, "new", START, lambda: True) == ()
    assert client.requests[:2] == [
        {"created_after": START, "sort": "id", "order": "desc"},
        {"updated_after": START, "sort": "last_updated_at", "order": "desc"},
    ]


def test_feed_continues_after_errors(caplog):
    """The next list begins where the last successful one ended."""
    results = [(), UsedeskUnavailable("gone"), UsedeskRateLimited("slow", retry_after=99.0), RuntimeError, ()]
    since_moments, slept, now = [], [], [START]

    class Thread:
        is_closed = False

        async def call(self, settings, function, events, since, is_cancelled):
            since_moments.append(since)
            now[0] += MINUTE
            result = results[len(since_moments) - 1]
            if result != ():
                raise result
            return result

    async def settings():
        return None

    async def sleep(seconds):
        slept.append(seconds)

    async def two():
        feed = TicketFeed("new", settings, lambda: now[0], sleep)
        feed._thread = Thread()
        listings = feed.listings(60)
        return [await anext(listings), await anext(listings)]

    first, second = asyncio.run(two())
    assert first.at == START
    assert since_moments == [START - 2 * OVERLAP] + [START - OVERLAP] * 4
    assert second.since == START - OVERLAP
    assert slept == [60, 60, 99.0, 60]
    assert "UsedeskUnavailable: gone" in caplog.text
