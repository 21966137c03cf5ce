"""Lists of what happened to tickets, one after the other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from itertools import takewhile
from typing import TYPE_CHECKING

from airflow_provider_usedesk.api.errors import UsedeskError
from airflow_provider_usedesk.polling.client_thread import ClientThread
from airflow_provider_usedesk.polling.ticket_events import OVERLAP, Events, Poll

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.client import UsedeskClient
    from airflow_provider_usedesk.api.records import TicketRow
    from airflow_provider_usedesk.api.settings import Settings

log = logging.getLogger(__name__)


class TicketFeed:
    """
    List what happened to the tickets of a connection.

    :param events: new tickets, or changed ones
    :param read_settings: reads the connection; asked again for each list, so that a new token counts at once
    :param now: tells the time
    :param sleep: waits
    """

    def __init__(
        self,
        events: Events,
        read_settings: Callable[[], Awaitable[Settings]],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._events = events
        self._read_settings = read_settings
        self._now = now
        self._sleep = sleep
        self._thread = ClientThread("usedesk-ticket-feed")
        self._wait = 0.0

    async def polls(self, interval: float) -> AsyncIterator[Poll]:
        """List over and over, each time from where the last list that worked ended."""
        # Far enough back for watchers that were stopped for a moment: they need no list of their own then.
        until = self._now() - OVERLAP
        while True:
            poll = await self.poll(until - OVERLAP)
            if poll is not None:
                until = poll.at
                yield poll
            await self._sleep(max(interval, self._wait))

    async def poll(self, since: datetime) -> Poll | None:
        """List what happened since a moment; None where Usedesk cannot be asked now."""
        at, self._wait = self._now(), 0.0
        try:
            settings = await self._read_settings()
            rows = await self._thread.call(
                settings, listed, self._events, since, lambda: self._thread.is_closed
            )
        except UsedeskError as error:
            self._wait = error.retry_after or 0.0
            log.warning("Tickets could not be listed: %s: %s", type(error).__name__, error)
            return None
        except Exception as error:  # whatever a secrets backend raises must not end the watching
            log.warning("Tickets could not be listed (%s).", type(error).__name__)
            log.debug("The list failed.", exc_info=True)
            return None
        return Poll(since, at, rows)

    def close(self) -> None:
        self._thread.close()


def listed(
    client: UsedeskClient, events: Events, since: datetime, is_over: Callable[[], bool] = lambda: False
) -> tuple[TicketRow, ...]:
    """
    List the tickets that were made or changed since a moment, in the order in which that happened.

    :param is_over: tells that nobody wants to know any more
    """
    if events == "new":
        pages = client.ticket_pages(created_after=since, sort="id", order="desc")
    else:
        pages = client.ticket_pages(updated_after=since, sort="last_updated_at", order="desc")
    # Newest first: what happens meanwhile moves the others down the pages, where they still show.
    rows = [row for page in takewhile(lambda _: not is_over(), pages) for row in page]
    return tuple(reversed(rows))
