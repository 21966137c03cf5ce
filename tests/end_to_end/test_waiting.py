"""Waiting for tickets on a whole Airflow, whose triggerer dies meanwhile."""

from __future__ import annotations

import time

import pytest

pytest.importorskip("airflow.sdk", reason="a whole Airflow is started on Airflow 3 only")

from airflow_provider_usedesk.api.client import UsedeskClient
from airflow_provider_usedesk.sandbox import Sandbox
from dev import EXAMPLE_DAGS
from dev.local_airflow import LocalAirflow
from tests.end_to_end.dags.usedesk_waits import POLL_SECONDS
from tests.end_to_end.test_send_once import DAGS

pytestmark = pytest.mark.airflow

COUNT = 100
POLLS = 10
# A triggerer that died is noticed by its missing heartbeat only.
QUICK_TO_NOTICE = {
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "6",
}


@pytest.fixture
def sandbox():
    with Sandbox() as running:
        yield running


def airflow_with(sandbox, dags, **env):
    return LocalAirflow(dags, env={"AIRFLOW_CONN_USEDESK_DEFAULT": sandbox.connection_json, **env})


def test_a_person_approves_in_usedesk(sandbox):
    with airflow_with(sandbox, EXAMPLE_DAGS) as airflow:
        dag = "usedesk_approval"
        airflow.wait_for_dag(dag)
        airflow.unpause(dag)
        run = airflow.trigger(dag).run_id
        until(lambda: states(airflow, dag, run).get("approved") == ["deferred"], 120)
        [ticket] = sandbox.tickets
        assert ticket.subject == "May 17 refunds be paid?"
        sandbox.update(ticket.ticket_id, status=2)
        airflow.wait_for_success(dag, run)
        paid = airflow.xcom(dag, run, "pay_refunds")
        assert paid == f"17 refunds paid, ticket {ticket.ticket_id} is solved"
        link = airflow.xcom(dag, run, "approved", "_link_UsedeskTicketLink")
        assert link == f"{sandbox.inbox_url}tickets/{ticket.ticket_id}"


def test_a_hundred_tickets_share_one_poll_and_survive_the_triggerer(sandbox):
    dag = "usedesk_waits"
    ids = open_tickets(sandbox)
    with airflow_with(sandbox, DAGS, **QUICK_TO_NOTICE) as airflow:
        airflow.wait_for_dag(dag)
        airflow.unpause(dag)
        run = airflow.trigger(dag, {"tickets": ids}).run_id
        until(lambda: states(airflow, dag, run).get("wait") == ["deferred"] * COUNT, 600)
        before = requests(sandbox)
        until(lambda: sandbox.requests("tickets") >= before["tickets"] + POLLS, 120)
        waited = difference(requests(sandbox), before)
        print(f"{COUNT} sensors, {POLLS} polls of {POLL_SECONDS} s: {waited}")
        assert sum(waited.values()) <= 2 * POLLS + 6

        airflow.kill("triggerer")
        for ticket_id in ids[:50]:
            sandbox.update(ticket_id, status=2)
        dead = requests(sandbox)
        airflow.revive("triggerer")
        until(lambda: states(airflow, dag, run)["wait"].count("success") == 50, 300)
        print(
            f"the triggerer died, 50 tickets were solved, it came back: {difference(requests(sandbox), dead)}"
        )
        assert set(states(airflow, dag, run)["wait"]) == {"success", "deferred"}
        for ticket_id in ids[50:]:
            sandbox.update(ticket_id, status=3)
        airflow.wait_for_success(dag, run, 600)
        tries = {task.try_number for task in airflow.task_instances(dag, run)}
        assert tries == {1}
        names = [airflow.xcom(dag, run, "wait", map_index=place)["status_name"] for place in (0, 49, 50, 99)]
        assert names == ["solved", "solved", "closed", "closed"]


def open_tickets(sandbox):
    with UsedeskClient.connect(sandbox.token, sandbox.url) as client:
        return [client.create_ticket(subject="s", message="m").ticket_id for _ in range(COUNT)]


def states(airflow, dag, run):
    found = {}
    for task in airflow.task_instances(dag, run):
        found.setdefault(task.task_id, []).append(task.state)
    return found


def requests(sandbox):
    return {method: sandbox.requests(method) for method in ("tickets", "ticket")}


def difference(after, before):
    return {method: after[method] - before[method] for method in after}


def until(is_so, seconds):
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.5)
