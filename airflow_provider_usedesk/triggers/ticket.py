"""Wait for the status of a ticket in the triggerer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_usedesk.hooks.usedesk import UsedeskHook


class TicketStatusTrigger(BaseTrigger):
    """
    Fire when a ticket has one of the wanted statuses, or cannot be expected to get one any more.

    All these triggers of one connection in one triggerer share one poll.

    :param usedesk_conn_id: Airflow Connection of type usedesk
    :param ticket_id: the ticket
    :param target_statuses: numbers of the statuses that are waited for
    :param failed_statuses: numbers of the statuses after which they cannot be expected any more
    :param poll_interval: seconds between two polls; among triggers that share one, the shortest counts
    :param since: when the ticket was looked at last, ISO 8601
    :param deadline: when to give up, ISO 8601; the same after a restart of the triggerer
    :param max_failures: how many polls in a row may fail
    """

    def __init__(
        self,
        *,
        usedesk_conn_id: str,
        ticket_id: int,
        target_statuses: Collection[int],
        failed_statuses: Collection[int],
        poll_interval: float,
        since: str,
        deadline: str,
        max_failures: int,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.usedesk_conn_id = usedesk_conn_id
        self.ticket_id = ticket_id
        self.target_statuses = target_statuses
        self.failed_statuses = failed_statuses
        self.poll_interval = poll_interval
        self.since = since
        self.deadline = deadline
        self.max_failures = max_failures

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "usedesk_conn_id": self.usedesk_conn_id,
                "ticket_id": self.ticket_id,
                "target_statuses": sorted(self.target_statuses),
                "failed_statuses": sorted(self.failed_statuses),
                "poll_interval": self.poll_interval,
                "since": self.since,
                "deadline": self.deadline,
                "max_failures": self.max_failures,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        left = (datetime.fromisoformat(self.deadline) - datetime.now(UTC)).total_seconds()
        try:
            async with asyncio.timeout(max(left, 0)):
                event = await self._wait()
        except TimeoutError:
            event = {"outcome": "timeout"}
        yield TriggerEvent({"ticket_id": self.ticket_id, **event})  # type: ignore[no-untyped-call]

    async def _wait(self) -> dict[str, Any]:
        # It loads requests, which takes so long that it would stop the loop.
        await asyncio.to_thread(import_module, "airflow_provider_usedesk.triggers.ticket_poll")
        from airflow_provider_usedesk.api.errors import UsedeskError, UsedeskRejected
        from airflow_provider_usedesk.ticket_status import Goal, Watch, status_name, ticket_state
        from airflow_provider_usedesk.triggers.ticket_poll import watching

        goal = Goal(frozenset(self.target_statuses), frozenset(self.failed_statuses))
        since = datetime.fromisoformat(self.since)
        interval = timedelta(seconds=self.poll_interval)
        watch = Watch(self.ticket_id, goal.statuses, interval, known_until=since, tried_at=since)
        hook = UsedeskHook(usedesk_conn_id=self.usedesk_conn_id)
        failures = 0
        async with watching(self.usedesk_conn_id, hook.asettings, watch) as sightings:
            while True:
                seen = await sightings.get()
                if not isinstance(seen, UsedeskError):
                    failures = 0
                    if seen is not None and seen.status in goal.statuses:
                        self.log.info("Usedesk ticket %s is %s.", self.ticket_id, status_name(seen.status))
                        return {"outcome": "seen", "state": ticket_state(self.ticket_id, seen)}
                    continue
                failures += 1
                self.log.warning("Poll failed, %d of %d in a row: %s", failures, self.max_failures, seen)
                if failures >= self.max_failures or isinstance(seen, UsedeskRejected):
                    return {"outcome": "error", "error": type(seen).__name__, "message": str(seen)}
