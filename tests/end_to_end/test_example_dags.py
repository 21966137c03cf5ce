"""The example Dags on a whole Airflow: scheduler, API server, Dag processor, triggerer."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("airflow.sdk", reason="a whole Airflow is started on Airflow 3 only")

from airflow_provider_usedesk.sandbox import Webhooks
from tests.end_to_end.conftest import SECRET, TOKEN
from tests.support.whole_airflow import until_taken_over

pytestmark = pytest.mark.airflow


@pytest.mark.parametrize(
    ("dag_id", "tickets"),
    [
        ("usedesk_open_ticket", 2),
        ("usedesk_whatsapp_reminders", 3),
        ("usedesk_ticket_with_file", 1),
        ("usedesk_channel_messages", 4),
        ("usedesk_taskflow", 1),
        ("usedesk_new_client", 1),
        ("usedesk_failure_alert", 0),
    ],
)
def test_example_sends_its_tickets(airflow, sandbox, dag_id, tickets):
    before = _runs(airflow, dag_id)
    airflow.run(dag_id)
    runs = _finished_runs(airflow, dag_id, before)
    tasks = {(run, task.task_id, task.state) for run in runs for task in airflow.task_instances(dag_id, run)}
    assert {state for _, _, state in tasks} == {"success"}
    xcoms = [entry for run, task, _ in tasks for entry in airflow.xcoms(dag_id, run, task)]
    sent = {ticket.ticket_id for ticket in sandbox.tickets}
    assert len(sent) == tickets * len(runs) == sandbox.requests("create/ticket")
    assert {entry.value for entry in xcoms if entry.key == "ticket_id"} == sent
    assert sent <= {
        entry.value for entry in xcoms if entry.key == "return_value" and type(entry.value) is int
    }


def test_batch_example_sends_every_row(airflow, sandbox):
    dag = "usedesk_reminders_batch"
    before = _runs(airflow, dag)
    airflow.run(dag)
    runs = _finished_runs(airflow, dag, before)
    # Airflow starts one for the last interval, which max_lateness skips most of the day.
    late = {run for run in runs if [task.state for task in airflow.task_instances(dag, run)] == ["skipped"]}
    assert all(run.startswith("scheduled") for run in late)
    runs -= late
    for run in runs:
        [task] = airflow.task_instances(dag, run)
        summary = airflow.xcom(dag, run, "remind")
        assert (task.state, summary["rows"], summary["sent"]) == ("success", 20, 20)
        # The name of the function that reads the rows, which Airflow must not call.
        assert "appointments" in airflow.rendered_fields(dag, run, "remind")["recipients"]
    keys = {ticket.additional_id for ticket in sandbox.tickets}
    assert len(keys) == len(sandbox.tickets) == 20 * len(runs)


def test_undelivered_report_triggers_the_fallback(airflow, sandbox):
    dag = "usedesk_delivery_fallback"
    sandbox.webhooks = Webhooks(delivery_status="UNDELIVERED", delay=2)
    sandbox.redirect_url = f"{airflow.url}/usedesk/webhook/usedesk_default/{SECRET}"
    run = airflow.run(dag)
    sandbox.redirect_url, sandbox.webhooks = None, Webhooks()
    states = {task.task_id: (task.state, task.try_number) for task in airflow.task_instances(dag, run.run_id)}
    assert states == {
        "find_client": ("success", 1),
        "whatsapp": ("failed", 1),
        "not_delivered": ("success", 1),
        "viber": ("success", 1),
    }
    template, message = sandbox.tickets
    assert airflow.xcom(dag, run.run_id, "whatsapp", "ticket_id") == template.ticket_id
    assert airflow.xcom(dag, run.run_id, "whatsapp", "message_status") == "not delivered"
    assert airflow.xcom(dag, run.run_id, "viber") == message.ticket_id
    assert "was not delivered: UNDELIVERED" in airflow.task_log(dag, run.run_id, "whatsapp")


def test_tagged_ticket_starts_a_dag(airflow, sandbox):
    airflow.wait_for_dag("usedesk_new_ticket")
    airflow.unpause("usedesk_new_ticket")
    until_taken_over(sandbox, 300)
    airflow.pause("usedesk_new_ticket")


def test_connection_test_succeeds(airflow):
    response = airflow.call(
        "POST", "/connections/test", json={"connection_id": "usedesk_default", "conn_type": "usedesk"}
    )
    assert response == {"status": True, "message": "connected, 3 groups visible"}


def test_airflow_stores_no_plain_secret(airflow):
    """The connection has them encrypted, so that no file may contain them."""
    home = Path(airflow.home)
    left_behind = [path for path in home.rglob("*") if path.is_file()]
    assert len(left_behind) > 10
    for path in left_behind:
        content = path.read_bytes()
        assert TOKEN.encode() not in content, path
        assert SECRET.encode() not in content, path


def _finished_runs(airflow, dag_id, before):
    """Wait for all new runs: a scheduled Dag has a run as soon as it is unpaused."""
    runs = _runs(airflow, dag_id) - before
    for run in runs:
        airflow.wait_for_success(dag_id, run)
    # A schedule would send tickets in the middle of another test.
    airflow.pause(dag_id)
    return runs


def _runs(airflow, dag_id):
    return {run["dag_run_id"] for run in airflow.call("GET", f"/dags/{dag_id}/dagRuns")["dag_runs"]}
