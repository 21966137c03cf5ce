"""
The ``execution_timeout`` of a task that is deferred.

Airflow 3 counts it in the worker only, and anew after each deferral; a deferral has to end in time by itself.
Before Airflow 3.2.2 a resumed task does not know when its attempt began, so the deferral carries the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_usedesk.compat.sdk import AirflowTaskTimeout

FAIL = "__fail__"
"""The method with which Airflow resumes a task whose deferral ended without an event."""

EXECUTION_END = "execution_end"
"""The argument in which a deferral carries the end of the attempt."""

CARRIED = "_carried_execution_end"
"""The attribute of a resumed operator with the end of its attempt."""


def execution_end(task: Any, context: Any) -> datetime | None:
    """
    Return when ``execution_timeout`` ends the attempt; it counts from its start, with all its deferrals.

    :param task: the operator
    :param context: the context of the task; None where it is not known, such as in a unit test
    :return: the moment, UTC; None without an ``execution_timeout``
    """
    limit: timedelta | None = getattr(task, "execution_timeout", None)
    if limit is None:
        return None
    if carried := vars(task).get(CARRIED):
        return datetime.fromisoformat(carried)
    started: datetime | None = getattr((context or {}).get("ti"), "start_date", None)
    return (started or datetime.now(UTC)) + limit


def carried_end(task: Any, context: Any) -> dict[str, str]:
    """
    Return what a deferral carries among its ``kwargs``, so that the resumed task knows when it ends.

    :param task: the operator that is deferred
    :param context: the context of the task
    """
    end = execution_end(task, context)
    return {} if end is None else {EXECUTION_END: end.isoformat()}


def take_carried_end(task: Any, next_kwargs: Mapping[str, Any] | None) -> dict[str, Any]:
    """
    Keep in a resumed task what :func:`carried_end` gave its deferral, and return the other arguments.

    :param task: the operator that is resumed
    :param next_kwargs: the arguments with which Airflow resumes it
    """
    others = dict(next_kwargs or {})
    vars(task)[CARRIED] = others.pop(EXECUTION_END, None)
    return others


def check_execution_time(task: Any, context: Any) -> None:
    """
    Fail a task whose ``execution_timeout`` has passed while it was deferred.

    :param task: the operator
    :param context: the context of the task
    :raises AirflowTaskTimeout: as Airflow does in a worker; the task may be retried
    """
    end = execution_end(task, context)
    if end is not None and end <= datetime.now(UTC):
        raise AirflowTaskTimeout(
            f"The execution_timeout of {task.execution_timeout.total_seconds():g} s has passed. It includes "
            "the time in the triggerer."
        )


def ended_by_timeout(next_method: str, next_kwargs: Mapping[str, Any] | None) -> bool:
    """Return whether Airflow resumes a task because the timeout of its deferral has passed."""
    return next_method == FAIL and "timeout" in str((next_kwargs or {}).get("error", "")).lower()
