"""Facts about the installed Airflow version that only tests need."""

from __future__ import annotations

from airflow_provider_usedesk.compat.version import AIRFLOW

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
HAS_DEADLINES = AIRFLOW >= (3, 1)
"""Whether a Dag can have a deadline."""
NAMES_EXCEPTION_IN_DAG_TEST = AIRFLOW < (3, 0) or AIRFLOW >= (3, 3)
"""Whether ``dag.test()`` passes the exception of a task to its callbacks; every worker does."""
HAS_LOG_LINK_IN_DAG_TEST = AIRFLOW != (3, 0)
"""Whether ``dag.test()`` passes the address of the log to callbacks; every worker does."""
PUSHES_NONE = AIRFLOW != (3, 0)
"""Whether an XCom can be None; Airflow 3.0 refuses it with HTTP 422."""
HAS_PARTITIONED_DAGS = AIRFLOW >= (3, 2)
"""Whether a Dag can be scheduled by the partitions of assets."""
