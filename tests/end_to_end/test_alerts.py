"""Alerts on a whole Airflow: callbacks in workers, in the Dag processor and in the triggerer."""

from __future__ import annotations

import pytest

pytest.importorskip("airflow.sdk", reason="a whole Airflow is started on Airflow 3 only")

from tests.support.whole_airflow import start, until

pytestmark = pytest.mark.airflow

FAILURES = 50
OPEN, SOLVED, DELETED, NEW = 1, 2, 4, 8


def test_fifty_failures_leave_one_ticket(airflow, sandbox):
    """Many of the tasks fail at the same moment, so that several find no ticket and open one."""
    dag = "usedesk_flaps"
    airflow.wait_for_dag(dag)
    airflow.unpause(dag)
    runs = [airflow.trigger(dag, {"fails": True}, run_id=f"fails_{n}").run_id for n in range(FAILURES)]
    assert {airflow.wait_for_run(dag, run, 600).state for run in runs} == {"failed"}
    until(lambda: alerts_in_the_open_ticket(sandbox) == FAILURES, 300)
    [ticket] = open_tickets(sandbox)
    others = [one for one in sandbox.tickets if one.ticket_id != ticket.ticket_id]
    print(
        f"{FAILURES} failures: ticket {ticket.ticket_id} with {len(ticket.comments)} comments, "
        f"{len(others)} opened at the same moment and deleted"
    )
    assert {one.status for one in others} <= {DELETED}
    assert ticket.ticket_id == min(one.ticket_id for one in sandbox.tickets)
    airflow.wait_for_success(dag, airflow.run(dag, {"fails": False}).run_id)
    until(lambda: open_tickets(sandbox) == [], 300)
    assert sandbox.ticket(ticket.ticket_id).status == SOLVED


def test_task_and_dag_callbacks_share_ticket(airflow, sandbox):
    """The worker runs the callback of a task, the Dag processor those of a Dag."""
    dag = "usedesk_failure_alert"
    assert airflow.run(dag, {"rows": 0}).state == "failed"
    until(lambda: alerts_in_the_open_ticket(sandbox) == 2, 300)
    [failed] = open_tickets(sandbox)
    texts = "".join(comment.message for comment in failed.comments)
    assert f"Task load_orders of Dag {dag} failed." in texts
    assert "ValueError: The shop sent no orders." in texts
    assert f"<p>Dag {dag} failed.</p>" in texts
    assert airflow.run(dag, {"rows": 0}).state == "failed"
    until(lambda: alerts_in_the_open_ticket(sandbox) == 4, 300)
    until(lambda: sandbox.ticket(failed.ticket_id).priority == "urgent", 300)
    airflow.wait_for_success(dag, airflow.run(dag).run_id)
    until(lambda: sandbox.ticket(failed.ticket_id).status == SOLVED, 300)


def test_deadline_callback_opens_a_ticket(airflow, sandbox):
    """The triggerer runs the callback of a deadline."""
    run_id = start(airflow, "usedesk_deadline_alert", {"seconds": 90})
    until(lambda: len(open_tickets(sandbox)) == 1, 300)
    [alert] = open_tickets(sandbox)
    assert alert.subject == "Airflow: Dag usedesk_deadline_alert missed its deadline"
    assert run_id in alert.message


def open_tickets(sandbox):
    return [ticket for ticket in sandbox.tickets if ticket.status in (NEW, OPEN)]


def alerts_in_the_open_ticket(sandbox):
    """Count the failures that can be read in the ticket that stays: its message, and a comment for each."""
    tickets = open_tickets(sandbox)
    return len(tickets[0].comments) if len(tickets) == 1 else 0
