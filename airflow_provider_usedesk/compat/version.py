"""Facts about the installed Airflow version."""

from __future__ import annotations

import airflow

AIRFLOW_VERSION: str = airflow.__version__

AIRFLOW = tuple(int(part) for part in AIRFLOW_VERSION.split(".")[:2])
"""Major and minor version of the installed Airflow, such as ``(3, 3)``."""

HAS_ASSET_EVENTS_IN_TASKS = AIRFLOW >= (3, 0)
"""Whether a task can read the events of an asset."""
HAS_WORKING_ASSET_INLETS = AIRFLOW >= (3, 1)
"""Whether a task with an asset as inlet runs; on 3.0 an asset that no Dag uses otherwise fails the task."""
NAMES_FAILED_TASK = AIRFLOW >= (3, 2)
"""Whether the callback of a failed Dag run gets the task that failed; before 3.2 it gets an arbitrary one."""
HAS_STATE_STORES = AIRFLOW >= (3, 3)
"""Whether Airflow has the task state store and the asset state store."""
