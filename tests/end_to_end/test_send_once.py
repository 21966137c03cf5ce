"""The fault matrix: a task dies or its connection breaks, Airflow tries again, and there is one ticket."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from airflow import __version__ as airflow_version

from airflow_provider_usedesk import sandbox as faults
from airflow_provider_usedesk.sandbox import Sandbox
from tests.end_to_end.dags.usedesk_dies import DEATHS

pytestmark = pytest.mark.airflow

DAGS = Path(__file__).parent / "dags"
HAS_STATE_STORE = tuple(map(int, airflow_version.split(".")[:2])) >= (3, 3)

BROKEN = {
    "closed_before_reading": faults.close(),
    "closed_after_the_ticket_was_made": faults.close("after"),
    "read_timeout_ticket_made": faults.delay(4, "after"),
    "read_timeout_ticket_made_later": faults.delay(4),
    "bad_gateway": faults.html(502),
    "bad_gateway_after_the_ticket_was_made": faults.html(502, "after"),
    "login_page_with_200": faults.html(200, "after"),
    "half_an_answer": faults.half_answer(),
    "rate_refusal": faults.rate_limited(0),
    "rate_refusal_too_long_to_wait": faults.rate_limited(60),
}
# Airflow 2.11 on SQLite runs one task at a time: the ones that differ there.
CASES = (
    [*DEATHS, *BROKEN] if HAS_STATE_STORE else [*DEATHS, "closed_after_the_ticket_was_made", "bad_gateway"]
)


@pytest.fixture(scope="module")
def matrix(tmp_path_factory):
    """Run all cases in one Dag run; return, for each, its sandbox, its state, its tries and its XCom."""
    with ExitStack() as stack:
        sandboxes = {case: stack.enter_context(Sandbox()) for case in CASES}
        env = {"USEDESK_CASES": json.dumps(CASES)}
        for case, sandbox in sandboxes.items():
            if case in BROKEN:
                sandbox.fail(BROKEN[case], method="create/ticket")
            connection = {**sandbox.connection, "extra": {"timeout": 2, "max_wait": 5}}
            env[f"AIRFLOW_CONN_USEDESK_{case.upper()}"] = json.dumps(connection)
        run = _run_3 if HAS_STATE_STORE else _run_2
        yield sandboxes, run(env, tmp_path_factory)


@pytest.mark.parametrize("case", CASES)
def test_exactly_one_ticket(matrix, case):
    sandboxes, outcomes = matrix
    state, tries, xcoms = outcomes[case]
    sandbox = sandboxes[case]
    print(
        f"{case}: {len(sandbox.tickets)} ticket, {tries} tries, {sandbox.requests('create/ticket')} create, "
        f"{sandbox.requests('tickets')} tickets, {sandbox.requests('ticket')} ticket"
    )
    assert state == "success"
    [ticket] = sandbox.tickets
    assert xcoms == {"return_value": ticket.ticket_id, "ticket_id": ticket.ticket_id}
    assert ticket.additional_id.startswith("airflow/usedesk_dies/")
    assert tries == (1 if case == "rate_refusal" else 2)


def _run_3(env, tmp_path_factory):
    from dev.local_airflow import LocalAirflow

    with LocalAirflow(DAGS, env=env) as airflow:
        run = airflow.run("usedesk_dies", timeout=300)
        return {
            task.task_id: (
                task.state,
                task.try_number,
                {entry.key: entry.value for entry in airflow.xcoms("usedesk_dies", run.run_id, task.task_id)},
            )
            for task in airflow.task_instances("usedesk_dies", run.run_id)
        }


def _run_2(env, tmp_path_factory):
    home = tmp_path_factory.mktemp("airflow")
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
        **env,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "PYTHONPATH": str(Path.cwd()),
    }
    airflow = [sys.executable, "-m", "airflow"]
    subprocess.run([*airflow, "db", "migrate"], env=env, check=True, capture_output=True)
    with _running([*airflow, "scheduler", "--skip-serve-logs"], env, home / "scheduler.log"):
        trigger = [*airflow, "dags", "trigger", "usedesk_dies"]
        _until(lambda: subprocess.run(trigger, env=env, capture_output=True, check=False).returncode == 0, 60)
        _until(lambda: _rows(home, "SELECT 1 FROM dag_run WHERE state IN ('success', 'failed')"), 500)
    tries = dict(_rows(home, "SELECT task_id, try_number FROM task_instance"))
    xcoms = {task: {} for task in tries}
    for task, key, value in _rows(home, "SELECT task_id, key, value FROM xcom"):
        xcoms[task][key] = json.loads(value)
    states = _rows(home, "SELECT task_id, state FROM task_instance")
    return {task: (state, tries[task], xcoms[task]) for task, state in states}


@contextmanager
def _running(command, env, log):
    with log.open("w") as out, subprocess.Popen(command, env=env, stdout=out, stderr=out) as process:
        try:
            yield
        finally:
            process.terminate()


def _until(is_so, seconds):
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def _rows(home, query):
    with sqlite3.connect(home / "airflow.db", timeout=10) as database:
        return database.execute(query).fetchall()
