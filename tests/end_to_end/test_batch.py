"""Batches on a whole Airflow, killed and stopped at every interesting point: one ticket for each row."""

from __future__ import annotations

import csv
import json
import os
import re
import time
from collections import Counter
from contextlib import ExitStack
from datetime import datetime
from random import Random

import pytest

from airflow_provider_usedesk import sandbox as faults
from airflow_provider_usedesk.sandbox import Sandbox
from tests.end_to_end.dags.usedesk_batches import CASES, IN_FOLDER, ROW_BY_ROW
from tests.end_to_end.test_send_once import DAGS, HAS_STATE_STORE, run_on_airflow_2, until

pytestmark = pytest.mark.airflow

DAG, STOPPED, QUIET = "usedesk_batches", "usedesk_batches_stopped", "usedesk_batch_in_quiet_hours"
SEED = "2026-11-28"
# Airflow 2.11 on SQLite runs one task at a time, so that fewer are run there.
ROWS = 120 if HAS_STATE_STORE else 40
# So many requests go well before the faults.
BEFORE = 20
# Seconds that no test takes.
NEVER = 1800

BROKEN = {
    "closed_before_reading": [faults.close()] * 3,
    "closed_after_the_ticket_was_made": [faults.close("after")] * 3,
    "read_timeout_ticket_made": [faults.delay(4, "after")] * 3,
    "read_timeout_ticket_made_later": [faults.delay(4)] * 3,
    "bad_gateway_after_the_ticket_was_made": [faults.html(502, "after")] * 3,
    "rate_refusals": [faults.rate_limited(1), faults.rate_limited(0, code_121=True)] * 3,
    "out_of_order_for_a_while": [faults.close(), faults.close("after")] * 25,
}
RANDOM = [f"random_{number}" for number in range(3)]
# The longest first: they wait several times until what was under way has settled.
LONGEST = ["out_of_order_for_a_while", *RANDOM, "while_asking"]
ALL = [*dict.fromkeys([*LONGEST, *CASES, *ROW_BY_ROW, *IN_FOLDER, *BROKEN])]
if not HAS_STATE_STORE:
    ALL = [
        "before_the_first_ledger_write",
        "before_any_row_is_sent",
        "after_half_a_request",
        "before_an_answer",
        "between_answers_and_open_rows",
        "after_the_last_row",
        "told_to_stop",
        *IN_FOLDER,
    ]
# Nothing was under way when these ended.
NOTHING_TO_ASK = {
    *("before_the_first_ledger_write", "while_planning", "after_the_last_row", "after_xcom"),
    *("told_to_stop", "rate_refusals"),
}
if not HAS_STATE_STORE:
    # Before Airflow 3 the signal is an error that is thrown wherever the worker is.
    NOTHING_TO_ASK.remove("told_to_stop")
