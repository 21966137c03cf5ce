"""The fault matrix: a task dies or its connection breaks, Airflow tries again, and there is one ticket."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections import ChainMap
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random

import pytest
from airflow import __version__ as airflow_version

from airflow_provider_usedesk import sandbox as faults
from airflow_provider_usedesk.api.client import UsedeskClient
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
    "rate_refusal_too_long_to_wait": faults.rate_limited(5),
}
CASES = [*DEATHS, *BROKEN]
# Airflow 2.11 on SQLite runs one task at a time, and notices a death late.
SHARES = 3
COMMENT_CASES = CASES if HAS_STATE_STORE else list(DEATHS)


@pytest.fixture(scope="module")
def matrix(tmp_path_factory):
    """Run all cases in one Dag run; return, for each, its sandbox, its state, its tries and its XCom."""
    with ExitStack() as stack:
        tasks = [*CASES, *(f"comment_{case}" for case in COMMENT_CASES)]
        sandboxes = {task: stack.enter_context(Sandbox()) for task in tasks}
        tickets = {case: _ticket(sandboxes[f"comment_{case}"]) for case in COMMENT_CASES}
        env = {"USEDESK_CASES": json.dumps(CASES), "USEDESK_COMMENT_CASES": json.dumps(tickets)}
        for task, sandbox in sandboxes.items():
            case = task.removeprefix("comment_")
            if case in BROKEN:
                sandbox.fail(BROKEN[case], method="create/ticket" if case == task else "create/comment")
            connection = {**sandbox.connection, "extra": {"timeout": 2, "max_wait": 5}}
            env[f"AIRFLOW_CONN_USEDESK_{task.upper()}"] = json.dumps(connection)
        if HAS_STATE_STORE:
            yield sandboxes, _run_3(env)
        else:
            yield sandboxes, _run_2(env, tickets, tmp_path_factory)


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


@pytest.mark.parametrize("case", COMMENT_CASES)
def test_exactly_one_comment(matrix, case):
    sandboxes, outcomes = matrix
    state, tries, xcoms = outcomes[f"comment_{case}"]
    sandbox = sandboxes[f"comment_{case}"]
    [ticket] = sandbox.tickets
    _, *comments = ticket.comments
    print(
        f"comment {case}: {len(comments)} comment, {tries} tries, "
        f"{sandbox.requests('create/comment')} create, {sandbox.requests('ticket')} ticket"
    )
    assert state == "success"
    [comment] = comments
    assert xcoms == {
        "return_value": ticket.ticket_id,
        "ticket_id": ticket.ticket_id,
        "comment_id": comment.id,
    }
    assert tries == (1 if case == "rate_refusal" else 2)


@pytest.mark.skipif(not HAS_STATE_STORE, reason="Airflow 2.11 on SQLite runs one task at a time")
def test_two_hundred_tasks_with_random_kills_and_faults():
    from dev.local_airflow import LocalAirflow

    seed, count = "2026-11-22", 200
    dice = Random(seed)
    with Sandbox() as sandbox:
        for _ in range(3 * count):
            fault = dice.choice([*BROKEN.values(), *[faults.delay(0)] * 20])
            sandbox.fail(fault, method="create/ticket")
        # A pace of its own, so that those refusals slow nobody down to what an account without one is given.
        extra = {"timeout": 2, "max_wait": 5, "requests_per_minute": 60_000}
        connection = {**sandbox.connection, "extra": extra}
        env = {
            "USEDESK_RANDOM_TASKS": str(count),
            "USEDESK_SEED": seed,
            "AIRFLOW_CONN_USEDESK_DEFAULT": json.dumps(connection),
            "AIRFLOW__CORE__PARALLELISM": "16",
            # When a supervisor cannot report a death, only the missing heartbeat does.
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
        }
        with LocalAirflow(DAGS, env=env) as airflow:
            run = airflow.run("usedesk_dies_at_random", timeout=2400)
            tasks = airflow.task_instances("usedesk_dies_at_random", run.run_id)
            xcoms = {
                task.task_id: airflow.xcom("usedesk_dies_at_random", run.run_id, task.task_id)
                for task in tasks
            }
        assert {task.state for task in tasks} == {"success"}
        made = {ticket.additional_id.rsplit("/", 1)[-1]: ticket.ticket_id for ticket in sandbox.tickets}
        tries = sum(task.try_number for task in tasks)
        print(
            f"{len(sandbox.tickets)} tickets of {len(tasks)} tasks in {tries} tries, "
            f"{sandbox.requests('create/ticket')} create/ticket, {sandbox.requests('tickets')} tickets, "
            f"{sandbox.requests('ticket')} ticket"
        )
        assert len(sandbox.tickets) == count
        assert xcoms == made


@pytest.mark.skipif(not HAS_STATE_STORE, reason="cleared through the API of Airflow 3")
def test_clearing_sends_again_only_where_that_is_wanted():
    from dev.local_airflow import LocalAirflow

    with Sandbox() as sandbox:
        env = {"AIRFLOW_CONN_USEDESK_DEFAULT": sandbox.connection_json}
        with LocalAirflow(DAGS, env=env) as airflow:
            run = airflow.run("usedesk_cleared")
            xcoms = [_ids(airflow, run)]
            for _ in range(2):
                airflow.clear("usedesk_cleared", run.run_id, "once", "again", "mapped")
                airflow.wait_for_success("usedesk_cleared", run.run_id)
                xcoms.append(_ids(airflow, run))
            other = airflow.run("usedesk_cleared")
            assert not set(_ids(airflow, other).values()) & set(xcoms[0].values())
        mine = [ticket for ticket in sandbox.tickets if run.run_id in ticket.additional_id]
        keys = [
            ticket.additional_id.removeprefix(f"airflow/usedesk_cleared/{run.run_id}/") for ticket in mine
        ]
        assert sorted(keys) == ["again", "again/again-1", "again/again-2", "mapped/0", "mapped/1", "once"]
        assert xcoms[0]["once", -1] == xcoms[1]["once", -1] == xcoms[2]["once", -1]
        assert xcoms[0]["mapped", 1] == xcoms[2]["mapped", 1] != xcoms[2]["mapped", 0]
        again = [ticket.ticket_id for ticket in mine if "/again" in ticket.additional_id]
        assert [ids["again", -1] for ids in xcoms] == again


def _ticket(sandbox):
    with UsedeskClient.connect(sandbox.token, sandbox.url) as client:
        return client.create_ticket(subject="s", message="m").ticket_id


def _ids(airflow, run):
    entries = [
        entry for task in ("once", "again", "mapped") for entry in airflow.xcoms(run.dag_id, run.run_id, task)
    ]
    return {(entry.task_id, entry.map_index): entry.value for entry in entries if entry.key == "ticket_id"}


def _run_3(env):
    from dev.local_airflow import LocalAirflow

    with LocalAirflow(DAGS, env=env) as airflow:
        run = airflow.run("usedesk_dies", timeout=1200)
        return {
            task.task_id: (
                task.state,
                task.try_number,
                {
                    entry.key: entry.value
                    for entry in airflow.xcoms("usedesk_dies", run.run_id, task.task_id)
                    if entry.key != "_link_UsedeskTicketLink"
                },
            )
            for task in airflow.task_instances("usedesk_dies", run.run_id)
        }


def _run_2(env, tickets, tmp_path_factory):
    """Let several Airflows share the cases: each runs one task at a time, and notices its death late."""

    def run(number):
        some = {
            "USEDESK_CASES": json.dumps(CASES[number::SHARES]),
            "USEDESK_COMMENT_CASES": json.dumps(dict(list(tickets.items())[number::SHARES])),
        }
        return run_on_airflow_2("usedesk_dies", {**env, **some}, tmp_path_factory.mktemp("airflow"))

    with ThreadPoolExecutor(SHARES) as pool:
        return dict(ChainMap(*pool.map(run, range(SHARES))))


def run_on_airflow_2(dag, env, home):
    """Return, for each task of a run, its state, its tries and its XCom."""
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
        **env,
        "AIRFLOW_HOME": str(home),
        "TMPDIR": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        # Before Airflow 3 a killed task is found by its missing heartbeat only.
        "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "1",
        "AIRFLOW__SCHEDULER__SCHEDULER_ZOMBIE_TASK_THRESHOLD": "10",
        "AIRFLOW__SCHEDULER__ZOMBIE_DETECTION_INTERVAL": "3",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(Path.cwd()),
    }
    airflow = [sys.executable, "-m", "airflow"]
    subprocess.run([*airflow, "db", "migrate"], env=env, check=True, capture_output=True)
    with _running([*airflow, "scheduler", "--skip-serve-logs"], env, home / "scheduler.log"):
        trigger = [*airflow, "dags", "trigger", dag]
        until(lambda: subprocess.run(trigger, env=env, capture_output=True, check=False).returncode == 0, 300)
        until(lambda: _rows(home, "SELECT 1 FROM dag_run WHERE state IN ('success', 'failed')"), 1800)
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


def until(is_so, seconds):
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def _rows(home, query):
    with sqlite3.connect(home / "airflow.db", timeout=10) as database:
        return database.execute(query).fetchall()
