"""Wait for the delivery of a message in the triggerer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection
from datetime import datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_provider_usedesk.hooks.usedesk import UsedeskHook
from airflow_provider_usedesk.triggers.base import WaitingTrigger

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.errors import UsedeskError
    from airflow_provider_usedesk.delivery.reports import DeliveryReport

    Looks = AsyncGenerator[tuple[DeliveryReport, ...] | UsedeskError, None]

# Most reports come within seconds, the others may be waited for with more patience.
FIRST_PAUSE = 2.0
GROWTH = 1.5
SHORTEST_PAUSE = 0.1


class MessageDeliveryTrigger(WaitingTrigger):
    """
    Fire when a message was delivered, or cannot be expected to be any more.

    Where Airflow's memory is looked at, ``poll_interval`` is the longest pause between two looks.

    .. seealso:: :class:`~airflow_provider_usedesk.triggers.base.WaitingTrigger` for the other parameters.

    :param comment_id: the message; None for any of the ticket
    :param delivered_statuses: words that mean delivered
    :param failed_statuses: words that mean failed
    :param source: ``webhook`` for the reports that Airflow remembers, or ``poll`` for the ticket in Usedesk
    """

    goal: ClassVar[tuple[str, ...]] = ("comment_id", "delivered_statuses", "failed_statuses", "source")

    def __init__(
        self,
        *,
        comment_id: int | None,
        delivered_statuses: Collection[str],
        failed_statuses: Collection[str],
        source: Literal["webhook", "poll"],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.comment_id = comment_id
        self.delivered_statuses = delivered_statuses
        self.failed_statuses = failed_statuses
        self.source = source
        self._told: set[str] = set()

    def _looks(self) -> Looks:
        return self._webhook_reports() if self.source == "webhook" else self._polled_reports()

    def _event_of(self, seen: tuple[DeliveryReport, ...]) -> dict[str, Any] | None:
        from airflow_provider_usedesk.delivery.decision import Awaited, judged_aloud

        awaited = Awaited(
            self.ticket_id,
            self.comment_id,
            frozenset(self.delivered_statuses),
            frozenset(self.failed_statuses),
        )
        decision = judged_aloud(seen, awaited, self.log.info, self._told)
        if decision is None:
            return None
        report = decision.report
        self.log.info("The %s is %s.", awaited.name, report.status)
        return {"status": report.status, "comment_id": report.comment_id}

    def _is_final(self, error: UsedeskError) -> bool:
        from airflow_provider_usedesk.delivery.decision import PASSING

        return super()._is_final(error) and not isinstance(error, PASSING)

    async def _webhook_reports(self) -> Looks:
        """Read what Airflow remembers: often at first, then less and less."""
        from airflow_provider_usedesk.api.errors import UsedeskError
        from airflow_provider_usedesk.delivery.report_store import aread_reports

        pause = FIRST_PAUSE
        while True:
            seen: tuple[DeliveryReport, ...] | UsedeskError
            try:
                seen = await aread_reports(self.usedesk_conn_id, self.ticket_id)
            except UsedeskError as error:
                seen = error
            yield seen
            await asyncio.sleep(max(min(pause, self.poll_interval), SHORTEST_PAUSE))
            pause = min(pause * GROWTH, self.poll_interval)

    async def _polled_reports(self) -> Looks:
        """Read the ticket, in one poll with all others that wait over this connection."""
        # It loads requests, which takes so long that it would stop the loop.
        await asyncio.to_thread(import_module, "airflow_provider_usedesk.polling.shared_poll")
        from airflow_provider_usedesk.api.errors import UsedeskError
        from airflow_provider_usedesk.api.records import TicketDetails
        from airflow_provider_usedesk.delivery.decision import polled_reports
        from airflow_provider_usedesk.polling.shared_poll import watching
        from airflow_provider_usedesk.polling.ticket_status import Subscription

        since, interval = datetime.fromisoformat(self.since), timedelta(seconds=self.poll_interval)
        subscription = Subscription(
            self.ticket_id, frozenset(), interval, known_until=since, tried_at=since, in_full=True
        )
        hook = UsedeskHook(usedesk_conn_id=self.usedesk_conn_id)
        async with watching(self.usedesk_conn_id, hook.asettings, subscription) as poll_results:
            while True:
                seen = await poll_results.get()
                if isinstance(seen, UsedeskError):
                    yield seen
                elif isinstance(seen, TicketDetails):
                    yield polled_reports(seen.comments)
