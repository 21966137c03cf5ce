"""One poll for all tickets that wait over one connection in one triggerer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, suppress
from contextvars import Context
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from airflow_provider_usedesk.api.errors import UsedeskError, UsedeskUnavailable
from airflow_provider_usedesk.polling.client_thread import ClientThread
from airflow_provider_usedesk.polling.poll import PollResult, TicketResult, run_poll
from airflow_provider_usedesk.polling.poll_plan import MIN_PAUSE, Subscription, plan_poll

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.settings import Settings

log = logging.getLogger(__name__)

ReadSettings = Callable[[], Awaitable["Settings"]]


@asynccontextmanager
async def subscribe(
    connection: str, read_settings: ReadSettings, subscription: Subscription
) -> AsyncIterator[asyncio.Queue[TicketResult]]:
    """
    Join the poll of a connection, and return a queue with what each poll returned for the ticket.

    :param connection: the connection id; subscriptions with the same one share a poll
    :param read_settings: reads the connection; called for each poll, so that a new token counts at once
    :param subscription: the ticket; the shortest interval of all subscriptions counts, but at least
        ``MIN_PAUSE``
    """
    polls = _polls.setdefault(asyncio.get_running_loop(), {})
    poll = polls.setdefault(connection, SharedPoll(read_settings))
    subscriber = poll.join(subscription)
    try:
        yield subscriber.results
    finally:
        poll.leave(subscriber)
        if poll.is_idle and polls.get(connection) is poll:
            del polls[connection]


_polls: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, SharedPoll]] = WeakKeyDictionary()


@dataclass(eq=False)
class Subscriber:
    """
    One trigger in a shared poll.

    :param subscription: what it waits for; replaced after each poll
    :param due: when the next poll must begin at the latest, in the time of the loop
    :param results: what each poll returned for the ticket
    """

    subscription: Subscription
    due: float
    results: asyncio.Queue[TicketResult] = field(default_factory=asyncio.Queue)


class SharedPoll:
    """
    A background task that polls for all its subscribers, as long as there are any.

    :param read_settings: reads the connection
    :param now: returns the current time
    """

    def __init__(
        self, read_settings: ReadSettings, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._read_settings = read_settings
        self._now = now
        self._subscribers: list[Subscriber] = []
        self._joined = asyncio.Event()
        self._not_before = 0.0
        self._task: asyncio.Task[None] | None = None
        self._thread = ClientThread("usedesk-ticket-poll")

    @property
    def is_idle(self) -> bool:
        return not self._subscribers

    def join(self, subscription: Subscription) -> Subscriber:
        known_for = max(self._now() - subscription.known_until, timedelta(0))
        due = _clock() + (subscription.interval - known_for).total_seconds()
        subscriber = Subscriber(subscription, due)
        self._subscribers.append(subscriber)
        self._joined.set()
        if self._task is None or self._task.done():
            # In an empty context: the logs of the poll belong to no task.
            self._task = asyncio.create_task(self._run(), name="usedesk-ticket-poll", context=Context())
        return subscriber

    def leave(self, subscriber: Subscriber) -> None:
        self._subscribers.remove(subscriber)
        if self.is_idle:
            self._end()

    def _end(self) -> None:
        if self._task is not None:
            self._task.cancel()
        self._thread.close()

    async def _run(self) -> None:
        while True:
            await self._wait_until_due()
            await self._poll(list(self._subscribers))

    async def _wait_until_due(self) -> None:
        while (left := max(self._not_before, min(one.due for one in self._subscribers)) - _clock()) > 0:
            # A subscriber that joins meanwhile may be due earlier.
            self._joined.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._joined.wait()

    async def _poll(self, subscribers: list[Subscriber]) -> None:
        began, now = _clock(), self._now()
        result = await self._result([one.subscription for one in subscribers], now)
        self._not_before = began + MIN_PAUSE
        if result.error is not None and result.error.retry_after is not None:
            self._not_before = max(self._not_before, _clock() + result.error.retry_after)
        for one in subscribers:
            one.subscription = result.applied_to(one.subscription, now)
            one.due = began + one.subscription.interval.total_seconds()
            one.results.put_nowait(result.of(one.subscription))

    async def _result(self, subscriptions: Collection[Subscription], now: datetime) -> PollResult:
        try:
            plan = plan_poll(subscriptions, now)
            settings = await self._read_settings()
            return await self._thread.call(settings, run_poll, plan, lambda: self._thread.is_closed)
        except UsedeskError as error:
            return PollResult(error=error)
        except Exception as error:  # an unknown error of a secrets backend must not end the shared poll
            log.debug("The poll failed.", exc_info=True)
            return PollResult(error=_poll_error(error))


def _poll_error(error: Exception) -> UsedeskUnavailable:
    return UsedeskUnavailable(
        f"The poll of Usedesk failed with {type(error).__name__}. The next poll attempts it again. The log "
        "level DEBUG shows the traceback."
    )


def _clock() -> float:
    return asyncio.get_running_loop().time()
