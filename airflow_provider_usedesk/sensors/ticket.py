"""Wait for tickets in Usedesk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Unpack

from airflow_provider_usedesk.compat.execution_timeout import (
    carried_end,
    check_execution_time,
    execution_end,
)
from airflow_provider_usedesk.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    PokeReturnValue,
    conf,
)
from airflow_provider_usedesk.hooks.no_retry import no_retry
from airflow_provider_usedesk.operators.arguments import check_arguments
from airflow_provider_usedesk.polling.trigger_event import (
    defer_timeout,
    error_in,
    event_for,
    has_timed_out,
    unexpected_event,
    wait_deadline,
)
from airflow_provider_usedesk.sensors.base import UsedeskSensor

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.parameters import Id, Statuses
    from airflow_provider_usedesk.compat.sdk import Context
    from airflow_provider_usedesk.compat.task_arguments import SensorArguments
    from airflow_provider_usedesk.operators.types import Templated
    from airflow_provider_usedesk.polling.ticket_status import Goal

LONG_AGO = datetime.fromtimestamp(0, UTC)


class TicketStatusSensor(UsedeskSensor):
    """
    Wait until a ticket has one of the wanted statuses (``ticket``: https://api.usedocs.com/article/51377).

    Returns the ticket as a dict: ``ticket_id``, ``status``, ``status_name``, ``type``, ``priority``,
    ``client_id``, ``assignee_id``, ``group_id``, ``channel_id``, ``tags``, ``last_updated_at``. The tags are
    the only text in it that people wrote.

    With ``deferrable=True`` all waiting tickets of one connection share one poll in the triggerer. In the
    modes ``poke`` and ``reschedule`` each sensor reads its own ticket.

    :param ticket_id: id of the ticket, 32-bit number (templated)
    :param target_statuses: names or numbers of the statuses to wait for, one or a list; default: solved,
        closed (templated)
    :param failed_statuses: names or numbers of the statuses that fail the task at once, one or a list; with
        an empty list no status fails it; default: deleted, spam, merged (templated)
    :param usedesk_conn_id: id of an Airflow connection of type usedesk; default: usedesk_default (templated)
    :param deferrable: whether to wait in the triggerer; default: ``[operators] default_deferrable``
    :param max_failures: number of polls in a row that do not reach Usedesk, after which the task fails, at
        least 1; in ``reschedule`` mode, which cannot count, 1 fails at the first and more at ``timeout``;
        default: 10
    :raises AirflowFailException: when the ticket has one of ``failed_statuses``, or when an argument or the
        connection is invalid
    :raises AirflowSensorTimeout: when ``timeout`` has passed
    :raises AirflowTaskTimeout: when ``execution_timeout`` has passed, with the time in the triggerer
    :raises UsedeskError: of the class that names any other failure
    """

    template_fields: Sequence[str] = (
        "ticket_id",
        "target_statuses",
        "failed_statuses",
        *UsedeskSensor.template_fields,
    )

    def __init__(
        self,
        *,
        ticket_id: Templated[Id],
        target_statuses: Templated[Statuses] = ("solved", "closed"),
        failed_statuses: Templated[Statuses] | None = None,
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
        self.target_statuses = target_statuses
        self.failed_statuses = failed_statuses
        self._failures = 0

    @classmethod
    def _wait_errors(cls, known: Mapping[str, Any]) -> list[str]:
        from airflow_provider_usedesk.polling.ticket_status import goal_errors

        names = ("ticket_id", "target_statuses", "failed_statuses")
        return goal_errors({name: known[name] for name in names if name in known})

    def execute(self, context: Context) -> Any:
        ticket_id, _ = self._checked()
        self._push_ticket_url(context, ticket_id)
        return super().execute(context)

    def poke(self, context: Context) -> PokeReturnValue:
        """
        Read the ticket once; with ``deferrable``, defer while it has none of the statuses.

        :raises TaskDeferred: with a ``TicketStatusTrigger``
        """
        began = datetime.now(UTC)
        polled = self._poll()
        if not polled and self.deferrable:
            self._defer(context, began, known_until=began if polled.xcom_value else LONG_AGO)
        return polled

    def execute_complete(self, context: Context, event: Any = None) -> Any:
        """
        Return the ticket after the deferral.

        :param event: what :class:`~airflow_provider_usedesk.triggers.ticket.TicketStatusTrigger` fired
        """
        ticket_id, goal = self._checked()
        event = event_for(ticket_id, event)
        if has_timed_out(event):
            check_execution_time(self, context)
            return self._poll_after_timeout(ticket_id)
        if event.get("outcome") == "error":
            with no_retry():
                raise error_in(event)
        state = event.get("state")
        polled = self._decide(state, goal) if isinstance(state, dict) else None
        if not polled:
            raise unexpected_event(f"ticket {ticket_id}")
        return polled.xcom_value

    def _poll(self) -> PokeReturnValue:
        from airflow_provider_usedesk.api.errors import UsedeskRateLimited, UsedeskUnavailable
        from airflow_provider_usedesk.polling.ticket_status import status_name, ticket_state

        ticket_id, goal = self._checked()
        try:
            with no_retry():
                ticket = self.hook.ticket(ticket_id)
        except (UsedeskUnavailable, UsedeskRateLimited) as error:
            self._failures += 1
            if self._failures >= self.max_failures:
                raise
            self.log.warning("Poll failed, %d of %d in a row: %s", self._failures, self.max_failures, error)
            return PokeReturnValue(is_done=False)
        self._failures = 0
        self.log.info("Usedesk ticket %s is %s.", ticket_id, status_name(ticket.status))
        return self._decide(ticket_state(ticket_id, ticket), goal)

    def _defer(self, context: Context, began: datetime, known_until: datetime) -> None:
        from airflow_provider_usedesk.triggers.ticket import TicketStatusTrigger

        ticket_id, goal = self._checked()
        deadline = wait_deadline(began, self.timeout, execution_end(self, context))
        self.defer(
            trigger=TicketStatusTrigger(
                usedesk_conn_id=self.usedesk_conn_id,
                ticket_id=ticket_id,
                target_statuses=goal.target,
                failed_statuses=goal.failed,
                poll_interval=self.poke_interval,
                since=known_until.isoformat(),
                deadline=deadline.isoformat(),
                max_failures=self.max_failures,
            ),
            method_name="execute_complete",
            kwargs=carried_end(self, context),
            timeout=defer_timeout(began, deadline),
        )

    def _poll_after_timeout(self, ticket_id: int) -> Any:
        """Poll once more, as Airflow does in a worker: the ticket may have changed since the last poll."""
        from airflow_provider_usedesk.api.errors import UsedeskRateLimited, UsedeskUnavailable

        with suppress(UsedeskRateLimited, UsedeskUnavailable):
            polled = self._poll()
            if polled:
                return polled.xcom_value
        raise AirflowSensorTimeout(
            f"Usedesk ticket {ticket_id} has none of the wanted statuses after {self.timeout:g} s. Clear the "
            "task to wait again."
        )

    def _decide(self, state: dict[str, Any], goal: Goal) -> PokeReturnValue:
        from airflow_provider_usedesk.polling.ticket_status import why_failed

        status = state.get("status")
        if goal.has_failed(status):
            raise AirflowFailException(why_failed(state.get("ticket_id"), status))
        return PokeReturnValue(is_done=goal.is_reached(status), xcom_value=state)

    def _checked(self) -> tuple[int, Goal]:
        from airflow_provider_usedesk.polling.ticket_status import checked_goal

        with no_retry():
            return checked_goal(self.ticket_id, self.target_statuses, self.failed_statuses)
