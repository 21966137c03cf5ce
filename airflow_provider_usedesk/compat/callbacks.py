"""What the context of a callback means, which differs between the versions of Airflow."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from airflow_provider_usedesk.compat.sdk import conf
from airflow_provider_usedesk.compat.version import AIRFLOW, NAMES_FAILED_TASK

# What the task in the context is to the Dag run, by the reason of the callback.
_ROLES = {
    "task_failure": "Last failed task",
    "timed_out": "Unfinished task",
    "all_tasks_deadlocked": "Blocked task",
}
_ANY_TASK = "Last task"

# Seconds before the end of the process that a callback leaves to write its log, and that it has at least.
_MARGIN = 2.0
_LEAST = 1.0
_ENDED = ("success", "failed", "skipped", "up_for_retry")


def callback_kind(context: Mapping[str, Any], callback: Any) -> Literal["failure", "retry"] | None:
    """
    Return which callback of its task a function is; None if it is none of the two, or both.

    :param context: context of the callback
    :param callback: the function
    """
    task = context.get("task")
    is_failure, is_retry = (
        any(one is callback for one in _listed(getattr(task, f"on_{kind}_callback", None)))
        for kind in ("failure", "retry")
    )
    if is_failure == is_retry:
        return None
    return "failure" if is_failure else "retry"


def longest_callback(context: Mapping[str, Any], now: datetime) -> float:
    """
    Return the seconds that a callback can take before Airflow ends its process; infinity without a limit.

    Airflow 3 reports the end of a task first, then runs its callbacks, and ends the process after
    ``[core] task_success_overtime``. All callbacks of the task share that time.

    :param context: context of the callback
    :param now: the time, UTC
    """
    if AIRFLOW < (3, 0):
        return math.inf
    ti = context.get("ti")
    if getattr(ti, "state", None) not in _ENDED:
        return math.inf
    # The end of a skipped task is not known.
    end: datetime = getattr(ti, "end_date", None) or now
    overtime: float = conf.getfloat("core", "task_success_overtime", fallback=math.inf)
    return max(overtime - _MARGIN - (now - end).total_seconds(), _LEAST)


def relevant_task(context: Mapping[str, Any], ti: Any) -> tuple[Any, str]:
    """
    Return the task instance that explains the end of a Dag run, and what it is to the run.

    Airflow 3.2 and newer passes it. Airflow 3.0 and 3.1 pass an arbitrary one, as does Airflow 2, where the
    callback can read the others.

    :param context: context of the callback of a Dag run
    :param ti: the task instance in the context
    """
    reason = str(context.get("reason"))
    if NAMES_FAILED_TASK:
        return ti, _ROLES.get(reason, _ANY_TASK)
    if AIRFLOW < (3, 0) and reason == "task_failure":
        failed = _last_failed(context.get("dag_run"))
        if failed is not None:
            return failed, _ROLES[reason]
    return ti, _ANY_TASK


def with_slash(log_url: Any) -> Any:
    """
    Return the URL of a log with the slash that Airflow 3.0 leaves out after ``[api] base_url``.

    :param log_url: ``log_url`` of the task instance in the context; anything but such a URL stays as it is
    """
    base = conf.get("api", "base_url", fallback=None) or "/"
    if base.endswith("/") or not str(log_url).startswith(f"{base}dags/"):
        return log_url
    return f"{base}/{log_url.removeprefix(base)}"


def _last_failed(dag_run: Any) -> Any:
    try:
        failed = dag_run.get_task_instances(state=["failed"])
        return max(failed, key=lambda ti: ti.end_date or datetime.min.replace(tzinfo=UTC), default=None)
    except Exception:
        # The alert is sent all the same.
        return None


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
