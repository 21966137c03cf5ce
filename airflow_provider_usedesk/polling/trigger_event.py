"""The events that our triggers fire for a waiting task, written in the triggerer and read in the worker."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_usedesk.compat.sdk import AirflowException

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.errors import UsedeskError

# The trigger ends the wait itself; Airflow's own timeout counts only where no triggerer runs.
TRIGGER_GRACE = timedelta(minutes=1)


def wait_deadline(began: datetime, seconds: float, execution_end: datetime | None) -> datetime:
    """
    Return when the trigger ends a wait.

    :param began: when the wait began
    :param seconds: timeout of the wait
    :param execution_end: when ``execution_timeout`` ends the attempt; None without one
    """
    end = began + timedelta(seconds=seconds)
    return end if execution_end is None else min(end, execution_end)


def defer_timeout(began: datetime, deadline: datetime) -> timedelta:
    """
    Return the timeout of a deferral.

    :param began: when the deferral begins
    :param deadline: when the trigger itself ends the wait
    """
    return max(deadline - began, timedelta()) + TRIGGER_GRACE


def event_for(ticket_id: int, event: Any) -> dict[str, Any]:
    """Return the event of a trigger if it is about a ticket, else an empty dict."""
    return event if isinstance(event, dict) and event.get("ticket_id") == ticket_id else {}


def has_timed_out(event: Any) -> bool:
    """Return whether a trigger ended a wait at its deadline."""
    return isinstance(event, dict) and event.get("outcome") == "timeout"


def error_event(error: UsedeskError) -> dict[str, Any]:
    """Return the event for an error: only its class and its text survive the way through the database."""
    event = {"outcome": "error", "error": type(error).__name__, "message": str(error)}
    validation_errors = getattr(error, "validation_errors", None)
    return event if validation_errors is None else {**event, "validation_errors": list(validation_errors)}


def error_in(event: dict[str, Any]) -> UsedeskError:
    """Return the error that :func:`error_event` described."""
    from airflow_provider_usedesk.api import errors

    kind = getattr(errors, str(event.get("error")), None)
    if not isinstance(kind, type) or not issubclass(kind, errors.UsedeskError):
        kind = errors.UsedeskError
    if kind is errors.UsedeskInvalidRequest:
        return errors.UsedeskInvalidRequest(event.get("validation_errors") or [str(event.get("message"))])
    return kind(str(event.get("message")))


def unexpected_event(waits_for: str) -> AirflowException:
    """
    Return the error for an event that no trigger of ours fires for this task.

    :param waits_for: what the task waits for, such as ``ticket 7``
    """
    return AirflowException(
        f"The task waits for {waits_for}, but the trigger fired an event that does not belong to it. Clear "
        "the task to wait again."
    )
