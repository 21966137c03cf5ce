"""Wait for the status of a ticket in the triggerer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_usedesk.triggers.base import TicketTrigger

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.records import Ticket
    from airflow_provider_usedesk.polling.poll import TicketResult
    from airflow_provider_usedesk.polling.ticket_status import Goal


class TicketStatusTrigger(TicketTrigger):
    """
    Fire when a ticket has one of the wanted statuses, or is not expected to reach one any more.

    All these triggers of one connection in one triggerer share one poll; the shortest ``poll_interval`` of
    them counts.

    .. seealso:: :class:`~airflow_provider_usedesk.triggers.base.TicketTrigger` for the other parameters.

    :param target_statuses: numbers of the statuses that the task waits for
    :param failed_statuses: numbers of the statuses after which the ticket is not expected to reach them
    """

    goal: ClassVar[tuple[str, ...]] = ("target_statuses", "failed_statuses")

    def __init__(
        self, *, target_statuses: Collection[int], failed_statuses: Collection[int], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.target_statuses = target_statuses
        self.failed_statuses = failed_statuses

    @cached_property
    def _goal(self) -> Goal:
        from airflow_provider_usedesk.polling.ticket_status import Goal

        return Goal(frozenset(self.target_statuses), frozenset(self.failed_statuses))

    def _polls(self) -> AsyncGenerator[TicketResult, None]:
        return self._ticket_polls(self._goal.statuses)

    def _event_of(self, polled: Ticket | None) -> dict[str, Any] | None:
        from airflow_provider_usedesk.polling.ticket_status import status_name, ticket_state

        if polled is None or polled.status not in self._goal.statuses:
            return None
        self.log.info("Usedesk ticket %s is %s.", self.ticket_id, status_name(polled.status))
        return {"state": ticket_state(self.ticket_id, polled)}
