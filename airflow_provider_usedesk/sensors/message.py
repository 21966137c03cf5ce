"""Wait for messages to be delivered."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_provider_usedesk.compat.sdk import PokeReturnValue
from airflow_provider_usedesk.delivery.waiter import DeliveryWait, add_delivery_inlets, with_delivery_inlets
from airflow_provider_usedesk.links.ticket import push_ticket_url
from airflow_provider_usedesk.polling.trigger_event import GRACE
from airflow_provider_usedesk.sensors.base import UsedeskSensor

if TYPE_CHECKING:
    from airflow_provider_usedesk.compat.sdk import Context
    from airflow_provider_usedesk.delivery.decision import Source


class MessageDeliverySensor(UsedeskSensor):
    """
    Wait until a message was delivered (webhook of EN 51378, ``ticket`` of EN 51377).

    Returns a dict of ids and the word that the report has: ``ticket_id``, ``comment_id``, ``status``.

    Words are compared without case and separators. Reports that came before the sensor began count. Of all
    that are known, one that says delivered outweighs any that says failed.

    :param ticket_id: the ticket, 32 bit (templated)
    :param comment_id: the message, 32 bit; default: any message of the ticket (templated)
    :param source: ``webhook`` for the reports that Airflow's receiver of webhooks remembers (Airflow 3.0;
        with ``deferrable`` 3.3), ``poll`` to read the ticket, or ``auto``: the first where the connection has
        a ``webhook_secret`` and Airflow can, with the ticket read by the worker, too; else the second;
        default: auto
    :param delivered_statuses: words that mean delivered; default: delivered, read, seen and the like
        (templated)
    :param failed_statuses: words that fail the task at once; default: undelivered, not delivered, failed,
        error, rejected, expired and the like (templated)
    :param usedesk_conn_id: Airflow Connection of type usedesk (templated)
    :param deferrable: whether to wait in the triggerer; default: ``[operators] default_deferrable``
    :param max_failures: how many looks in a row may fail, where Usedesk cannot be reached or does not show
        the ticket, before the task does; in ``reschedule`` mode only ``timeout`` counts; default: 10
    :raises AirflowFailException: when the message failed, or an argument or the connection is wrong
    :raises AirflowSensorTimeout: when ``timeout`` has passed
    :raises UsedeskError: of the class that says what else happened
    """

    template_fields: Sequence[str] = (
        "ticket_id",
        "comment_id",
        "delivered_statuses",
        "failed_statuses",
        *UsedeskSensor.template_fields,
    )

    def __init__(
        self,
        *,
        ticket_id: int | str,
        comment_id: int | str | None = None,
        source: Source = "auto",
        delivered_statuses: Collection[str] | str | None = None,
        failed_statuses: Collection[str] | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.ticket_id = ticket_id
        self.comment_id = comment_id
        self.source = source
        self.delivered_statuses = delivered_statuses
        self.failed_statuses = failed_statuses
        if source != "poll":
            add_delivery_inlets(self)

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        return with_delivery_inlets(super().partial(**kwargs), lambda given: given.get("source") != "poll")

    def execute(self, context: Context) -> Any:
        push_ticket_url(context, self._ticket_url(self._wait.awaited.ticket_id))
        return super().execute(context)

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once; when the message has to be waited for in the triggerer, go there."""
        wait, began = self._wait, datetime.now(UTC)
        with self._failing_for_good():
            seen = wait.look()
            if seen is None and self.deferrable:
                self.defer(
                    trigger=wait.trigger(began),
                    method_name="execute_complete",
                    timeout=timedelta(seconds=self.timeout) + GRACE,
                )
        return PokeReturnValue(is_done=seen is not None, xcom_value=seen)

    def execute_complete(self, context: Context, event: Any = None) -> dict[str, Any]:
        """
        Go on with what the trigger saw.

        :param event: what :class:`~airflow_provider_usedesk.triggers.message.MessageDeliveryTrigger` fired
        """
        with self._failing_for_good():
            return self._wait.resume(event)

    @cached_property
    def _wait(self) -> DeliveryWait:
        from airflow_provider_usedesk.delivery.decision import DELIVERED, FAILED, checked_message
        from airflow_provider_usedesk.delivery.report_store import why_not

        with self._failing_for_good():
            awaited = checked_message(
                self.ticket_id,
                self.comment_id,
                self.source,
                DELIVERED if self.delivered_statuses is None else self.delivered_statuses,
                FAILED if self.failed_statuses is None else self.failed_statuses,
                self.max_failures,
                no_webhooks=why_not(in_triggerer=self.deferrable),
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
