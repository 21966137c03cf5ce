"""Forty sensors on a whole Airflow, whose triggerer dies meanwhile."""

from __future__ import annotations

import pytest

pytest.importorskip("airflow.sdk", reason="a whole Airflow is started on Airflow 3 only")

from airflow_provider_usedesk.api.client import UsedeskClient
from airflow_provider_usedesk.sandbox import Sandbox
from tests.end_to_end.dags.usedesk_waits import POLL_SECONDS
from tests.support.whole_airflow import DAGS, QUICK_TO_NOTICE, local_airflow, until

pytestmark = pytest.mark.airflow

COUNT = 40
HALF = COUNT // 2
POLLS = 10


@pytest.fixture
def sandbox():
    with Sandbox() as running:
        yield running


@pytest.fixture
def airflow(sandbox):
    """An Airflow of its own, because its triggerer is killed."""
    env = {"AIRFLOW_CONN_USEDESK_DEFAULT": sandbox.connection_json, **QUICK_TO_NOTICE}
    with local_airflow(DAGS, env=env) as running:
        yield running


def test_sensors_share_a_poll_and_survive_the_triggerer(airflow, sandbox):
    dag = "usedesk_waits"
    ids = open_tickets(sandbox)
    airflow.wait_for_dag(dag)
    airflow.unpause(dag)
    run = airflow.trigger(dag, {"tickets": ids}).run_id
    until(lambda: states(airflow, dag, run).get("wait") == ["deferred"] * COUNT, 600)
    before = requests(sandbox)
    until(lambda: sandbox.requests("tickets") >= before["tickets"] + POLLS, 300)
    waited = difference(requests(sandbox), before)
    print(f"{COUNT} sensors, {POLLS} polls of {POLL_SECONDS} s: {waited}")
    assert sum(waited.values()) <= 2 * POLLS + 6

    airflow.kill("triggerer")
    for ticket_id in ids[:HALF]:
        sandbox.update(ticket_id, status=2)
    dead = requests(sandbox)
    airflow.revive("triggerer")
    until(lambda: states(airflow, dag, run)["wait"].count("success") == HALF, 300)
    print(f"triggerer killed, half solved, triggerer restarted: {difference(requests(sandbox), dead)}")
    assert set(states(airflow, dag, run)["wait"]) == {"success", "deferred"}
    for ticket_id in ids[HALF:]:
        sandbox.update(ticket_id, status=3)
    airflow.wait_for_success(dag, run, 600)
    attempts = {task.try_number for task in airflow.task_instances(dag, run)}
    assert attempts == {1}
    names = [
        airflow.xcom(dag, run, "wait", map_index=index)["status_name"]
        for index in (0, HALF - 1, HALF, COUNT - 1)
    ]
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
