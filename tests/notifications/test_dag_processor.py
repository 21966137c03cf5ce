"""Alerts from the callbacks that Airflow runs in its Dag processor, where the context has less."""

from __future__ import annotations

import pytest

from airflow_provider_usedesk.compat.version import AIRFLOW, NAMES_FAILED_TASK
from tests.support.processor import call_back_dag, call_back_task

SOURCE = """
from datetime import datetime

from tests.support.dags import dag, task

from airflow_provider_usedesk.notifications.usedesk import UsedeskNotifier

FAILED, RETRIED = UsedeskNotifier(), UsedeskNotifier()

@dag(schedule=None, start_date=datetime(2026, 1, 1), on_failure_callback=[UsedeskNotifier()])
def sales():
    @task(on_failure_callback=FAILED, on_retry_callback={on_retry}, retries={retries})
    def load():
        pass

    @task
    def a_failing():
        raise ValueError("no orders")

    @task
    def zip_files():
        pass

    load() >> a_failing() >> zip_files()

sales()
"""
DIED = "Airflow reports no exception of the task: its process was killed, died or did not start."


@pytest.fixture
def run_then_call_back(run_dag, usedesk_sandbox, tmp_path):
    """Run a Dag, forget its alerts, and let the Dag processor call back; return the last ticket."""

    def run(call_back, *args, on_retry="RETRIED", retries=0, **kwargs):
        path = tmp_path / "sales.py"
        path.write_text(SOURCE.format(on_retry=on_retry, retries=retries))
        dag_run = run_dag(path)
        usedesk_sandbox.reset()
        call_back(path, dag_run, *args, **kwargs)
        [ticket] = usedesk_sandbox.tickets
        return ticket

    return run


@pytest.mark.parametrize("on_retry", ["RETRIED", "FAILED"], ids=["two notifiers", "one notifier"])
@pytest.mark.parametrize(
    ("will_retry", "verb"),
    [(False, "failed"), (True, "failed and will be tried again")],
    ids=["last", "retry"],
)
def test_killed_task(run_then_call_back, on_retry, will_retry, verb):
    ticket = run_then_call_back(
        call_back_task, "load", will_retry=will_retry, on_retry=on_retry, retries=int(will_retry)
    )
    assert ticket.subject == f"Airflow: Task load of Dag sales {verb}"
    assert DIED in ticket.message
    assert f"Try: 1 of {1 + will_retry}" in ticket.message


@pytest.mark.parametrize(
    ("reason", "headline"),
    [
        ("task_failure", "Dag sales failed"),
        ("timed_out", "Dag sales failed: it ran longer than its dagrun_timeout"),
        ("all_tasks_deadlocked", "Dag sales failed: none of its unfinished tasks can run (deadlock)"),
        ("a new reason", "Dag sales failed: a new reason"),
    ],
)
def test_failed_dag_run_names_reason(run_then_call_back, reason, headline):
    ticket = run_then_call_back(call_back_dag, reason, "a_failing")
    assert ticket.subject == f"Airflow: {headline}"
    assert DIED not in ticket.message


def test_failed_dag_run_names_last_failed_task(run_then_call_back):
    ticket = run_then_call_back(call_back_dag, "task_failure", "a_failing")
    if NAMES_FAILED_TASK or AIRFLOW < (3, 0):
        assert "Last failed task: a_failing<br>" in ticket.message
        assert "a_failing" in ticket.message.partition('<a href="')[2]
    else:
        assert "Last task: a_failing<br>" in ticket.message


def test_failed_dag_run_without_task(run_then_call_back):
    ticket = run_then_call_back(call_back_dag, "timed_out")
    assert ticket.subject == "Airflow: Dag sales failed: it ran longer than its dagrun_timeout"
