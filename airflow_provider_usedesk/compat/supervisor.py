"""The process that serves the calls of a task: what it answers, and which attempt is the current one."""

from __future__ import annotations

from typing import Any

from airflow_provider_usedesk.compat.stores import TaskStateStore
from airflow_provider_usedesk.compat.version import AIRFLOW

# States of a task instance of Airflow 2 that show that its attempt is over.
ENDED = frozenset(
    {"up_for_retry", "failed", "success", "skipped", "upstream_failed", "removed", "restarting"}
)


def task_store(context: Any) -> TaskStateStore | None:
    """
    Return the task state store of a context.

    :param context: the context of a task or of a callback
    :return: None before Airflow 3.3, and in the Dag processor, which does not answer calls to the store
    """
    accessor = context.get("task_state_store")
    return TaskStateStore(accessor) if accessor is not None and serves_tasks() else None


def serves_tasks() -> bool:
    """
    Return whether the supervisor of this process answers the calls of a task.

    The Dag processor runs callbacks of tasks that ended without one. It answers calls neither to the task
    state store nor to XCom: a caller waits until the Dag processor ends its process.
    """
    if AIRFLOW < (3, 3):
        return True
    from airflow.sdk.execution_time import task_runner
    from pydantic import TypeAdapter, ValidationError

    decoder = getattr(getattr(task_runner, "SUPERVISOR_COMMS", None), "body_decoder", None)
    if not isinstance(decoder, TypeAdapter):
        # dag.test() has no other process.
        return True
    try:
        decoder.validate_python({"type": "TaskStateStoreResult", "key": "key", "value": "value"})
    except ValidationError as error:
        return not any(detail["type"] == "union_tag_invalid" for detail in error.errors())
    return True


def check_is_current(ti: Any) -> None:
    """
    Check that Airflow has not begun another attempt of a task (Airflow 2 only).

    From Airflow 3.3 on, the store refuses the write of an earlier attempt.

    :param ti: the task instance of this attempt
    :raises RuntimeError: if another attempt has begun or this one is over
    """
    if AIRFLOW >= (3, 0):
        return
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    columns = (TaskInstance.state, TaskInstance.try_number)
    with create_session() as session:
        row = (
            session.query(*columns)
            .filter_by(dag_id=ti.dag_id, run_id=ti.run_id, task_id=ti.task_id, map_index=ti.map_index)
            .one_or_none()
        )
    if row is not None and (row[1] != ti.try_number or row[0] in ENDED):
        raise RuntimeError("Airflow has begun another attempt of this task, or has ended this one.")
