"""
The ``execution_timeout`` of a task that is deferred.

Airflow 3 counts it in the worker only, and anew after each deferral; a deferral has to end in time by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_usedesk.compat.sdk import AirflowTaskTimeout

FAIL = "__fail__"
"""The method with which Airflow resumes a task whose deferral ended without an event."""


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
    started: datetime | None = getattr((context or {}).get("ti"), "start_date", None)
    return (started or datetime.now(UTC)) + limit


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
