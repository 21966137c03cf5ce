"""Alerts on a whole Airflow: callbacks in workers, in the Dag processor and in the triggerer."""

from __future__ import annotations

import time

import pytest

pytest.importorskip("airflow.sdk", reason="a whole Airflow is started on Airflow 3 only")

from airflow_provider_usedesk.sandbox import Sandbox
from dev import EXAMPLE_DAGS
from dev.local_airflow import LocalAirflow
from tests.end_to_end.test_send_once import DAGS

pytestmark = pytest.mark.airflow

FAILURES = 50
OPEN, SOLVED, DELETED, NEW = 1, 2, 4, 8


@pytest.fixture
def sandbox():
    with Sandbox() as running:
        yield running


def test_a_dag_that_fails_fifty_times_leaves_one_ticket(sandbox):
    """Many of the tasks fail at the same moment, so that several find no ticket and open one."""
    dag = "usedesk_flaps"
    with airflow_with(sandbox, DAGS) as airflow:
        airflow.wait_for_dag(dag)
        airflow.unpause(dag)
        runs = [airflow.trigger(dag, {"fails": True}, run_id=f"fails_{n}").run_id for n in range(FAILURES)]
        assert {airflow.wait_for_run(dag, run, 600).state for run in runs} == {"failed"}
        until(lambda: told(sandbox) == FAILURES, 120)
        [ticket] = open_tickets(sandbox)
        others = [one for one in sandbox.tickets if one.ticket_id != ticket.ticket_id]
        print(
            f"{FAILURES} failures: ticket {ticket.ticket_id} with {len(ticket.comments)} comments, "
            f"{len(others)} opened at the same moment and deleted"
        )
        assert {one.status for one in others} <= {DELETED}
        assert ticket.ticket_id == min(one.ticket_id for one in sandbox.tickets)
        airflow.wait_for_success(dag, airflow.run(dag, {"fails": False}).run_id)
        until(lambda: open_tickets(sandbox) == [], 120)
        assert sandbox.ticket(ticket.ticket_id).status == SOLVED


def test_alerts_of_whole_dags(sandbox):
    """The Dag processor runs the callbacks of a Dag, the triggerer those of a deadline."""
    with airflow_with(sandbox, EXAMPLE_DAGS) as airflow:
        assert airflow.run("usedesk_failure_alert", {"rows": 0}).state == "failed"
        until(lambda: len(open_tickets(sandbox)) == 1, 120)
        [failed] = sandbox.tickets
        assert failed.subject == "Airflow: Dag usedesk_failure_alert failed"
        airflow.wait_for_success("usedesk_failure_alert", airflow.run("usedesk_failure_alert").run_id)
        until(lambda: sandbox.ticket(failed.ticket_id).status == SOLVED, 120)

        late = airflow.run("usedesk_deadline_alert", {"seconds": 30})
        until(lambda: len(open_tickets(sandbox)) == 1, 120)
        [alert] = open_tickets(sandbox)
        assert alert.subject == "Airflow: Dag usedesk_deadline_alert missed its deadline"
        assert late.run_id in alert.message


def airflow_with(sandbox, dags):
    return LocalAirflow(dags, env={"AIRFLOW_CONN_USEDESK_DEFAULT": sandbox.connection_json})


def open_tickets(sandbox):
    return [ticket for ticket in sandbox.tickets if ticket.status in (NEW, OPEN)]


def told(sandbox):
    """Count the failures that can be read in the ticket that stays: its message, and a comment for each."""
    tickets = open_tickets(sandbox)
    return len(tickets[0].comments) if len(tickets) == 1 else 0


def until(is_so, seconds):
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.5)
