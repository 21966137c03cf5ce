"""What the triggers share: not firing too soon, the deadline, and errors that are counted."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_usedesk.compat.sdk import BaseTrigger, TriggerEvent

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.errors import UsedeskError


# Up to 5 s until a worker is seen to have ended, and the scheduler's next look at the executor.
SETTLING_SECONDS = 10.0


class DeferringTrigger(BaseTrigger):
    """
    Hold what the triggers share that tasks are deferred with: none fires sooner than Airflow can take it.

    Airflow, 3.3.2 included, fails a task that runs again before it saw the end of the worker that deferred
    it (apache/airflow, issue 72716).
    """

    async def run(self) -> AsyncIterator[TriggerEvent]:
        if self.trigger_id is not None:  # dag.test() gives none, and has no scheduler
            await asyncio.sleep(SETTLING_SECONDS)
        yield TriggerEvent(await self._payload())  # type: ignore[no-untyped-call]

    @abstractmethod
    async def _payload(self) -> dict[str, Any]:
        """Wait, and return what to hand to the task."""


class WaitingTrigger(DeferringTrigger):
    """
    Hold what the triggers share that wait for something of a ticket.

    :param usedesk_conn_id: Airflow Connection of type usedesk
    :param ticket_id: the ticket
    :param poll_interval: seconds between two looks
    :param since: when it was looked last, ISO 8601
    :param deadline: when to give up, ISO 8601; the same after a restart of the triggerer
    :param max_failures: how many looks in a row may fail
    """

    goal: ClassVar[tuple[str, ...]] = ()
    """The arguments that say what is waited for."""

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
        given = {name: _plain(getattr(self, name)) for name in (*shared, *self.goal)}
        return f"{type(self).__module__}.{type(self).__qualname__}", given

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
        async with aclosing(self._looks()) as looks:
            while True:
                seen = await anext(looks)
                if not isinstance(seen, UsedeskError):
                    failures = 0
                    if (event := self._event_of(seen)) is not None:
                        return {"outcome": "seen", **event}
                    continue
                failures += 1
                self.log.warning("Poll failed, %d of %d in a row: %s", failures, self.max_failures, seen)
                if failures >= self.max_failures or self._is_final(seen):
                    return {"outcome": "error", "error": type(seen).__name__, "message": str(seen)}

    @abstractmethod
    def _looks(self) -> AsyncGenerator[Any, None]:
        """Look over and over; give what was seen, or the error."""

    @abstractmethod
    def _event_of(self, seen: Any) -> dict[str, Any] | None:
        """Tell what to hand to the task; None while it goes on waiting."""

    def _is_final(self, error: UsedeskError) -> bool:
        """Tell whether no later look can be better."""
        from airflow_provider_usedesk.api.errors import UsedeskRejected

        return isinstance(error, UsedeskRejected)


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, (set, frozenset, list, tuple)) else value
