"""One short run on a whole Airflow: the Dag of the demo, a killed and retried task, a deferred task."""

from __future__ import annotations

import pytest

pytest.importorskip("airflow.sdk", reason="a whole Airflow is started on Airflow 3 only")

from dev import DEMO_DAG
from tests.support.whole_airflow import outcomes, start, until

pytestmark = [pytest.mark.airflow, pytest.mark.smoke]

APPROVAL, KILLED = "usedesk_approval", "usedesk_dies_once"
SOLVED = 2


@pytest.fixture(scope="module")
def runs(airflow, default_sandbox):
    """All three runs at the same time: most of each is waiting."""
    default_sandbox.reset()
    return {dag_id: start(airflow, dag_id) for dag_id in (APPROVAL, KILLED, DEMO_DAG)}


def test_demo_dag_opens_its_tickets(airflow, runs, default_sandbox):
    airflow.wait_for_success(DEMO_DAG, runs[DEMO_DAG])
    tasks = outcomes(airflow, DEMO_DAG, runs[DEMO_DAG])
    ids = {task.xcoms["ticket_id"] for task in tasks.values() if "ticket_id" in task.xcoms}
    assert len(ids) == 2
    assert ids <= {ticket.ticket_id for ticket in default_sandbox.tickets}


def test_killed_task_sends_once(airflow, runs, default_sandbox):
    airflow.wait_for_success(KILLED, runs[KILLED])
    [ticket] = [one for one in default_sandbox.tickets if one.subject == "Killed and retried"]
    task = outcomes(airflow, KILLED, runs[KILLED])["die"]
    assert (task.state, task.attempts, task.xcoms["ticket_id"]) == ("success", 2, ticket.ticket_id)


def test_deferred_sensor_resumes(airflow, runs, default_sandbox):
    run = runs[APPROVAL]
    until(lambda: outcomes(airflow, APPROVAL, run)["approved"].state == "deferred", 300)
    [ticket] = [one for one in default_sandbox.tickets if "approval" in one.tags]
    assert ticket.subject == "May 17 refunds be paid?"
    default_sandbox.update(ticket.ticket_id, status=SOLVED)
    airflow.wait_for_success(APPROVAL, run)
    paid = airflow.xcom(APPROVAL, run, "pay_refunds")
    assert paid == f"17 refunds paid, ticket {ticket.ticket_id} is solved"
    link = airflow.xcom(APPROVAL, run, "approved", "_link_UsedeskTicketLink")
    assert link == f"{default_sandbox.inbox_url}tickets/{ticket.ticket_id}"
