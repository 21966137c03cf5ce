"""Waiting for the delivery of the message that an operator sent: what ``wait_for_delivery`` does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_usedesk.compat.sdk import BaseOperator, Context
    from airflow_provider_usedesk.delivery.waiter import DeliveryWait
    from airflow_provider_usedesk.operators.base import UsedeskOperator

# The clocks of two machines of Airflow; a report arrives after its message was sent by more than that.
CLOCK_DIFFERENCE = timedelta(seconds=2)
YEAR = timedelta(days=366).total_seconds()


def wait_seconds(name: str, value: timedelta | float) -> float:
    """
    Return a wait time in seconds.

    :param name: the argument, for the error text
    :param value: a timedelta or seconds, more than 0, at most a year
    :raises ValueError: for any other value
    """
    number = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 < number <= YEAR:
        raise ValueError(f"{name}: must be a timedelta or a number of seconds, more than 0, at most a year")
    return float(number)


def prepare_waiting(operator: UsedeskOperator) -> None:
    """
    Make the times of the wait seconds, and let Airflow know the asset of delivery reports.

    :param operator: an operator with ``wait_for_delivery``, ``delivery_timeout`` and
        ``delivery_poke_interval``
    :raises ValueError: naming a time that is not right
    """
    operator.delivery_timeout = wait_seconds("delivery_timeout", operator.delivery_timeout)
    operator.delivery_poke_interval = wait_seconds("delivery_poke_interval", operator.delivery_poke_interval)
    if operator.wait_for_delivery:
        from airflow_provider_usedesk.delivery.inlets import add_delivery_inlets

        add_delivery_inlets(operator)


def partial_with_inlets(partial: Any) -> Any:
    """
    Add the asset of delivery reports to the inlets of a mapped task that waits.

    :param partial: what ``partial()`` of the operator returned
    """
    from airflow_provider_usedesk.delivery.inlets import with_delivery_inlets

    return with_delivery_inlets(partial, lambda arguments: bool(arguments.get("wait_for_delivery")))


def refuse_private(operator: UsedeskOperator, *, is_private: bool) -> None:
    """
    Check before sending that the message can be delivered at all.

    :param operator: the operator
    :param is_private: whether only agents see the message
    :raises UsedeskInvalidRequest: when it waits for the delivery of a private message
    """
    from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest

    if operator.wait_for_delivery and is_private:
        raise UsedeskInvalidRequest(
            ["wait_for_delivery: a private message is for agents only and is never delivered to a client"]
        )


def last_report(operator: UsedeskOperator, ticket_id: int | None) -> datetime | None:
    """
    Return when the last report on the earlier messages of a ticket arrived, before another one is sent.

    :param operator: the operator that sends it
    :param ticket_id: the ticket; None for an id that is not valid
    :return: by the clock of the webhook receiver; None if there is no report that names no message, or if no
        stored report counts
    """
    from airflow_provider_usedesk.api.errors import UsedeskUnavailable
    from airflow_provider_usedesk.delivery.report_store import ReportStore
    from airflow_provider_usedesk.delivery.reports import last_without_message

    if ticket_id is None or not operator.wait_for_delivery:
        return None
    if not _delivery_wait(operator, ticket_id, None).reads_webhook_reports:
        return None
    try:
        return last_without_message(ReportStore(operator.hook.usedesk_conn_id).load(ticket_id))
    except UsedeskUnavailable as error:
        operator.log.warning("%s", error)
        return datetime.now(UTC) - CLOCK_DIFFERENCE


def after_sending(context: Context, before_sending: datetime | None) -> datetime | None:
    """
    Return the moment after which a stored report can be on the message that a task sent.

    :param context: the context of the task, which has sent the message
    :param before_sending: what :func:`last_report` returned
    :return: None if all reports count
    """
    from airflow_provider_usedesk.operators.contract import attempt_memory

    memory = attempt_memory(context["ti"])
    if memory.sent_since is None or memory.sent_since >= memory.started:
        return before_sending
    # An earlier attempt has sent it; what it read before is not known any more.
    return memory.sent_since - CLOCK_DIFFERENCE


@contextmanager
def push_not_delivered(task: BaseOperator, context: Context) -> Iterator[None]:
    """
    Push ``message_status`` to XCom when a report says that the message was not delivered.

    It tells a later task of the Dag this failure from any other, after which the message may still arrive.

    :param task: the operator or sensor that waits
    :param context: the context of the task
    """
    from airflow_provider_usedesk.api.errors import UsedeskNotDelivered
    from airflow_provider_usedesk.compat.supervisor import serves_tasks

    try:
        yield
    except UsedeskNotDelivered:
        if task.do_xcom_push and serves_tasks():
            context["ti"].xcom_push(key="message_status", value="not delivered")
        raise


def wait_for_delivery(
    operator: UsedeskOperator,
    context: Context,
    ticket_id: int,
    comment_id: int | None,
    reports_after: datetime | None = None,
) -> None:
    """
    Wait until a message was delivered, in the worker or, with ``deferrable``, in the triggerer.

    :param operator: the operator that sent it
    :param context: the context of the task
    :param ticket_id: its ticket
    :param comment_id: the message; None for any message of the ticket
    :param reports_after: stored reports that had arrived by then are on earlier messages; default: all count
    :raises AirflowSensorTimeout: when ``delivery_timeout`` has passed
    :raises TaskDeferred: when the wait continues in the triggerer
    """
    from airflow_provider_usedesk.compat.execution_timeout import carried_end, execution_end
    from airflow_provider_usedesk.polling.trigger_event import defer_timeout
    from airflow_provider_usedesk.triggers.message import MessageDeliveryTrigger

    wait, began = _delivery_wait(operator, ticket_id, comment_id, reports_after), datetime.now(UTC)
    with push_not_delivered(operator, context):
        outcome = wait.poll() if operator.deferrable else wait.wait_in_worker()
    if outcome is None:
        deadline = wait.deadline(began, execution_end(operator, context))
        operator.defer(
            trigger=MessageDeliveryTrigger(**wait.trigger_kwargs(began, deadline)),
            method_name="execute_complete",
            kwargs={
                "ticket_id": ticket_id,
                "comment_id": comment_id,
                # Airflow 2.11 stores nothing else than JSON.
                **({"reports_after": reports_after.isoformat()} if reports_after else {}),
                **carried_end(operator, context),
            },
            timeout=defer_timeout(began, deadline),
        )


def resume_wait(
    operator: UsedeskOperator,
    context: Context,
    event: Any,
    ticket_id: int | None,
    comment_id: int | None,
    reports_after: str | None = None,
) -> int:
    """
    Continue after the wait in the triggerer.

    :param operator: the operator that sent the message
    :param context: the context of the task
    :param event: what :class:`~airflow_provider_usedesk.triggers.message.MessageDeliveryTrigger` fired
    :param ticket_id: the ticket; None for that of the event, because ``dag.test()`` passes the event only
    :param comment_id: the message; None for any message of the ticket
    :param reports_after: stored reports that had arrived by then are on earlier messages, ISO 8601
    :return: the id of the ticket
    :raises AirflowTaskTimeout: when ``execution_timeout`` has passed
    """
    from airflow_provider_usedesk.api.responses import as_id
    from airflow_provider_usedesk.compat.execution_timeout import check_execution_time
    from airflow_provider_usedesk.compat.sdk import AirflowException
    from airflow_provider_usedesk.polling.trigger_event import has_timed_out

    awaited = ticket_id
    if awaited is None and isinstance(event, dict):
        awaited = as_id(event.get("ticket_id"))
    if awaited is None:
        raise AirflowException(
            "The task was resumed without the id of the ticket whose delivery it waits for. Clear the task: "
            "it sends nothing again, and waits again."
        )
    if has_timed_out(event):
        check_execution_time(operator, context)
    after = datetime.fromisoformat(reports_after) if reports_after else None
    with push_not_delivered(operator, context):
        _delivery_wait(operator, awaited, comment_id, after).resume(event)
    return awaited


def _delivery_wait(
    operator: UsedeskOperator, ticket_id: int, comment_id: int | None, after: datetime | None = None
) -> DeliveryWait:
    from airflow_provider_usedesk.delivery.decision import default_message
    from airflow_provider_usedesk.delivery.waiter import DeliveryWait

    return DeliveryWait(
        operator.hook,
        default_message(ticket_id, comment_id, after),
        "auto",
        deferrable=operator.deferrable,
        interval=operator.delivery_poke_interval,
        timeout=operator.delivery_timeout,
    )
