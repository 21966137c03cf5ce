"""How late a run is: the time since its scheduled moment."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_usedesk.compat.sdk import AirflowSkipException

log = logging.getLogger(__name__)

BY_HAND = frozenset({"manual", "operator_triggered", "asset_materialization"})
"""Types of runs that somebody starts at this moment, although they may have an interval of the past."""
WITH_INTERVAL = frozenset({"scheduled", "backfill"})


def skip_if_late(dag_run: Any, max_lateness: timedelta | None, has_begun: Callable[[], bool]) -> None:
    """
    Skip a task that begins too late after the scheduled moment of its run.

    :param dag_run: the run
    :param max_lateness: how late it may begin; None for any time
    :param has_begun: returns whether an earlier attempt of the task has begun, so that this one is to end it
    :raises AirflowSkipException: if it is too late
    """
    moment = scheduled_moment(dag_run)
    if max_lateness is None or moment is None:
        return
    late = datetime.now(UTC) - moment
    if late <= max_lateness or has_begun():
        return
    seconds = timedelta(seconds=int(late.total_seconds()))
    reason = f"The run begins {seconds} after its scheduled moment; max_lateness is {max_lateness}."
    log.warning("%s Nothing is sent. To send anyway, trigger the Dag by hand.", reason)
    raise AirflowSkipException(reason)


def scheduled_moment(dag_run: Any) -> datetime | None:
    """
    Return when a run was to begin.

    :param dag_run: the run
    :return: None for a run that was triggered
    """
    return None if _run_type(dag_run) in BY_HAND else not_before(dag_run)


def not_before(dag_run: Any) -> datetime | None:
    """
    Return the moment before which Airflow begins no task of a run.

    :param dag_run: the run
    :return: None if the run has none
    """
    # Before Airflow 3 a run has no run_after; the interval of a run that is triggered says nothing about it.
    interval = ["data_interval_end"] if _run_type(dag_run) in WITH_INTERVAL else []
    moments = (getattr(dag_run, name, None) for name in ("run_after", *interval, "logical_date"))
    return next((moment for moment in moments if moment is not None), None)


def _run_type(dag_run: Any) -> Any:
    run_type = getattr(dag_run, "run_type", None)
    # An enum in Airflow 3, whose hash is not that of its text.
    return getattr(run_type, "value", run_type)
