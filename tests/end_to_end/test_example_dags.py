"""The example Dags on a whole Airflow: scheduler, API server, Dag processor, triggerer, LocalExecutor."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("airflow.sdk", reason="a whole Airflow is started on Airflow 3 only")

from airflow_provider_usedesk.api.client import UsedeskClient
from airflow_provider_usedesk.sandbox import Sandbox, Webhooks
from dev import EXAMPLE_DAGS
from dev.local_airflow import LocalAirflow
from tests.end_to_end.test_waiting import until
from tests.example_dags.test_example_dags import where_it_is_noon

pytestmark = pytest.mark.airflow

TOKEN = "0123456789abcdef-token"
SECRET = "webhook-secret-of-the-examples"


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(token=TOKEN) as running:
        yield running


@pytest.fixture(scope="module")
def airflow(sandbox):
    with LocalAirflow(EXAMPLE_DAGS, env={"USEDESK_TIMEZONE": where_it_is_noon()}, parse_every=5) as running:
        connection = sandbox.connection
        running.create_connection(
            "usedesk_default",
            connection["conn_type"],
            extra={**connection["extra"], "webhook_secret": SECRET},
            host=connection["host"],
            password=connection["password"],
        )
        yield running


@pytest.mark.parametrize(
    ("dag_id", "tickets"),
    [
        ("usedesk_open_ticket", 2),
        ("usedesk_whatsapp_reminders", 3),
        ("usedesk_ticket_with_file", 1),
        ("usedesk_channel_messages", 4),
        ("usedesk_taskflow", 1),
        ("usedesk_failure_alert", 0),
    ],
)
def test_example(airflow, sandbox, dag_id, tickets):
    sandbox.reset()
    airflow.run(dag_id)
    runs = _finished_runs(airflow, dag_id)
    tasks = {(run, task.task_id, task.state) for run in runs for task in airflow.task_instances(dag_id, run)}
    assert {state for _, _, state in tasks} == {"success"}
    xcoms = [entry for run, task, _ in tasks for entry in airflow.xcoms(dag_id, run, task)]
    sent = {ticket.ticket_id for ticket in sandbox.tickets}
    assert len(sent) == tickets * len(runs) == sandbox.requests("create/ticket")
    assert {entry.value for entry in xcoms if entry.key == "ticket_id"} == sent
    assert sent <= {
        entry.value for entry in xcoms if entry.key == "return_value" and type(entry.value) is int
    }


def test_a_batch_reminds_everyone_by_day(airflow, sandbox):
    dag = "usedesk_reminders_batch"
    sandbox.reset()
    airflow.run(dag)
    runs = _finished_runs(airflow, dag)
    for run in runs:
        [task] = airflow.task_instances(dag, run)
        summary = airflow.xcom(dag, run, "remind")
        assert (task.state, summary["rows"], summary["sent"]) == ("success", 20, 20)
        # The name of the function that reads them, which nobody else calls.
        assert "appointments" in airflow.rendered_fields(dag, run, "remind")["recipients"]
    keys = {ticket.additional_id for ticket in sandbox.tickets}
    assert len(keys) == len(sandbox.tickets) == 20 * len(runs)


def test_another_channel_is_taken_when_the_report_says_undelivered(airflow, sandbox):
    dag = "usedesk_delivery_fallback"
    sandbox.reset()
    sandbox.webhooks = Webhooks(delivery_status="UNDELIVERED", delay=2)
    sandbox.redirect_url = f"{airflow.url}/usedesk/webhook/usedesk_default/{SECRET}"
    run = airflow.run(dag)
    sandbox.redirect_url, sandbox.webhooks = None, Webhooks()
    states = {task.task_id: (task.state, task.try_number) for task in airflow.task_instances(dag, run.run_id)}
    assert states == {"find_client": ("success", 1), "whatsapp": ("failed", 1), "viber": ("success", 1)}
    template, message = sandbox.tickets
    assert airflow.xcom(dag, run.run_id, "whatsapp", "ticket_id") == template.ticket_id
    assert airflow.xcom(dag, run.run_id, "viber") == message.ticket_id
    assert "was not delivered: UNDELIVERED" in airflow.task_log(dag, run.run_id, "whatsapp")


def test_a_dag_starts_with_each_new_ticket_that_has_a_tag(airflow, sandbox):
    airflow.wait_for_dag("usedesk_new_ticket")
    airflow.unpause("usedesk_new_ticket")
    with UsedeskClient.connect(TOKEN, sandbox.url) as client:

        def priority_of_a_new_one():
            made.append(client.create_ticket(subject="s", message="m", tag="refund").ticket_id)
            return [sandbox.ticket(ticket_id).priority for ticket_id in made]

        made = []
        # The first ones may be older than the watcher.
        until(lambda: "urgent" in priority_of_a_new_one(), 120)


def test_the_form_and_the_button_of_the_connection(airflow):
    answer = airflow.call(
        "POST", "/connections/test", json={"connection_id": "usedesk_default", "conn_type": "usedesk"}
    )
    assert answer == {"status": True, "message": "connected, 3 groups visible"}


def test_token_and_secret_are_nowhere_in_what_airflow_stored_but_in_its_connection(airflow):
    """There they are encrypted, so that they must not be found in the database either."""
    home = Path(airflow.home)
    left_behind = [path for path in home.rglob("*") if path.is_file()]
    assert len(left_behind) > 10
    for path in left_behind:
        content = path.read_bytes()
        assert TOKEN.encode() not in content, path
        assert SECRET.encode() not in content, path


def _finished_runs(airflow, dag_id):
    """Wait for all runs: one with a schedule has run for it as soon as it was switched on."""
    runs = [run["dag_run_id"] for run in airflow.call("GET", f"/dags/{dag_id}/dagRuns")["dag_runs"]]
    for run in runs:
        airflow.wait_for_success(dag_id, run)
    return runs
