"""Wait for the delivery of a message: what the sensor and the operators have in common."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_provider_usedesk.compat.sdk import AirflowSensorTimeout
from airflow_provider_usedesk.polling.trigger_event import (
    error_in,
    event_for,
    has_timed_out,
    unexpected_event,
    wait_deadline,
)

if TYPE_CHECKING:
    from airflow_provider_usedesk.delivery.decision import AwaitedMessage, DeliveryDecision, Source
    from airflow_provider_usedesk.delivery.reports import DeliveryReport
    from airflow_provider_usedesk.hooks.usedesk import UsedeskHook

log = logging.getLogger(__name__)


@dataclass
class DeliveryWait:
    """
    A wait for the delivery of one message, in a worker or around a deferral.

    :param hook: reads the ticket
    :param awaited: the message, and the words that end the wait
    :param source: where reports are read from
    :param deferrable: whether the wait continues in the triggerer
    :param interval: seconds between two polls
    :param timeout: seconds after which the wait ends
    :param max_failures: how many polls in a row may fail, where Usedesk cannot be reached; default: 10
    :param clock: returns the time in seconds
    :param sleep: waits for some seconds
    """

    hook: UsedeskHook
    awaited: AwaitedMessage
    source: Source
    deferrable: bool
    interval: float
    timeout: float
    max_failures: int = 10
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _failures: int = 0
    _logged_words: set[str] = field(default_factory=set)

    def poll(self) -> dict[str, Any] | None:
        """
        Read the reports once.

        :return: what goes to XCom when the message was delivered; None while no report decides
        :raises UsedeskNotDelivered: when the message failed
        :raises UsedeskError: when too many polls in a row failed
        """
        from airflow_provider_usedesk.delivery.decision import TRANSIENT

        try:
            decision = self._decision()
        except TRANSIENT as error:
            self._count_failure(error)
            return None
        self._failures = 0
        return None if decision is None else self._outcome(decision)

    def wait_in_worker(self) -> dict[str, Any]:
        """
        Poll until a report decides.

        :return: what goes to XCom
        :raises UsedeskNotDelivered: when the message failed
        :raises AirflowSensorTimeout: when the timeout has passed
        :raises UsedeskError: when too many polls in a row failed
        """
        end = self.clock() + self.timeout
        while (outcome := self.poll()) is None:
            left = end - self.clock()
            if left <= 0:
                raise self._timeout_error()
            self.sleep(min(self.interval, left))
        return outcome

    def deadline(self, began: datetime, execution_end: datetime | None) -> datetime:
        """
        Return when the trigger ends the wait.

        :param began: when the wait began, UTC; the timeout counts from then
        :param execution_end: when ``execution_timeout`` ends the attempt; None without one
        """
        return wait_deadline(began, self.timeout, execution_end)

    def trigger_kwargs(self, began: datetime, deadline: datetime) -> dict[str, Any]:
        """
        Return the arguments of the ``MessageDeliveryTrigger`` that continues the wait.

        :param began: when the last poll began, UTC
        :param deadline: when the trigger ends the wait
        """
        return {
            "usedesk_conn_id": self.hook.usedesk_conn_id,
            "ticket_id": self.awaited.ticket_id,
            "comment_id": self.awaited.comment_id,
            "delivered_statuses": self.awaited.delivered,
            "failed_statuses": self.awaited.failed,
            "source": "webhook" if self.reads_webhook_reports else "poll",
            "poll_interval": self.interval,
            "since": began.isoformat(),
            "deadline": deadline.isoformat(),
            "max_failures": self.max_failures,
            "reports_after": self.awaited.after and self.awaited.after.isoformat(),
        }

    def resume(self, event: Any) -> dict[str, Any]:
        """
        Return the outcome that the trigger fired.

        :param event: what ``MessageDeliveryTrigger`` fired
        :return: what goes to XCom
        :raises UsedeskNotDelivered: when the message failed
        :raises AirflowSensorTimeout: when the timeout has passed, and one more poll does not decide
        :raises UsedeskError: the error that ended the wait, or that of too many reads of the ticket in a row
        """
        from airflow_provider_usedesk.delivery.decision import decide
        from airflow_provider_usedesk.delivery.reports import DeliveryReport

        event = event_for(self.awaited.ticket_id, event)
        if has_timed_out(event):
            return self._poll_after_timeout()
        if event.get("outcome") == "error":
            raise error_in(event)
        status, comment_id = event.get("status"), event.get("comment_id")
        if event.get("outcome") == "done" and isinstance(status, str):
            reports = (DeliveryReport(status, comment_id, ""),)
            decision = decide(reports, self.awaited)
            if decision is not None and self.reads_webhook_reports and not self._is_final(decision):
                decision = self._confirm_failure(reports)
            if decision is not None:
                return self._outcome(decision)
        raise unexpected_event(f"the {self.awaited.name}")

    @cached_property
    def reads_webhook_reports(self) -> bool:
        """Whether the reports that the webhook receiver stored count."""
        from airflow_provider_usedesk.delivery.report_store import why_unavailable

        if self.source == "auto":
            return why_unavailable(self.deferrable) is None and self.hook.takes_webhooks()
        return self.source == "webhook"

    def _decision(self) -> DeliveryDecision | None:
        if not self.reads_webhook_reports:
            return self._decide_with_ticket(())
        reports = self._webhook_reports()
        decision = self._decide(reports)
        return decision if self._is_final(decision) else self._decide_with_ticket(reports)

    def _is_final(self, decision: DeliveryDecision | None) -> bool:
        """Return whether the ticket cannot change what the webhook reports decide."""
        return self.source == "webhook" or (decision is not None and decision.is_delivered)

    def _decide_with_ticket(self, reports: tuple[DeliveryReport, ...]) -> DeliveryDecision | None:
        """
        Read the ticket, and decide by its comments too.

        :param reports: the webhook reports
        :raises UsedeskError: when the ticket cannot be read; it may say delivered, which outweighs a failure
        """
        from airflow_provider_usedesk.api.errors import UsedeskTicketNotFound
        from airflow_provider_usedesk.delivery.decision import polled_reports

        try:
            ticket = self.hook.ticket(self.awaited.ticket_id)
        except UsedeskTicketNotFound:
            decision = self._decide(reports)
            if decision is None or self._failures + 1 < self.max_failures:
                raise
            # A ticket that was deleted says nothing else.
            return decision
        return self._decide((*reports, *polled_reports(ticket.comments)))

    def _confirm_failure(self, reports: tuple[DeliveryReport, ...]) -> DeliveryDecision | None:
        """Decide with the ticket, which the trigger has not read; a failed read counts as a failed poll."""
        from airflow_provider_usedesk.delivery.decision import TRANSIENT

        while True:
            try:
                return self._decide_with_ticket(reports)
            except TRANSIENT as error:
                self._count_failure(error)
            self.sleep(self.interval)

    def _count_failure(self, error: Exception) -> None:
        self._failures += 1
        if self._failures >= self.max_failures:
            raise error
        log.warning("Poll failed, %d of %d in a row: %s", self._failures, self.max_failures, error)

    def _webhook_reports(self) -> tuple[DeliveryReport, ...]:
        from airflow_provider_usedesk.api.errors import UsedeskUnavailable
        from airflow_provider_usedesk.delivery.report_store import ReportStore
        from airflow_provider_usedesk.delivery.reports import reports_after

        try:
            reports = ReportStore(self.hook.usedesk_conn_id).load(self.awaited.ticket_id)
            return reports_after(reports, self.awaited.after, self.awaited.comment_id)
        except UsedeskUnavailable as error:
            if self.source == "webhook":
                raise
            log.warning("%s This poll reads the ticket only.", error)
            return ()

    def _decide(self, reports: tuple[DeliveryReport, ...]) -> DeliveryDecision | None:
        from airflow_provider_usedesk.delivery.decision import decide_and_log

        return decide_and_log(reports, self.awaited, log.info, self._logged_words)

    def _outcome(self, decision: DeliveryDecision) -> dict[str, Any]:
        from airflow_provider_usedesk.api.errors import UsedeskNotDelivered

        report = decision.report
        if not decision.is_delivered:
            raise UsedeskNotDelivered(
                f"The {self.awaited.name} was not delivered: {report.status}. Open the ticket in Usedesk to "
                "see the reason that the messenger gives.",
                ticket_id=self.awaited.ticket_id,
            )
        log.info("The %s is %s.", self.awaited.name, report.status)
        return {
            "ticket_id": self.awaited.ticket_id,
            "comment_id": report.comment_id or self.awaited.comment_id,
            "status": report.status,
        }

    def _poll_after_timeout(self) -> dict[str, Any]:
        """Poll once more: a report may have arrived since the last poll of the trigger."""
        from airflow_provider_usedesk.api.errors import UsedeskError, UsedeskNotDelivered

        try:
            outcome = self.poll()
        except UsedeskNotDelivered:
            raise
        except UsedeskError:
            outcome = None
        if outcome is None:
            raise self._timeout_error()
        return outcome

    def _timeout_error(self) -> AirflowSensorTimeout:
        return AirflowSensorTimeout(
            f"No report after {self.timeout:g} s on whether the {self.awaited.name} was delivered. It may "
            "still be delivered. Clear the task to wait again."
        )
