"""Lists of new or changed tickets, one after the other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from itertools import takewhile
from typing import TYPE_CHECKING

from airflow_provider_usedesk.api.errors import UsedeskError
from airflow_provider_usedesk.polling.client_thread import ClientThread
from airflow_provider_usedesk.polling.event_cursor import OVERLAP, Listing

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.client import UsedeskClient
    from airflow_provider_usedesk.api.records import TicketRow
    from airflow_provider_usedesk.api.settings import Settings
    from airflow_provider_usedesk.polling.ticket_events import Events

log = logging.getLogger(__name__)


class TicketFeed:
    """
    The new or changed tickets of a connection.

    :param events: ``new`` or ``updated``
    :param read_settings: reads the connection; called for each list, so that a new token counts at once
    :param now: returns the current time
    :param sleep: waits for some seconds
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
        self._retry_after = 0.0

    async def listings(self, interval: float) -> AsyncIterator[Listing]:
        """
        Yield lists without end; each begins where the last successful list ended.

        :param interval: seconds between two lists
        """
        # Reaches back far enough for triggers that were stopped for a moment: they need no list of their own.
        until = self._now() - OVERLAP
        while True:
            listing = await self.listing(until - OVERLAP)
            if listing is not None:
                until = listing.at
                yield listing
            await self._sleep(max(interval, self._retry_after))

    async def listing(self, since: datetime) -> Listing | None:
        """
        Return what happened since a moment.

        :return: None where Usedesk or the connection cannot be read now; the reason is logged
        """
        at, self._retry_after = self._now(), 0.0
        try:
            settings = await self._read_settings()
            rows = await self._thread.call(
                settings, list_tickets, self._events, since, lambda: self._thread.is_closed
            )
        except UsedeskError as error:
            self._retry_after = error.retry_after or 0.0
            log.warning("Tickets could not be listed: %s: %s", type(error).__name__, error)
            return None
        except Exception as error:  # an unknown error of a secrets backend must not end the feed
            log.warning("Tickets could not be listed (%s). The next list is attempted.", type(error).__name__)
            log.debug("The list failed.", exc_info=True)
            return None
        return Listing(since, at, rows)

    def close(self) -> None:
        self._thread.close()


def list_tickets(
    client: UsedeskClient, events: Events, since: datetime, is_cancelled: Callable[[], bool] = lambda: False
) -> tuple[TicketRow, ...]:
    """
    Return the tickets that were created or changed since a moment, oldest first.

    :param events: ``new`` or ``updated``
    :param is_cancelled: returns whether to stop before the next page
    """
    if events == "new":
        pages = client.ticket_pages(created_after=since, sort="id", order="desc")
    else:
        pages = client.ticket_pages(updated_after=since, sort="last_updated_at", order="desc")
    # Newest first: what happens meanwhile moves others to later pages, which are read later.
    rows = [row for page in takewhile(lambda _: not is_cancelled(), pages) for row in page]
    return tuple(reversed(rows))
