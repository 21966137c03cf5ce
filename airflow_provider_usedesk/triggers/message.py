"""Wait for the delivery of a message in the triggerer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_usedesk.hooks.usedesk import UsedeskHook

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.errors import UsedeskError
    from airflow_provider_usedesk.delivery_reports import DeliveryReport

    Looks = AsyncGenerator[tuple[DeliveryReport, ...] | UsedeskError, None]

# Most reports come within seconds, the others may be waited for with more patience.
FIRST_PAUSE = 2.0
GROWTH = 1.5
SHORTEST_PAUSE = 0.1


class MessageDeliveryTrigger(BaseTrigger):
    """
    Fire when a message was delivered, or cannot be expected to be any more.

    :param usedesk_conn_id: Airflow Connection of type usedesk
    :param ticket_id: the ticket
    :param comment_id: the message; None for any of the ticket
    :param delivered_statuses: words that mean delivered
    :param failed_statuses: words that mean failed
    :param source: ``webhook`` for the reports that Airflow remembers, or ``poll`` for the ticket in Usedesk
    :param poll_interval: seconds between two looks; at Airflow's memory, the longest pause between them
    :param since: when the message was looked at last, ISO 8601
    :param deadline: when to give up, ISO 8601; the same after a restart of the triggerer
    :param max_failures: how many looks in a row may fail
    """

    def __init__(
        self,
        *,
        usedesk_conn_id: str,
        ticket_id: int,
        comment_id: int | None,
        delivered_statuses: Collection[str],
        failed_statuses: Collection[str],
        source: Literal["webhook", "poll"],
        poll_interval: float,
        since: str,
        deadline: str,
        max_failures: int,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.usedesk_conn_id = usedesk_conn_id
        self.ticket_id = ticket_id
        self.comment_id = comment_id
        self.delivered_statuses = delivered_statuses
        self.failed_statuses = failed_statuses
        self.source = source
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
                "comment_id": self.comment_id,
                "delivered_statuses": sorted(self.delivered_statuses),
                "failed_statuses": sorted(self.failed_statuses),
                "source": self.source,
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
        from airflow_provider_usedesk.api.errors import UsedeskError, UsedeskRejected
        from airflow_provider_usedesk.message_delivery import PASSING, Awaited, judged

        awaited = Awaited(
            self.ticket_id,
            self.comment_id,
            frozenset(self.delivered_statuses),
            frozenset(self.failed_statuses),
        )
        failures = 0
        async with aclosing(self._heard() if self.source == "webhook" else self._shown()) as looks:
            while True:
                seen = await anext(looks)
                if not isinstance(seen, UsedeskError):
                    failures = 0
                    verdict = judged(seen, awaited)
                    if verdict is not None:
                        report = verdict.report
                        self.log.info("The %s is %s.", awaited.name, report.status)
                        return {"outcome": "seen", "status": report.status, "comment_id": report.comment_id}
                    continue
                failures += 1
                self.log.warning("Look failed, %d of %d in a row: %s", failures, self.max_failures, seen)
                is_final = isinstance(seen, UsedeskRejected) and not isinstance(seen, PASSING)
                if failures >= self.max_failures or is_final:
                    return {"outcome": "error", "error": type(seen).__name__, "message": str(seen)}

    async def _heard(self) -> Looks:
        """Read what Airflow remembers: often at first, then less and less."""
        from airflow_provider_usedesk.api.errors import UsedeskError
        from airflow_provider_usedesk.delivery_memory import aremembered

        pause = FIRST_PAUSE
        while True:
            seen: tuple[DeliveryReport, ...] | UsedeskError
            try:
                seen = await aremembered(self.usedesk_conn_id, self.ticket_id)
            except UsedeskError as error:
                seen = error
            yield seen
            await asyncio.sleep(max(min(pause, self.poll_interval), SHORTEST_PAUSE))
            pause = min(pause * GROWTH, self.poll_interval)

    async def _shown(self) -> Looks:
        """Read the ticket, in one poll with all others that wait over this connection."""
        # It loads requests, which takes so long that it would stop the loop.
        await asyncio.to_thread(import_module, "airflow_provider_usedesk.triggers.ticket_poll")
        from airflow_provider_usedesk.api.errors import UsedeskError
        from airflow_provider_usedesk.api.records import TicketDetails
        from airflow_provider_usedesk.message_delivery import shown_reports
        from airflow_provider_usedesk.ticket_status import Watch
        from airflow_provider_usedesk.triggers.ticket_poll import watching

        since, interval = datetime.fromisoformat(self.since), timedelta(seconds=self.poll_interval)
        watch = Watch(self.ticket_id, frozenset(), interval, known_until=since, tried_at=since, in_full=True)
        hook = UsedeskHook(usedesk_conn_id=self.usedesk_conn_id)
        async with watching(self.usedesk_conn_id, hook.asettings, watch) as sightings:
            while True:
                seen = await sightings.get()
                if isinstance(seen, UsedeskError):
                    yield seen
                elif isinstance(seen, TicketDetails):
                    yield shown_reports(seen.comments)
