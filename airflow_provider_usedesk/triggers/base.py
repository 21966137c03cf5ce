"""What the triggers of deferred tasks have in common."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_usedesk.compat.sdk import BaseTrigger, TriggerEvent
from airflow_provider_usedesk.hooks.usedesk import UsedeskHook
from airflow_provider_usedesk.polling.trigger_event import error_event

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.errors import UsedeskError
    from airflow_provider_usedesk.polling.poll import TicketResult


# Airflow notices the exit of a worker within 5 s, and processes it in the next loop of the scheduler.
MIN_DEFERRAL_SECONDS = 10.0


class DeferringTrigger(BaseTrigger):
    """
    Base class of the triggers of deferred tasks: none fires before Airflow can handle its event.

    Airflow, 3.3.2 included, fails a task that resumes before Airflow noticed the exit of the worker that
    deferred it (`issue 72716 <https://github.com/apache/airflow/issues/72716>`__).
    """

    async def run(self) -> AsyncIterator[TriggerEvent]:
        if self.trigger_id is not None:  # dag.test() sets none, and has no scheduler
            await asyncio.sleep(MIN_DEFERRAL_SECONDS)
        yield TriggerEvent(await self._payload())  # type: ignore[no-untyped-call]

    @abstractmethod
    async def _payload(self) -> dict[str, Any]:
        """Wait, and return the payload of the event."""


class TicketTrigger(DeferringTrigger):
    """
    Base class of the triggers that poll until a ticket is as the task wants it.

    :param usedesk_conn_id: Airflow Connection of type usedesk
    :param ticket_id: the ticket
    :param poll_interval: seconds between two polls; less than 1 counts as 1
    :param since: when the ticket was last polled, ISO 8601
    :param deadline: when the wait ends, ISO 8601; the same after a restart of the triggerer
    :param max_failures: how many polls in a row may fail
    """

    goal: ClassVar[tuple[str, ...]] = ()
    """The arguments that say what the task waits for."""

    def __init__(
        self,
        *,
        usedesk_conn_id: str,
        ticket_id: int,
        poll_interval: float,
        since: str,
        deadline: str,
        max_failures: int,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.usedesk_conn_id = usedesk_conn_id
        self.ticket_id = ticket_id
        self.poll_interval = poll_interval
        self.since = since
        self.deadline = deadline
        self.max_failures = max_failures

    def serialize(self) -> tuple[str, dict[str, Any]]:
        shared = ("usedesk_conn_id", "ticket_id", "poll_interval", "since", "deadline", "max_failures")
        arguments = {name: _as_json(getattr(self, name)) for name in (*shared, *self.goal)}
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments

    async def _payload(self) -> dict[str, Any]:
        left = (datetime.fromisoformat(self.deadline) - datetime.now(UTC)).total_seconds()
        try:
            async with asyncio.timeout(max(left, 0)):
                event = await self._wait()
        except TimeoutError:
            event = {"outcome": "timeout"}
        return {"ticket_id": self.ticket_id, **event}

    async def _wait(self) -> dict[str, Any]:
        from airflow_provider_usedesk.api.errors import UsedeskError

        failures = 0
        async with aclosing(self._polls()) as polls:
            while True:
                polled = await anext(polls)
                if not isinstance(polled, UsedeskError):
                    failures = 0
                    if (event := self._event_of(polled)) is not None:
                        return {"outcome": "done", **event}
                    continue
                failures += 1
                self.log.warning("Poll failed, %d of %d in a row: %s", failures, self.max_failures, polled)
                if failures >= self.max_failures or self._is_final(polled):
                    return error_event(polled)

    @abstractmethod
    def _polls(self) -> AsyncGenerator[Any, None]:
        """Poll without end, and yield each result or error."""

    @abstractmethod
    def _event_of(self, polled: Any) -> dict[str, Any] | None:
        """Return the event for a result; None while the wait continues."""

    async def _ticket_polls(
        self, statuses: frozenset[int], *, needs_comments: bool = False
    ) -> AsyncGenerator[TicketResult, None]:
        """
        Yield what each poll returned for the ticket; all triggers of a connection share the polls.

        :param statuses: statuses that end the wait
        :param needs_comments: whether the comments of the ticket matter
        """
        from airflow_provider_usedesk.polling.poll_plan import Subscription
        from airflow_provider_usedesk.polling.shared_poll import subscribe

        since = datetime.fromisoformat(self.since)
        subscription = Subscription(
            self.ticket_id,
            statuses,
            interval=timedelta(seconds=self.poll_interval),
            known_until=since,
            read_at=since,
            needs_comments=needs_comments,
        )
        hook = UsedeskHook(usedesk_conn_id=self.usedesk_conn_id)
        async with subscribe(self.usedesk_conn_id, hook.asettings, subscription) as results:
            while True:
                yield await results.get()

    def _is_final(self, error: UsedeskError) -> bool:
        """Return whether no later poll can succeed."""
        from airflow_provider_usedesk.api.errors import UsedeskRejected

        return isinstance(error, UsedeskRejected)


def _as_json(value: Any) -> Any:
    return sorted(value) if isinstance(value, (set, frozenset, list, tuple)) else value
