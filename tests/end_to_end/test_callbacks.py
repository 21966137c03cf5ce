"""The table "Which failures call back" of the documentation, on a whole Airflow."""

from __future__ import annotations

from collections import defaultdict
from urllib.parse import quote

import pytest

pytest.importorskip("airflow.sdk", reason="a whole Airflow is started on Airflow 3 only")

from airflow_provider_usedesk.compat.version import AIRFLOW
from airflow_provider_usedesk.sandbox import Sandbox
from dev import PROJECT
from tests.end_to_end.dags.usedesk_callbacks import dag_id
from tests.support.whole_airflow import DAGS, connection_json, local_airflow, start, until

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.skipif(AIRFLOW != (3, 3), reason="the table describes Airflow 3.3 and 2.11"),
]

# Airflow reaches a deadlock only by a fault of its own or by a custom dependency.
NOT_TRIED = "deadlock"
# The rows of the table, in its order.
ROWS = (
    "raises",
    "execution_timeout",
    "process killed",
    "worker killed",
    "task marked failed",
    "run marked failed",
    "dagrun_timeout",
    "upstream failed",
    NOT_TRIED,
    "skips itself",
    "skipped by another task",
)
WAYS = tuple(way for way in ROWS if way != NOT_TRIED)
ENV = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "45",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    "AIRFLOW__CORE__PARALLELISM": "16",
}


@pytest.fixture(scope="module")
def alerts():
    """The messages of all alerts, by the way to fail and the callback."""
    with Sandbox() as sandbox:
        env = {**ENV, "AIRFLOW_CONN_USEDESK_DEFAULT": connection_json(sandbox)}
        with local_airflow(DAGS, env=env, parse_every=300) as airflow:
            fail_in_all_ways(airflow)
            # The callback of a missing heartbeat is the last: those that must not come have had their time.
            until(lambda: expected_alerts() <= alerts_of(read(sandbox)), 600)
            return read(sandbox)


def test_table_is_complete():
    assert len(table()) == len(ROWS)


@pytest.mark.parametrize("way", WAYS)
def test_failure_calls_back(alerts, way):
    print(f"{way}: {', '.join(f'{len(texts)} {name}' for name, texts in alerts[way].items() if texts)}")
    for callback in ("task failure", "task skipped", "Dag failure"):
        assert bool(alerts[way][callback]) == (callback in callbacks_of(way)), callback


@pytest.mark.parametrize(
    ("way", "callback", "text"),
    [
        ("worker killed", "task failure", "of Dag usedesk_callbacks_worker_killed failed.</p>"),
        ("worker killed", "task failure", "Airflow reports no exception of the task"),
        ("process killed", "Dag failure", "Last failed task: work"),
        ("dagrun_timeout", "Dag failure", "failed: it ran longer than its dagrun_timeout"),
        ("run marked failed", "deadline", "missed its deadline"),
    ],
)
def test_alert_says_why(alerts, way, callback, text):
    assert text in alerts[way][callback][0]


def fail_in_all_ways(airflow):
    """Start all Dags, and mark a task and a run as failed while they run."""
    runs = {way: start(airflow, dag_id(way)) for way in WAYS}
    for way, path, body in (
        ("task marked failed", "/taskInstances/work", {"new_state": "failed"}),
        ("run marked failed", "", {"state": "failed"}),
    ):
        dag, run = dag_id(way), runs[way]
        until(lambda dag=dag, run=run: airflow.task_instance(dag, run, "work").state == "running", 300)
        airflow.call("PATCH", f"/dags/{dag}/dagRuns/{quote(run, safe='')}{path}", json=body)


def expected_alerts():
    """The alerts that the table names, and the one of a deadline, each as (way, callback)."""
    return {(way, callback) for way in WAYS for callback in callbacks_of(way)} | {
        ("run marked failed", "deadline")
    }


def callbacks_of(way):
    """The callbacks that the table names for a way to fail."""
    of_task, of_dag = (cell.strip("*`") for cell in table()[ROWS.index(way)][1:3])
    named = {
        "task failure": of_task in ("yes", "later"),
        "task skipped": of_task == "on_skipped_callback",
        "Dag failure": of_dag in ("yes", "later"),
    }
    return {callback for callback, is_named in named.items() if is_named}


def alerts_of(found):
    return {(way, callback) for way, texts in found.items() for callback in texts}


def read(sandbox):
    found = defaultdict(lambda: defaultdict(list))
    for ticket in sandbox.tickets:
        way, _, callback = ticket.subject.partition("/")
        found[way][callback].append(ticket.message)
    return found


def table():
    """Return the rows of the table."""
    page = (PROJECT / "docs" / "notifier.md").read_text()
    _, _, section = page.partition("## Which failures call back")
    section, _, _ = section.partition("\n## ")
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]
