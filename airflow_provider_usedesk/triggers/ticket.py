"""Wait for the status of a ticket in the triggerer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection
from datetime import datetime, timedelta
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_usedesk.hooks.usedesk import UsedeskHook
from airflow_provider_usedesk.triggers.base import WaitingTrigger

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.errors import UsedeskError
    from airflow_provider_usedesk.api.records import Ticket
    from airflow_provider_usedesk.polling.ticket_status import Goal


class TicketStatusTrigger(WaitingTrigger):
    """
    Fire when a ticket has one of the wanted statuses, or cannot be expected to get one any more.

    All these triggers of one connection in one triggerer share one poll; the shortest ``poll_interval`` among
    them counts.

    .. seealso:: :class:`~airflow_provider_usedesk.triggers.base.WaitingTrigger` for the other parameters.

    :param target_statuses: numbers of the statuses that are waited for
    :param failed_statuses: numbers of the statuses after which they cannot be expected any more
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

    async def _looks(self) -> AsyncGenerator[Ticket | UsedeskError | None, None]:
        # It loads requests, which takes so long that it would stop the loop.
        await asyncio.to_thread(import_module, "airflow_provider_usedesk.polling.shared_poll")
        from airflow_provider_usedesk.polling.shared_poll import watching
        from airflow_provider_usedesk.polling.ticket_status import Subscription

        since, interval = datetime.fromisoformat(self.since), timedelta(seconds=self.poll_interval)
        subscription = Subscription(
            self.ticket_id, self._goal.statuses, interval, known_until=since, tried_at=since
        )
        hook = UsedeskHook(usedesk_conn_id=self.usedesk_conn_id)
        async with watching(self.usedesk_conn_id, hook.asettings, subscription) as poll_results:
            while True:
                yield await poll_results.get()

    def _event_of(self, seen: Ticket | None) -> dict[str, Any] | None:
        from airflow_provider_usedesk.polling.ticket_status import status_name, ticket_state

        if seen is None or seen.status not in self._goal.statuses:
            return None
        self.log.info("Usedesk ticket %s is %s.", self.ticket_id, status_name(seen.status))
        return {"state": ticket_state(self.ticket_id, seen)}
