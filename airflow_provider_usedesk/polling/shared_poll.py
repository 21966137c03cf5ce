"""One poll for all tickets that wait over one connection in one triggerer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
from contextlib import asynccontextmanager, suppress
from contextvars import Context
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from airflow_provider_usedesk.api.client import UsedeskClient
from airflow_provider_usedesk.api.errors import (
    UsedeskError,
    UsedeskInvalidToken,
    UsedeskRateLimited,
    UsedeskRejected,
    UsedeskUnavailable,
)
from airflow_provider_usedesk.api.records import TicketDetails, TicketRow
from airflow_provider_usedesk.polling.client_thread import ClientThread
from airflow_provider_usedesk.polling.ticket_status import PollPlan, Subscription, plan_poll

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.settings import Settings

log = logging.getLogger(__name__)

ReadSettings = Callable[[], Awaitable["Settings"]]
PollResult = TicketRow | TicketDetails | UsedeskError | None
"""What one poll saw of a ticket: the ticket, what went wrong, or None for no change."""

# Clocks differ, and the filter knows whole minutes only.
OVERLAP = timedelta(minutes=5)
MAX_PAGES = 5
# One ticket may be out of order by itself; when so many in a row are, no other can be read, either.
MAX_FAILED_READS = 2


@asynccontextmanager
async def watching(
    connection: str, read_settings: ReadSettings, subscription: Subscription
) -> AsyncIterator[asyncio.Queue[PollResult]]:
    """
    Subscribe to a ticket in the shared poll of a connection; the queue receives each poll result.

    :param connection: what tells connections apart
    :param read_settings: reads the connection; asked again for each poll, so that a new token counts at once
    :param subscription: the ticket; the shortest interval of all that are watching counts
    """
    polls = _polls.setdefault(asyncio.get_running_loop(), {})
    poll = polls.setdefault(connection, TicketPoll(read_settings))
    watcher = poll.join(subscription)
    try:
        yield watcher.poll_results
    finally:
        poll.leave(watcher)
        if poll.is_idle and polls.get(connection) is poll:
            del polls[connection]


_polls: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, TicketPoll]] = WeakKeyDictionary()


@dataclass(eq=False)
class Watcher:
    """
    Hold one who subscriptions a ticket.

    :param subscription: the ticket
    :param due: when to look at the latest, in the time of the loop
    :param poll_results: what each poll saw
    """

    subscription: Subscription
    due: float
    poll_results: asyncio.Queue[PollResult] = field(default_factory=asyncio.Queue)


class TicketPoll:
    """
    PollPlan after tickets, as long as somebody subscriptions one.

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
        self._not_before = 0.0
        self._task: asyncio.Task[None] | None = None
        self._thread = ClientThread("usedesk-ticket-poll")

    @property
    def is_idle(self) -> bool:
        return not self._watchers

    def join(self, subscription: Subscription) -> Watcher:
        known_for = max(self._now() - subscription.known_until, timedelta(0))
        watcher = Watcher(subscription, due=_clock() + (subscription.interval - known_for).total_seconds())
        self._watchers.append(watcher)
        self._joined.set()
        if self._task is None or self._task.done():
            # Not in the context of who came first: what is logged here belongs to no task.
            self._task = asyncio.create_task(self._run(), name="usedesk-ticket-poll", context=Context())
        return watcher

    def leave(self, watcher: Watcher) -> None:
        self._watchers.remove(watcher)
        if self.is_idle:
            self._end()

    def _end(self) -> None:
        if self._task is not None:
            self._task.cancel()
        self._thread.close()

    async def _run(self) -> None:
        while True:
            await self._until_due()
            await self._poll(list(self._watchers))

    async def _until_due(self) -> None:
        while (left := max(self._not_before, min(w.due for w in self._watchers)) - _clock()) > 0:
            # Whoever joins meanwhile may be less patient.
            self._joined.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._joined.wait()

    async def _poll(self, watchers: list[Watcher]) -> None:
        began, now = _clock(), self._now()
        seen = await self._see([watcher.subscription for watcher in watchers], now)
        if seen.error is not None and seen.error.retry_after is not None:
            self._not_before = _clock() + seen.error.retry_after
        for watcher in watchers:
            seen.note(watcher.subscription, now)
            watcher.due = began + watcher.subscription.interval.total_seconds()
            watcher.poll_results.put_nowait(seen.of(watcher.subscription))

    async def _see(self, subscriptions: Collection[Subscription], now: datetime) -> Seen:
        try:
            look = plan_poll(subscriptions, now)
            settings = await self._read_settings()
            return await self._thread.call(settings, see, look, lambda: self._thread.is_closed)
        except UsedeskError as error:
            return Seen(error=error)
        except Exception as error:  # whatever a secrets backend raises must not end the poll for all
            log.debug("The poll failed.", exc_info=True)
            return Seen(error=UsedeskUnavailable(f"The poll of Usedesk failed ({type(error).__name__})."))


