"""The delivery contract in an operator: what an earlier attempt sent is not sent again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_usedesk.compat.sdk import Context
    from airflow_provider_usedesk.idempotency.decision import (
        Attempt,
        Created,
        LookUp,
        OnUnknown,
        SearchResult,
    )


@dataclass(frozen=True)
class DeliveryContract:
    """
    The delivery contract of one attempt of a task.

    :param context: the context of the task
    :param retries: the retries of the task
    :param on_unknown_outcome: what to do when an earlier attempt may have reached Usedesk
    :param send_again_on_clear: whether clearing the task sends again
    """

    context: Context
    retries: int | None
    on_unknown_outcome: OnUnknown
    send_again_on_clear: bool

    @property
    def attempt(self) -> Attempt:
        """The facts about this attempt."""
        from airflow_provider_usedesk.idempotency.decision import Attempt

        ti = self.context["ti"]
        # Clearing adds the attempts before it to max_tries.
        earlier = max(ti.max_tries - (self.retries or 0), 0) if self.send_again_on_clear else 0
        first = earlier + 1
        return Attempt(ti.try_number <= first, began=_earliest(self.context["dag_run"]), clear_count=earlier)

    def send(
        self,
        response_class: type[Created],
        send: Callable[[], Created],
        look_up: Callable[[LookUp], SearchResult[Created]],
        suffix: str = "",
    ) -> Created:
        """
        Send, unless an earlier attempt sent.

        :param response_class: the class of the response
        :param send: sends the request
        :param look_up: searches Usedesk for what an earlier attempt created
        :param suffix: distinguishes the messages of one task
        :return: what this attempt or an earlier one created
        :raises UsedeskOutcomeUnknown: when an earlier attempt may have sent, and this cannot be decided
        """
        from airflow_provider_usedesk.compat.stores import TaskStateStore
        from airflow_provider_usedesk.idempotency.attempt_store import AttemptStore
        from airflow_provider_usedesk.idempotency.send_once import send_once

        accessor = self.context.get("task_state_store")
        store = None if accessor is None else TaskStateStore(accessor)
        return send_once(
            send=send,
            look_up=look_up,
            attempts=AttemptStore(store, response_class, suffix),
            attempt=self.attempt,
            on_unknown=self.on_unknown_outcome,
        )


def _earliest(dag_run: Any) -> datetime:
    """Return a moment that is not after the first attempt of any task of the run; clearing moves some."""
    names = ("run_after", "data_interval_end", "queued_at", "start_date")
    moments: list[datetime] = [moment for name in names if (moment := getattr(dag_run, name, None))]
    return min(moments)