# Those under way at the same time, and those of one second; of a slow one here.
MOST_ASKED = 60
STOPPING = ["stopped", "stopped_meanwhile"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("batches")


@pytest.fixture(scope="module")
def sandboxes():
    with ExitStack() as stack:
        running = {task: stack.enter_context(Sandbox()) for task in [*ALL, *STOPPING, "quiet"]}
        for case in BROKEN.keys() & running:
            break_after(running[case], BEFORE, BROKEN[case])
        for case in {*RANDOM} & running.keys():
            dice = Random(f"{SEED}/{case}/faults")
            kinds = [fault for those in BROKEN.values() for fault in those[:2]]
            some = [*kinds, *[faults.delay(0)] * 9 * len(kinds)]
            break_after(running[case], 0, dice.choices(some, k=2 * ROWS))
        yield running


@pytest.fixture(scope="module")
def env(sandboxes, folder):
    """Give each task a connection to its own Usedesk, paced as a real one is, which a loopback is not."""
    found = {
        "USEDESK_BATCH_CASES": json.dumps(ALL),
        "USEDESK_BATCH_FOLDER": str(folder),
        "USEDESK_BATCH_ROWS": str(ROWS),
        "USEDESK_SEED": SEED,
    }
    for task, sandbox in sandboxes.items():
        extra = {"timeout": 2 if "timeout" in task or task in RANDOM else 60, "requests_per_minute": 1200}
        found[connection_of(task)] = json.dumps({**sandbox.connection, "extra": extra})
        # For tries that are to be met while they run.
        slow = {"timeout": NEVER, "requests_per_minute": 60}
        found[connection_of(f"{task}_slow")] = json.dumps({**sandbox.connection, "extra": slow})
    return found


def connection_of(task):
    return f"AIRFLOW_CONN_USEDESK_{task.upper()}"


@pytest.fixture(scope="module")
def airflow(env):
    from dev.local_airflow import LocalAirflow

    # Most of the time they wait.
    with LocalAirflow(DAGS, env={**env, "AIRFLOW__CORE__PARALLELISM": "12"}) as running:
        for dag in (DAG, STOPPED, QUIET):
            running.wait_for_dag(dag)
            running.unpause(dag)
        yield running


@pytest.fixture(scope="module")
def quiet_run(airflow):
    """A run that begins in quiet hours; their end is waited for while other tests run."""
    return airflow.trigger(QUIET).run_id


@pytest.fixture(scope="module")
def matrix(request, env, folder, tmp_path_factory):
    """Run all cases in one Dag run; return, for each, its state, its tries and its XCom."""
    if not HAS_STATE_STORE:
        folder_env = {**env, "USEDESK_CHECKPOINT_PATH": str(folder / "ledgers")}
        return run_on_airflow_2(DAG, folder_env, tmp_path_factory.mktemp("airflow"))
    request.getfixturevalue("quiet_run")
    airflow = request.getfixturevalue("airflow")
    run = airflow.run(DAG, timeout=1800)
    return {
        task.task_id: (
            task.state,
            task.try_number,
            {entry.key: entry.value for entry in airflow.xcoms(DAG, run.run_id, task.task_id)},
        )
        for task in airflow.task_instances(DAG, run.run_id)
    }


@pytest.mark.parametrize("case", ALL)
def test_exactly_one_ticket_for_each_row(matrix, sandboxes, folder, case):
    state, tries, xcoms = matrix[case]
    print(f"{case}: {numbers(sandboxes[case], folder, case, tries)}")
    assert state == "success"
    summary = xcoms["return_value"]
    assert summary == xcoms["summary"]
    check_one_ticket_for_each_row(sandboxes[case], folder, case, summary)
    asked = noted(folder, case, "asked")
    assert max(asked, default=0) <= (0 if case in NOTHING_TO_ASK else MOST_ASKED)
    if case in BROKEN:
        assert tries == (2 if case == "out_of_order_for_a_while" else 1)
    elif case not in RANDOM:
        deaths = {**CASES, **ROW_BY_ROW, **IN_FOLDER}[case]
        assert tries == 1 + len(deaths)


needs_airflow_3 = pytest.mark.skipif(not HAS_STATE_STORE, reason="done through the API of Airflow 3")


@needs_airflow_3
def test_tasks_that_are_marked_as_failed_end_within_seconds_and_go_on_when_cleared(
    matrix, airflow, sandboxes, folder
):
    stopped, meanwhile = (sandboxes[task] for task in STOPPING)
    break_after(meanwhile, 2, [faults.delay(NEVER, "after")])
    run = airflow.trigger(STOPPED).run_id
    until(lambda: min(len(stopped.tickets), len(meanwhile.tickets)) >= 5, 300)
    until(lambda: has_progress(airflow, run, "stopped"), 60)
    progress = airflow.xcom(STOPPED, run, "stopped", "progress")
    assert "Sent " in airflow.task_log(STOPPED, run, "stopped")
    for task in STOPPING:
        airflow.call(
            "PATCH", f"/dags/{STOPPED}/dagRuns/{run}/taskInstances/{task}", json={"new_state": "failed"}
        )
    told = time.monotonic()
    until(lambda: not any(is_alive(folder, task) for task in STOPPING), 60)
    seconds = time.monotonic() - told
    tickets = {task: len(sandboxes[task].tickets) for task in STOPPING}
    print(f"progress {progress}; gone {seconds:.0f} s after being marked as failed, tickets {tickets}")
    assert progress["rows"] == ROWS
    assert progress["sent"] + progress["left"] == ROWS
    assert max(tickets.values()) < ROWS

    airflow.clear(STOPPED, run, *STOPPING)
    airflow.wait_for_success(STOPPED, run, 600)
    for task in STOPPING:
        summary = airflow.xcom(STOPPED, run, task)
        print(f"{task}: {numbers(sandboxes[task], folder, task, 2)}")
        check_one_ticket_for_each_row(sandboxes[task], folder, task, summary)
        assert summary["skipped"] + summary["sent"] == ROWS
    assert noted(folder, "stopped", "asked") == []
    assert noted(folder, "stopped_meanwhile", "asked") == [1]


@needs_airflow_3
def test_quiet_hours_are_waited_for_in_the_triggerer(airflow, quiet_run, sandboxes, folder):
    airflow.wait_for_success(QUIET, quiet_run, 600)
    [task] = airflow.task_instances(QUIET, quiet_run)
    log = airflow.task_log(QUIET, quiet_run, "quiet")
    # Both times in a worker of its own: in between nobody waited in one.
    before, behind = noted(folder, "quiet", "began")
    assert before != behind
    [end] = re.findall(r"Quiet hours until (\S+);", log)
    assert min(ticket.created_at for ticket in sandboxes["quiet"].tickets) >= datetime.fromisoformat(end)
    assert task.try_number == 1
    summary = airflow.xcom(QUIET, quiet_run, "quiet")
    check_one_ticket_for_each_row(sandboxes["quiet"], folder, "quiet", summary)
    assert noted(folder, "quiet", "asked") == []


def break_after(sandbox, count, those):
    for fault in [*[faults.delay(0)] * count, *those]:
        sandbox.fail(fault, method="create/ticket")


def check_one_ticket_for_each_row(sandbox, folder, task, summary):
    tickets = sandbox.tickets
    assert Counter(ticket.subject for ticket in tickets) == {f"Row {n}": 1 for n in range(1, ROWS + 1)}
    keys = {ticket.additional_id for ticket in tickets}
    assert len(keys) == ROWS
    assert {key.rsplit("/", 2)[1] for key in keys} == {task}
    assert summary["rows"] == summary["sent"] + summary["skipped"] == ROWS
    assert not any(summary[name] for name in ("duplicate", "bad", "rejected", "unknown", "left"))
    assert summary["recipients_changed"] is False
    with (folder / f"{task}.csv").open() as file:
        results = list(csv.DictReader(file))
    assert Counter(row["outcome"] for row in results) == Counter(
        {name: summary[name] for name in ("sent", "skipped") if summary[name]}
    )
    written = {f"Row {row['key']}": int(row["ticket_id"]) for row in results}
    assert written == {ticket.subject: ticket.ticket_id for ticket in tickets}


def numbers(sandbox, folder, task, tries):
    asked = noted(folder, task, "asked")
    return (
        f"{len(sandbox.tickets)} tickets, {tries} tries, {sandbox.requests('create/ticket')} create, "
        f"{sandbox.requests('tickets')} tickets, {sandbox.requests('ticket')} ticket, "
        f"{'+'.join(map(str, asked)) or 'no'} rows asked about"
    )


def noted(folder, task, what):
    place = folder / f"{task}.{what}"
    return [int(line) for line in place.read_text().split()] if place.exists() else []


def is_alive(folder, task):
    try:
        os.kill(noted(folder, task, "began")[-1], 0)
    except ProcessLookupError:
        return False
    return True


def has_progress(airflow, run, task):
    return any(
        entry["key"] == "progress"
        for entry in airflow.call("GET", f"/dags/{STOPPED}/dagRuns/{run}/taskInstances/{task}/xcomEntries")[
            "xcom_entries"
        ]
    )