def _clock() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class Seen:
    """
    Hold what one poll saw.

    :param tickets: the tickets that showed, or what went wrong with one of them
    :param tried: tickets that it was tried to read
    :param complete_since: moment after which no change can be missing in the list; None without such a list
    :param error: what ended the poll early
    """

    tickets: dict[int, TicketRow | TicketDetails | UsedeskError] = field(default_factory=dict)
    tried: set[int] = field(default_factory=set)
    complete_since: datetime | None = None
    error: UsedeskError | None = None

    def of(self, subscription: Subscription) -> PollResult:
        return self.tickets.get(subscription.ticket_id, None if self._covers(subscription) else self.error)

    def note(self, subscription: Subscription, now: datetime) -> None:
        """Note in a subscription what is known of its ticket after this poll, which began at ``now``."""
        if subscription.ticket_id in self.tried:
            subscription.tried_at = now
        if self._covers(subscription) or not isinstance(
            self.tickets.get(subscription.ticket_id), UsedeskError | None
        ):
            subscription.known_until = now

    def _covers(self, subscription: Subscription) -> bool:
        return self.complete_since is not None and subscription.known_until >= self.complete_since


def see(client: UsedeskClient, look: PollPlan, is_over: Callable[[], bool] = lambda: False) -> Seen:
    """
    LookUp Usedesk what a look wants to know; what was seen before something went wrong counts.

    :param client: what to ask with
    :param look: what to ask
    :param is_over: tells that nobody wants to know any more
    """
    seen = Seen()
    try:
        if look.listed_since is not None:
            _list(client, look, look.listed_since, seen)
        _read(client, takewhile(lambda _: not is_over(), look.read), seen)
    except UsedeskRejected as error:
        # Only a list ends this way, and it says nothing against any ticket.
        seen.error = UsedeskUnavailable(str(error))
    except UsedeskError as error:
        seen.error = error
    return seen


def _list(client: UsedeskClient, look: PollPlan, since: datetime, seen: Seen) -> None:
    # Newest first: a ticket that changes meanwhile moves others down the pages, where they still show.
    pages = client.ticket_pages(
        updated_after=since - OVERLAP,
        fstatus=sorted(look.statuses),
        sort="last_updated_at",
        order="desc",
    )
    for page in islice(pages, MAX_PAGES):
        seen.tickets.update({row.id: row for row in page})
    if next(pages, None) is None:
        seen.complete_since = since


def _read(client: UsedeskClient, ticket_ids: Iterable[int], seen: Seen) -> None:
    failed = 0
    for ticket_id in ticket_ids:
        seen.tried.add(ticket_id)
        try:
            seen.tickets[ticket_id] = client.ticket(ticket_id)
            failed = 0
        except UsedeskError as error:
            # What the list showed of it still holds.
            seen.tickets.setdefault(ticket_id, error)
            failed = 0 if isinstance(error, UsedeskRejected) else failed + 1
            if failed == MAX_FAILED_READS or isinstance(error, (UsedeskInvalidToken, UsedeskRateLimited)):
                raise
