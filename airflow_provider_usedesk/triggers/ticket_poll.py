"""One poll for all tickets that wait over one connection in one triggerer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from airflow_provider_usedesk.api.client import UsedeskClient
from airflow_provider_usedesk.api.errors import UsedeskError, UsedeskTicketNotFound, UsedeskUnavailable
from airflow_provider_usedesk.api.records import TicketDetails, TicketRow
from airflow_provider_usedesk.ticket_status import Look, Watch, next_look

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.settings import Settings

log = logging.getLogger(__name__)

ReadSettings = Callable[[], Awaitable["Settings"]]
Sighting = TicketRow | TicketDetails | UsedeskError | None
"""What one poll saw of a ticket: the ticket, what went wrong, or None for no change."""

# Clocks differ, and the filter knows whole minutes only.
OVERLAP = timedelta(minutes=5)
MAX_PAGES = 5


@asynccontextmanager
async def watching(
    connection: str, read_settings: ReadSettings, watch: Watch, interval: float
) -> AsyncIterator[asyncio.Queue[Sighting]]:
    """
    Watch a ticket, in one poll with all others of the same connection, and give what each poll saw of it.

    :param connection: what tells connections apart
    :param read_settings: reads the connection; asked again for each poll, so that a new token counts at once
    :param watch: the ticket
    :param interval: seconds between two polls; the shortest of all that are watching counts
    """
    polls = _polls.setdefault(asyncio.get_running_loop(), {})
    poll = polls.setdefault(connection, TicketPoll(read_settings))
    watcher = poll.join(watch, interval)
    try:
        yield watcher.sightings
    finally:
        poll.leave(watcher)
        if poll.is_idle and polls.get(connection) is poll:
            del polls[connection]


_polls: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, TicketPoll]] = WeakKeyDictionary()


@dataclass(eq=False)
class Watcher:
    """Hold one who watches a ticket."""

    watch: Watch
    interval: float
    sightings: asyncio.Queue[Sighting] = field(default_factory=asyncio.Queue)


class TicketPoll:
    """
    Look after tickets, as long as somebody watches one.

    :param read_settings: reads the connection
    :param now: tells the time
    """

    def __init__(
        self, read_settings: ReadSettings, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._read_settings = read_settings
        self._now = now
        self._watchers: list[Watcher] = []
        self._joined = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._client: UsedeskClient | None = None

    @property
    def is_idle(self) -> bool:
        return not self._watchers

    def join(self, watch: Watch, interval: float) -> Watcher:
        watcher = Watcher(watch, interval)
        self._watchers.append(watcher)
        self._joined.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="usedesk-ticket-poll")
        return watcher

    def leave(self, watcher: Watcher) -> None:
        self._watchers.remove(watcher)
        if self.is_idle and self._task is not None:
            self._task.cancel()
            self._task = None

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        try:
            while True:
                began = clock()
                await self._poll(list(self._watchers))
                while (left := began + min(watcher.interval for watcher in self._watchers) - clock()) > 0:
                    # Whoever joins meanwhile may be less patient.
                    self._joined.clear()
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._joined.wait(), left)
        finally:
            if self._client is not None:
                self._client.close()

    async def _poll(self, watchers: list[Watcher]) -> None:
        now = self._now()
        look = next_look([watcher.watch for watcher in watchers], now)
        try:
            client = self._client_for(await self._read_settings())
            # requests blocks: in a thread it stops nobody but this poll.
            seen = await asyncio.to_thread(see, client, look)
        except UsedeskError as error:
            seen = Seen(error=error)
        except Exception as error:  # whatever a secrets backend raises must not end the poll for all
            log.debug("The poll failed.", exc_info=True)
            seen = Seen(error=UsedeskUnavailable(f"The poll of Usedesk failed ({type(error).__name__})."))
        for watcher in watchers:
            seen.note(watcher.watch, now)
            watcher.sightings.put_nowait(seen.of(watcher.watch.ticket_id))

    def _client_for(self, settings: Settings) -> UsedeskClient:
        if self._client is None or self._client.settings != settings:
            if self._client is not None:
                self._client.close()
            self._client = UsedeskClient(settings)
        return self._client


@dataclass
class Seen:
    """
    Hold what one poll saw.

    :param tickets: the tickets that showed, or what went wrong with one of them
    :param read: tickets that were read themselves
    :param is_complete: whether no change can be missing in the list
    :param error: what ended the poll early
    """

    tickets: dict[int, TicketRow | TicketDetails | UsedeskError] = field(default_factory=dict)
    read: set[int] = field(default_factory=set)
    is_complete: bool = False
    error: UsedeskError | None = None

    def of(self, ticket_id: int) -> Sighting:
        return self.tickets.get(ticket_id, self.error)

    def note(self, watch: Watch, now: datetime) -> None:
        """Note in a watch what is known of its ticket after this poll, which began at ``now``."""
        if watch.ticket_id in self.read:
            watch.read_at = watch.known_until = now
        elif self.is_complete:
            watch.known_until = now


def see(client: UsedeskClient, look: Look) -> Seen:
    """Ask Usedesk what a look wants to know; what was seen before something went wrong counts."""
    seen = Seen()
    try:
        if look.listed_since is not None:
            _list(client, look, look.listed_since, seen)
        for ticket_id in look.read:
            _read(client, ticket_id, seen)
    except UsedeskError as error:
        seen.error = error
    return seen


def _list(client: UsedeskClient, look: Look, since: datetime, seen: Seen) -> None:
    # Newest first: a ticket that changes meanwhile moves others down the pages, where they still show.
    pages = client.ticket_pages(
        updated_after=since - OVERLAP,
        fstatus=sorted(look.statuses),
        sort="last_updated_at",
        order="desc",
    )
    for page in islice(pages, MAX_PAGES):
        seen.tickets.update({row.id: row for row in page})
    seen.is_complete = next(pages, None) is None


def _read(client: UsedeskClient, ticket_id: int, seen: Seen) -> None:
    try:
        seen.tickets[ticket_id] = client.ticket(ticket_id)
        seen.read.add(ticket_id)
    except UsedeskTicketNotFound as error:
        seen.tickets[ticket_id] = error
