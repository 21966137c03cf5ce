"""Wait for the delivery of a message in the triggerer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_provider_usedesk.polling.poll_plan import MIN_PAUSE
from airflow_provider_usedesk.triggers.base import TicketTrigger

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.errors import UsedeskError
    from airflow_provider_usedesk.delivery.reports import DeliveryReport

    Polls = AsyncGenerator[tuple[DeliveryReport, ...] | UsedeskError, None]

# Most reports arrive within seconds; polls for the others may be less frequent.
FIRST_PAUSE = 2.0
PAUSE_GROWTH = 1.5


class MessageDeliveryTrigger(TicketTrigger):
    """
    Fire when a message was delivered, or is not expected to be delivered any more.

    With the source ``webhook``, ``poll_interval`` is the longest pause between two polls of Airflow.

    .. seealso:: :class:`~airflow_provider_usedesk.triggers.base.TicketTrigger` for the other parameters.

    :param comment_id: the message; None for any message of the ticket
    :param delivered_statuses: normalized words that mean delivered
    :param failed_statuses: normalized words that mean failed
    :param source: ``webhook`` for the reports stored in Airflow, or ``poll`` for the ticket in Usedesk
    :param reports_after: stored reports that had arrived by then are on earlier messages, ISO 8601; default:
        all count
    """

    goal: ClassVar[tuple[str, ...]] = (
        "comment_id",
        "delivered_statuses",
        "failed_statuses",
        "source",
        "reports_after",
    )

    def __init__(
        self,
        *,
        comment_id: int | None,
        delivered_statuses: Collection[str],
        failed_statuses: Collection[str],
        source: Literal["webhook", "poll"],
        reports_after: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.comment_id = comment_id
        self.delivered_statuses = delivered_statuses
        self.failed_statuses = failed_statuses
        self.source = source
        self.reports_after = reports_after
        self._logged_words: set[str] = set()

    def _polls(self) -> Polls:
        return self._webhook_reports() if self.source == "webhook" else self._polled_reports()

    def _event_of(self, polled: tuple[DeliveryReport, ...]) -> dict[str, Any] | None:
        from airflow_provider_usedesk.delivery.decision import AwaitedMessage, decide_and_log

        awaited = AwaitedMessage(
            self.ticket_id,
            self.comment_id,
            frozenset(self.delivered_statuses),
            frozenset(self.failed_statuses),
        )
        decision = decide_and_log(polled, awaited, self.log.info, self._logged_words)
        if decision is None:
            return None
        report = decision.report
        self.log.info("The %s is %s.", awaited.name, report.status)
        return {"status": report.status, "comment_id": report.comment_id}

    def _is_final(self, error: UsedeskError) -> bool:
        from airflow_provider_usedesk.delivery.decision import TRANSIENT

        return super()._is_final(error) and not isinstance(error, TRANSIENT)

    async def _webhook_reports(self) -> Polls:
        """Read the stored reports: frequently at first, then less and less."""
        from airflow_provider_usedesk.api.errors import UsedeskError
        from airflow_provider_usedesk.delivery.report_store import ReportStore
        from airflow_provider_usedesk.delivery.reports import reports_after

        after = datetime.fromisoformat(self.reports_after) if self.reports_after else None
        store, pause = ReportStore(self.usedesk_conn_id), FIRST_PAUSE
        while True:
            polled: tuple[DeliveryReport, ...] | UsedeskError
            try:
                polled = reports_after(await store.aload(self.ticket_id), after, self.comment_id)
            except UsedeskError as error:
                polled = error
            yield polled
            await asyncio.sleep(max(min(pause, self.poll_interval), MIN_PAUSE))
            pause = min(pause * PAUSE_GROWTH, self.poll_interval)

    async def _polled_reports(self) -> Polls:
        """Read the comments of the ticket."""
        from airflow_provider_usedesk.api.errors import UsedeskError
        from airflow_provider_usedesk.api.records import TicketDetails
        from airflow_provider_usedesk.delivery.decision import polled_reports

        async with aclosing(self._ticket_polls(frozenset(), needs_comments=True)) as polls:
            async for polled in polls:
                if isinstance(polled, UsedeskError):
                    yield polled
                elif isinstance(polled, TicketDetails):
                    yield polled_reports(polled.comments)
