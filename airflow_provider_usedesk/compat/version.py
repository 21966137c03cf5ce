"""Facts about the installed Airflow version."""

from __future__ import annotations

import airflow

AIRFLOW_VERSION: str = airflow.__version__

AIRFLOW = tuple(int(part) for part in AIRFLOW_VERSION.split(".")[:2])
"""Major and minor version of the installed Airflow, such as ``(3, 3)``."""

HAS_ASSET_EVENTS_IN_TASKS = AIRFLOW >= (3, 0)
"""Whether a task can read the events of an asset."""
HAS_ASSET_WATCHERS = AIRFLOW >= (3, 0)
"""Whether a trigger can start a Dag through an asset."""
RENDERS_TASK_OF_CONTEXT = AIRFLOW != (3, 0)
"""Whether the task in the context of callbacks is the rendered one; on 3.0 it is not."""
HAS_FORM_WITHOUT_FAB = AIRFLOW >= (3, 1)
"""Whether the page of connections needs no Flask AppBuilder."""
HAS_DECLARED_FORM = AIRFLOW >= (3, 2)
"""Whether the fields of the connection form come from the provider info, not from the hook."""
RETRIES_KILLED_TASKS = AIRFLOW != (3, 0)
"""Whether a task whose process is killed is retried; Airflow 3.0 fails it, whatever its retries."""
HAS_WORKING_ASSET_INLETS = AIRFLOW >= (3, 1)
"""Whether a task with an asset as inlet runs; on 3.0 an asset that no Dag uses otherwise fails the task."""
HAS_DEADLINES = AIRFLOW >= (3, 1)
"""Whether a Dag can have a deadline."""
NAMES_FAILED_TASK = AIRFLOW >= (3, 2)
"""Whether the callback of a failed Dag run gets the task that failed; before 3.2 it gets an arbitrary one."""
NAMES_EXCEPTION_IN_DAG_TEST = AIRFLOW < (3, 0) or AIRFLOW >= (3, 3)
"""Whether ``dag.test()`` passes the exception of a task to its callbacks; every worker does."""
HAS_PARTITIONED_DAGS = AIRFLOW >= (3, 2)
"""Whether a Dag can be scheduled by the partitions of assets."""
HAS_STATE_STORES = AIRFLOW >= (3, 3)
"""Whether Airflow has the task state store and the asset state store."""
