"""Wait for messages to be delivered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Unpack

from airflow_provider_usedesk.compat.execution_timeout import (
    carried_end,
    check_execution_time,
    execution_end,
)
from airflow_provider_usedesk.compat.sdk import PokeReturnValue, conf
from airflow_provider_usedesk.delivery.inlets import add_delivery_inlets, with_delivery_inlets
from airflow_provider_usedesk.hooks.no_retry import no_retry
from airflow_provider_usedesk.operators.arguments import check_arguments
from airflow_provider_usedesk.operators.waiting import push_not_delivered
from airflow_provider_usedesk.polling.trigger_event import defer_timeout, has_timed_out
from airflow_provider_usedesk.sensors.base import UsedeskSensor

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.parameters import Id, Texts
    from airflow_provider_usedesk.compat.sdk import Context
    from airflow_provider_usedesk.compat.task_arguments import SensorArguments
    from airflow_provider_usedesk.delivery.decision import Source
    from airflow_provider_usedesk.delivery.waiter import DeliveryWait
    from airflow_provider_usedesk.operators.types import Templated


class MessageDeliverySensor(UsedeskSensor):
    """
    Wait until a message is delivered.

    Reads the delivery reports that Usedesk sends by webhook (see ``create/ticket``:
    https://api.usedocs.com/article/51378), or the comments of the ticket (``ticket``:
    https://api.usedocs.com/article/51377).

    Returns a dict: ``ticket_id``, ``comment_id``, and ``status``, the word of the report. If the message
    failed, pushes ``message_status`` to XCom: ``not delivered``.

    Case and separators of a word make no difference. Reports that arrived before the sensor started count as
    well. One report that says delivered outweighs all reports that say failed.

    :param ticket_id: id of the ticket, 32-bit number (templated)
    :param comment_id: id of the message, 32-bit number; default: any message of the ticket (templated)
    :param source: ``webhook`` reads the reports that the webhook receiver stored (Airflow 3.0; with
        ``deferrable`` 3.3); ``poll`` reads the ticket; ``auto`` reads both, in the triggerer only the
        reports, if the connection has a ``webhook_secret`` and this Airflow can read stored reports, and
        otherwise the ticket; default: auto
    :param delivered_statuses: words with which the task succeeds, a list or a text with commas; default:
        delivered, read, seen and similar words (templated)
    :param failed_statuses: words with which it fails at once, a list or a text with commas; default:
        undelivered, not delivered, failed, error, rejected, expired and similar words (templated)
    :param sent_after: a moment before the message was sent, such as ``"{{ dag_run.run_after }}"``, as a
        datetime or ISO 8601 text with a time zone; an earlier webhook report counts only if it names the
        message ``comment_id``; default: all reports count (templated)
    :param usedesk_conn_id: id of an Airflow connection of type usedesk; default: usedesk_default (templated)
    :param deferrable: whether to wait in the triggerer; default: ``[operators] default_deferrable``
    :param max_failures: number of polls in a row that do not reach Usedesk or find no ticket, after which the
        task fails, at least 1; in ``reschedule`` mode, which cannot count, 1 fails at the first and more at
        ``timeout``; default: 10
    :raises AirflowFailException: when the message failed, or when an argument or the connection is invalid
    :raises AirflowSensorTimeout: when ``timeout`` has passed
    :raises AirflowTaskTimeout: when ``execution_timeout`` has passed, with the time in the triggerer
    :raises UsedeskError: of the class that names any other failure
    """

    template_fields: Sequence[str] = (
        "ticket_id",
        "comment_id",
        "delivered_statuses",
        "failed_statuses",
        "sent_after",
        *UsedeskSensor.template_fields,
    )

    def __init__(
        self,
        *,
        ticket_id: Templated[Id],
        comment_id: Templated[Id] | None = None,
        source: Source = "auto",
        delivered_statuses: Templated[Texts] | None = None,
        failed_statuses: Templated[Texts] | None = None,
        sent_after: Templated[datetime | str] | None = None,
        usedesk_conn_id: str = "usedesk_default",
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        max_failures: int = 10,
        **kwargs: Unpack[SensorArguments],
    ) -> None:
        check_arguments(self, locals())
        super().__init__(
            usedesk_conn_id=usedesk_conn_id, deferrable=deferrable, max_failures=max_failures, **kwargs
        )
        self.ticket_id = ticket_id
        self.comment_id = comment_id
        self.source = source
        self.delivered_statuses = delivered_statuses
        self.failed_statuses = failed_statuses
        self.sent_after = sent_after
        if source != "poll":
            add_delivery_inlets(self)

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        return with_delivery_inlets(super().partial(**kwargs), lambda given: given.get("source") != "poll")

    @classmethod
    def _wait_errors(cls, known: Mapping[str, Any]) -> list[str]:
        from airflow_provider_usedesk.api.delivery_words import DELIVERED, FAILED
        from airflow_provider_usedesk.delivery.decision import message_errors

        names = ("ticket_id", "comment_id", "source", "delivered_statuses", "failed_statuses", "sent_after")
        given = {name: known[name] for name in names if name in known}
        for name, default in (("delivered_statuses", DELIVERED), ("failed_statuses", FAILED)):
            if given.get(name, default) is None:
                given[name] = default
        return message_errors(given)

    def execute(self, context: Context) -> Any:
        self._push_ticket_url(context, self._wait.awaited.ticket_id)
        return super().execute(context)

    def poke(self, context: Context) -> PokeReturnValue:
        """
        Poll once; with ``deferrable``, defer while no report decides.

        :raises TaskDeferred: with a ``MessageDeliveryTrigger``
        """
        began = datetime.now(UTC)
        with no_retry():
            with push_not_delivered(self, context):
                outcome = self._wait.poll()
            if outcome is None and self.deferrable:
                self._defer(context, began)
        return PokeReturnValue(is_done=outcome is not None, xcom_value=outcome)

    def execute_complete(self, context: Context, event: Any = None) -> dict[str, Any]:
        """
        Return the outcome after the deferral.

        :param event: what :class:`~airflow_provider_usedesk.triggers.message.MessageDeliveryTrigger` fired
        """
        if has_timed_out(event):
            check_execution_time(self, context)
        with no_retry(), push_not_delivered(self, context):
            return self._wait.resume(event)

    def _defer(self, context: Context, began: datetime) -> None:
        from airflow_provider_usedesk.triggers.message import MessageDeliveryTrigger

        deadline = self._wait.deadline(began, execution_end(self, context))
        self.defer(
            trigger=MessageDeliveryTrigger(**self._wait.trigger_kwargs(began, deadline)),
            method_name="execute_complete",
            kwargs=carried_end(self, context),
            timeout=defer_timeout(began, deadline),
        )

    @cached_property
    def _wait(self) -> DeliveryWait:
        from airflow_provider_usedesk.api.delivery_words import DELIVERED, FAILED
        from airflow_provider_usedesk.delivery.decision import checked_message
        from airflow_provider_usedesk.delivery.report_store import why_unavailable
        from airflow_provider_usedesk.delivery.waiter import DeliveryWait

        with no_retry():
            awaited = checked_message(
                self.ticket_id,
                self.comment_id,
                self.source,
                DELIVERED if self.delivered_statuses is None else self.delivered_statuses,
                FAILED if self.failed_statuses is None else self.failed_statuses,
                self.max_failures,
                webhooks_unavailable=why_unavailable(in_triggerer=self.deferrable),
                sent_after=self.sent_after,
            )
        return DeliveryWait(
            self.hook,
            awaited,
            self.source,
            deferrable=self.deferrable,
            interval=self.poke_interval,
            timeout=self.timeout,
            max_failures=self.max_failures,
        )
