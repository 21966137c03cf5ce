"""What serves the calls of a task, and which attempt is the current one."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from airflow_provider_usedesk.compat import supervisor
from airflow_provider_usedesk.compat.version import AIRFLOW, HAS_STATE_STORES


@pytest.mark.skipif(not HAS_STATE_STORES, reason="needs Airflow 3.3")
class TestServesTasks:
    @pytest.fixture
    def serve(self, monkeypatch):
        from airflow.sdk.execution_time import task_runner
        from pydantic import TypeAdapter

        def serve(messages):
            comms = SimpleNamespace(body_decoder=TypeAdapter(messages))
            monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", comms, raising=False)

        return serve

    def test_worker_has_store(self, serve):
        from airflow.sdk.execution_time.comms import ToTask

        serve(ToTask)
        assert supervisor.serves_tasks()
        assert supervisor.task_store({"task_state_store": object()}) is not None

    def test_dag_processor_has_no_store(self, serve):
        from airflow.dag_processing.processor import ToDagProcessor

        serve(ToDagProcessor)
        assert not supervisor.serves_tasks()
        assert supervisor.task_store({"task_state_store": object()}) is None


def test_context_without_store_has_none():
    assert supervisor.task_store({}) is None


@pytest.mark.skipif(AIRFLOW >= (3, 0), reason="Airflow 2 only")
class TestCurrentAttempt:
    @pytest.fixture
    def ti(self, airflow_db):
        from airflow.models import DagRun, TaskInstance
        from airflow.operators.empty import EmptyOperator
        from airflow.utils import timezone
        from airflow.utils.session import create_session
        from airflow.utils.types import DagRunType

        from tests.support.dags import DAG

        with DAG("current", schedule=None):
            task = EmptyOperator(task_id="task")
        with create_session() as session:
            run = DagRun("current", "run", execution_date=timezone.utcnow(), run_type=DagRunType.MANUAL)
            session.add(run)
            session.flush()
            stored = TaskInstance(task, run_id="run", state="running")
            stored.try_number = 2
            session.add(stored)
        yield SimpleNamespace(dag_id="current", run_id="run", task_id="task", map_index=-1, try_number=2)
        with create_session() as session:
            session.query(DagRun).filter_by(dag_id="current").delete()

    def test_running_attempt_is_current(self, ti):
        supervisor.check_is_current(ti)

    def test_earlier_attempt_is_not(self, ti):
        ti.try_number = 1
        with pytest.raises(RuntimeError, match="another attempt"):
            supervisor.check_is_current(ti)
