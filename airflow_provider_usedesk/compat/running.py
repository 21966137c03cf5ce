"""The task that this process runs."""

from __future__ import annotations

from typing import Any

from airflow_provider_usedesk.compat.sdk import AirflowException


def running_task() -> Any:
    """Return the task that this process runs now; None while it parses a Dag, and outside of Airflow."""
    # Loads much on Airflow 2.
    from airflow_provider_usedesk.compat.sdk import get_current_context

    try:
        return get_current_context().get("task")
    except (AirflowException, RuntimeError):
        return None
