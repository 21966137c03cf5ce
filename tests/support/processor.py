"""The callbacks that Airflow runs in its Dag processor, with the requests that its scheduler sends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow_provider_usedesk.compat.version import AIRFLOW
from tests.support.airflow import Run

# What the scheduler says of a task whose process is gone; Airflow 2 passes it to the callback.
MESSAGE = "{'DAG Id': 'sales', 'Task Id': 'load', 'Hostname': 'worker-1'}"


def call_back_task(path: Path, run: Run, task_id: str, *, will_retry: bool = False) -> None:
    """
    Run the callbacks of a task whose process was killed.

    :param path: file of the Dag
    :param run: a run of the Dag
    :param task_id: id of the task
    :param will_retry: whether Airflow will run the task again
    """
    from airflow.utils.session import create_session

    with create_session() as session:
        ti = _task_instance(session, run, task_id)
        if AIRFLOW < (3, 0):
            ti.task = _bag(path).dags[run.dag_id].get_task(task_id)
            ti.state, ti.max_tries = "running", 1 if will_retry else 0
            ti.handle_failure(error=MESSAGE, session=session)
            return
        _execute(path, _task_request(ti, will_retry=will_retry))


def call_back_dag(path: Path, run: Run, reason: str, task_id: str | None = None) -> None:
    """
    Run the callbacks of a failed Dag run.

    :param path: file of the Dag
    :param run: a run of the Dag
    :param reason: why it failed, in the word of Airflow
    :param task_id: id of the task that Airflow 3 passes
    """
    from airflow.utils.session import create_session

    with create_session() as session:
        dag_run = _dag_run(session, run)
        if AIRFLOW < (3, 0):
            _bag(path).dags[run.dag_id].handle_callback(
                dag_run, success=False, reason=reason, session=session
            )
            return
        ti = _task_instance(session, run, task_id) if task_id else None
        _execute(path, _dag_request(dag_run, ti, reason))


def _task_request(ti: Any, *, will_retry: bool) -> Any:
    from airflow.api_fastapi.execution_api.datamodels.taskinstance import DagRun, TIRunContext
    from airflow.callbacks.callback_requests import TaskCallbackRequest

    return TaskCallbackRequest(
        filepath="",
        bundle_name="testing",
        bundle_version=None,
        ti=ti,
        msg=MESSAGE,
        task_callback_type="up_for_retry" if will_retry else "failed",
        context_from_server=TIRunContext(
            dag_run=DagRun.model_validate(ti.dag_run, from_attributes=True),
            max_tries=1 if will_retry else 0,
            variables=[],
            connections=[],
            xcom_keys_to_clear=[],
        ),
    )


def _dag_request(dag_run: Any, ti: Any, reason: str) -> Any:
    from airflow.callbacks.callback_requests import DagCallbackRequest, DagRunContext

    return DagCallbackRequest(
        filepath="",
        bundle_name="testing",
        bundle_version=None,
        dag_id=dag_run.dag_id,
        run_id=dag_run.run_id,
        context_from_server=DagRunContext(dag_run=dag_run, last_ti=ti),
        is_failure_callback=True,
        msg=reason,
    )


def _execute(path: Path, request: Any) -> None:
    import structlog
    from airflow.dag_processing.processor import _execute_callbacks

    _execute_callbacks(_bag(path), [request], structlog.get_logger())


def _bag(path: Path) -> Any:
    from airflow.models import DagBag

    return DagBag(path)


def _task_instance(session: Any, run: Run, task_id: str) -> Any:
    from airflow.models.taskinstance import TaskInstance

    query = session.query(TaskInstance).filter_by(dag_id=run.dag_id, run_id=run.run_id, task_id=task_id)
    return query.one()


def _dag_run(session: Any, run: Run) -> Any:
    from airflow.models.dagrun import DagRun

    return session.query(DagRun).filter_by(dag_id=run.dag_id, run_id=run.run_id).one()
