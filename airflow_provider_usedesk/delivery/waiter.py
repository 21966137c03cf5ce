"""Wait for the delivery of a message: what the sensor and the operators do alike."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_provider_usedesk.assets import usedesk_asset
from airflow_provider_usedesk.compat.sdk import AirflowException, AirflowFailException, AirflowSensorTimeout
from airflow_provider_usedesk.compat.version import HAS_WORKING_ASSET_INLETS
from airflow_provider_usedesk.polling.trigger_event import error_of

if TYPE_CHECKING:
    from airflow_provider_usedesk.delivery.decision import Awaited, DeliveryDecision, Source
    from airflow_provider_usedesk.delivery.reports import DeliveryReport
    from airflow_provider_usedesk.hooks.usedesk import UsedeskHook
    from airflow_provider_usedesk.triggers.message import MessageDeliveryTrigger

log = logging.getLogger(__name__)

YEAR = timedelta(days=366).total_seconds()


def add_delivery_inlets(task: Any) -> None:
    """Name the asset whose memory has the reports, so that Airflow knows it."""
    task.add_inlets(_delivery_inlets(task.usedesk_conn_id, task.inlets))


def with_delivery_inlets(partial: Any, is_wanted: Callable[[Mapping[str, Any]], bool]) -> Any:
    """
    Name that asset for a mapped task, too, whose operator is made in the worker only.

    :param partial: what ``partial()`` returned
    :param is_wanted: tells from the arguments whether to name it
    """
    given = partial.kwargs
    for scope in (given.get("task_group"), given.get("dag")):
        given = {**(getattr(scope, "default_args", None) or {}), **given}
    if is_wanted(given):
        conn_id, known = given.get("usedesk_conn_id", "usedesk_default"), given.get("inlets") or []
        known = known if isinstance(known, (list, tuple)) else [known]
        partial.kwargs["inlets"] = [*known, *_delivery_inlets(conn_id, known)]
    return partial


def _delivery_inlets(usedesk_conn_id: Any, known: Collection[Any]) -> list[Any]:
    """
    Return the asset, unless it is known.

    None where the connection is a template, and before Airflow 3.1: in 3.0 the scheduler takes an asset that
    is an inlet only for unused, and then fails every task that has it.
    """
    if not HAS_WORKING_ASSET_INLETS or not isinstance(usedesk_conn_id, str) or "{" in usedesk_conn_id:
        return []
    asset = usedesk_asset(usedesk_conn_id, "delivery")
    return [] if asset in known else [asset]


def seconds(name: str, value: timedelta | float) -> float:
    """
    Take a time as timedelta or in seconds.

    :raises ValueError: when it is no time, none at all, or more than a year
    """
    number = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 < number <= YEAR:
        raise ValueError(f"{name} must be a timedelta or a number of seconds, more than 0, at most a year")
    return float(number)


@dataclass
class DeliveryWait:
    """
    Look after a message until its delivery is known.

    :param hook: reads the ticket
    :param awaited: the message
    :param source: where to look
    :param deferrable: whether it goes on in the triggerer
    :param interval: seconds between two looks
    :param timeout: seconds after which to give up
    :param max_failures: how many looks in a row may fail
    """

    hook: UsedeskHook
    awaited: Awaited
    source: Source
    deferrable: bool
    interval: float
    timeout: float
    max_failures: int = 10
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _failures: int = 0
    _told: set[str] = field(default_factory=set)

    def look(self) -> dict[str, Any] | None:
        """
        Look once.

        :return: what to push to XCom when the message was delivered; None while nobody knows
        :raises AirflowFailException: when it failed
        :raises UsedeskError: when too many looks in a row failed
        """
        from airflow_provider_usedesk.delivery.decision import PASSING

        try:
            decision = self._decision()
        except PASSING as error:
            self._failures += 1
            if self._failures >= self.max_failures:
                raise
            log.warning("Look failed, %d of %d in a row: %s", self._failures, self.max_failures, error)
            return None
        self._failures = 0
        return None if decision is None else self._outcome(decision)

    def in_worker(self) -> dict[str, Any]:
        """
        Look until it is known.

        :raises AirflowSensorTimeout: when the time is over
        """
        end = self.clock() + self.timeout
        while (seen := self.look()) is None:
            left = end - self.clock()
            if left <= 0:
                raise self._too_late()
            self.sleep(min(self.interval, left))
        return seen

    def trigger(self, began: datetime) -> MessageDeliveryTrigger:
        """
        Make the trigger that goes on.

        :param began: when the message was looked at, UTC
        """
        from airflow_provider_usedesk.triggers.message import MessageDeliveryTrigger

        return MessageDeliveryTrigger(
            usedesk_conn_id=self.hook.usedesk_conn_id,
            ticket_id=self.awaited.ticket_id,
            comment_id=self.awaited.comment_id,
            delivered_statuses=self.awaited.delivered,
            failed_statuses=self.awaited.failed,
            source="webhook" if self._hears else "poll",
            poll_interval=self.interval,
            since=began.isoformat(),
            deadline=(began + timedelta(seconds=self.timeout)).isoformat(),
            max_failures=self.max_failures,
        )

    def resume(self, event: Any) -> dict[str, Any]:
        """
        Go on with what the trigger fired.

        :param event: what :class:`~airflow_provider_usedesk.triggers.message.MessageDeliveryTrigger` fired
        :return: what to push to XCom
        """
        from airflow_provider_usedesk.delivery.decision import judged
        from airflow_provider_usedesk.delivery.reports import DeliveryReport

        is_ours = isinstance(event, dict) and event.get("ticket_id") == self.awaited.ticket_id
        handed = event if is_ours else {}
        if handed.get("outcome") == "timeout":
            return self._look_after_timeout()
        if handed.get("outcome") == "error":
            raise error_of(handed)
        status, comment_id = handed.get("status"), handed.get("comment_id")
        if handed.get("outcome") == "seen" and isinstance(status, str):
            decision = judged([DeliveryReport(status, comment_id, "")], self.awaited)
            if decision is not None:
                return self._outcome(decision)
        raise AirflowException(f"The trigger of {self.awaited.name} fired something that it never should.")

    @cached_property
    def _hears(self) -> bool:
        """Tell whether reports are looked for that came by webhook."""
        from airflow_provider_usedesk.delivery.report_store import why_not

        if self.source == "auto":
            return why_not(self.deferrable) is None and self.hook.takes_webhooks()
        return self.source == "webhook"

    def _decision(self) -> DeliveryDecision | None:
        from airflow_provider_usedesk.delivery.decision import polled_reports

        decision = self._judged(self._webhook_reports()) if self._hears else None
        if decision is None and self.source != "webhook":
            decision = self._judged(polled_reports(self.hook.ticket(self.awaited.ticket_id).comments))
        return decision

    def _webhook_reports(self) -> tuple[DeliveryReport, ...]:
        from airflow_provider_usedesk.api.errors import UsedeskUnavailable
        from airflow_provider_usedesk.delivery.report_store import read_reports

        try:
            return read_reports(self.hook.usedesk_conn_id, self.awaited.ticket_id)
        except UsedeskUnavailable as error:
            if self.source == "webhook":
                raise
            log.warning("%s The ticket is read all the same.", error)
            return ()

    def _judged(self, reports: tuple[DeliveryReport, ...]) -> DeliveryDecision | None:
        from airflow_provider_usedesk.delivery.decision import judged_aloud

        return judged_aloud(reports, self.awaited, log.info, self._told)

    def _outcome(self, decision: DeliveryDecision) -> dict[str, Any]:
        report = decision.report
        if not decision.is_delivered:
            raise AirflowFailException(
                f"The {self.awaited.name} was not delivered: {report.status}. Look into the ticket for the "
                "reason that the messenger gives."
            )
        log.info("The %s is %s.", self.awaited.name, report.status)
        return {
            "ticket_id": self.awaited.ticket_id,
            "comment_id": report.comment_id or self.awaited.comment_id,
            "status": report.status,
        }

    def _look_after_timeout(self) -> dict[str, Any]:
        """Look once more: much may have happened since the last look."""
        from airflow_provider_usedesk.api.errors import UsedeskError

        with suppress(UsedeskError):
            seen = self.look()
            if seen is not None:
                return seen
        raise self._too_late()

    def _too_late(self) -> AirflowSensorTimeout:
        return AirflowSensorTimeout(
            f"No report after {self.timeout:g} s on whether the {self.awaited.name} was delivered."
        )
