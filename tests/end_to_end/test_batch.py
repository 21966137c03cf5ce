"""Batches on a whole Airflow, killed and stopped at every step: one ticket for each row."""

from __future__ import annotations

import csv
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
from tests.end_to_end import cases
from tests.end_to_end.cases import BATCH_BROKEN, BATCH_CASES, BATCH_RANDOM, BATCH_ROWS
from tests.end_to_end.dags.usedesk_batches import CASES, IN_FOLDER, ROW_BY_ROW
from tests.support.whole_airflow import (
    HAS_STATE_STORES,
    connect,
    connection_json,
    outcomes,
    run_on_airflow_2,
    start,
    until,
)

pytestmark = pytest.mark.airflow

DAG, STOPPED, QUIET = "usedesk_batches", "usedesk_batches_stopped", "usedesk_batch_in_quiet_hours"
# Number of requests that succeed before the first fault.
SUCCEEDING = 20
# Seconds that no test takes.
NEVER = 1800
# In these cases no request was under way when the attempt ended.
WITHOUT_LOOK_UP = {
    *("before_the_first_checkpoint_write", "while_loading", "after_the_last_row", "after_xcom"),
    *("stopped_by_signal", "rate_refusals"),
}
if not HAS_STATE_STORES:
    # Before Airflow 3 the signal raises an error at any line of the worker.
    WITHOUT_LOOK_UP.remove("stopped_by_signal")
# The rows in flight, and those of one second; more of them on a slow machine.
MOST_LOOKED_UP = 60
STOPPING = ["stopped", "stopped_meanwhile"]
needs_airflow_3 = pytest.mark.skipif(not HAS_STATE_STORES, reason="uses the API of Airflow 3")


@pytest.fixture(scope="module")
def sandboxes():
    """A local Usedesk for each task, broken as its case says."""
    with ExitStack() as stack:
        running = {task: stack.enter_context(Sandbox()) for task in [*BATCH_CASES, *STOPPING, "quiet"]}
        for case in BATCH_BROKEN.keys() & running:
            break_after(running[case], SUCCEEDING, BATCH_BROKEN[case])
        for case in {*BATCH_RANDOM} & running.keys():
            dice = Random(f"{cases.BATCH_SEED}/{case}/faults")
            kinds = [fault for those in BATCH_BROKEN.values() for fault in those[:2]]
            some = [*kinds, *[faults.delay(0)] * 9 * len(kinds)]
            break_after(running[case], 0, dice.choices(some, k=2 * BATCH_ROWS))
        yield running


def options_of(task):
    """A rate limit as a real service has it, which a loopback has not."""
    if "timeout" in task or task in BATCH_RANDOM:
        times = {"timeout": 2, "consistency_delay": 10}
    elif task in WITHOUT_LOOK_UP or task not in BATCH_CASES:
        # A request that takes longer is looked up.
        times = {"timeout": 120, "consistency_delay": 5}
    else:
        # After a kill, rows that are not found are looked up again when these times are over.
        times = {"timeout": 10, "consistency_delay": 5}
    return {**times, "connect_timeout": 2, "requests_per_minute": 1200}


# For attempts that are to be met while they run.
SLOW = {"timeout": NEVER, "requests_per_minute": 60}


@pytest.fixture(scope="module")
def airflow(airflow, sandboxes):
    for task, sandbox in sandboxes.items():
        connect(airflow, f"usedesk_batch_{task}", sandbox, **options_of(task))
    for task in STOPPING:
        connect(airflow, f"usedesk_batch_{task}_slow", sandboxes[task], **SLOW)
    return airflow


@pytest.fixture(scope="module")
def quiet_run(airflow):
    """A run that begins in quiet hours; other tests run until they end."""
    return start(airflow, QUIET)


@pytest.fixture(scope="module")
def matrix(request, sandboxes, batch_folder, tmp_path_factory):
    """The end of each task, after all cases were run in one Dag run."""
    if not HAS_STATE_STORES:
        return run_on_airflow_2(
            DAG, env_of_airflow_2(sandboxes, batch_folder), tmp_path_factory.mktemp("airflow")
        )
    request.getfixturevalue("quiet_run")
    airflow = request.getfixturevalue("airflow")
    run_id = start(airflow, DAG)
    airflow.wait_for_run(DAG, run_id, 1800)
    return outcomes(airflow, DAG, run_id)


def env_of_airflow_2(sandboxes, folder):
    connections = {
        f"AIRFLOW_CONN_USEDESK_BATCH_{task.upper()}": connection_json(sandbox, **options_of(task))
        for task, sandbox in sandboxes.items()
    }
    return {
        **cases.batch_env(folder),
        **connections,
        "USEDESK_CHECKPOINT_PATH": str(folder / "checkpoints"),
    }


@pytest.mark.parametrize("case", BATCH_CASES)
def test_one_ticket_per_row(matrix, sandboxes, batch_folder, case):
    task, folder = matrix[case], batch_folder
    print(f"{case}: {numbers(sandboxes[case], folder, case, task.attempts)}")
    assert task.state == "success"
    summary = task.xcoms["return_value"]
    assert summary == task.xcoms["summary"]
    check_one_ticket_for_each_row(sandboxes[case], folder, case, summary)
    asked = noted(folder, case, "asked")
    assert max(asked, default=0) <= (0 if case in WITHOUT_LOOK_UP else MOST_LOOKED_UP)
    if case in BATCH_BROKEN:
        assert task.attempts == (2 if case == "out_of_order_for_a_while" else 1)
    elif case not in BATCH_RANDOM:
        deaths = {**CASES, **ROW_BY_ROW, **IN_FOLDER}[case]
        assert task.attempts == 1 + len(deaths)


@needs_airflow_3
def test_failed_mark_stops_and_clearing_resumes(matrix, airflow, sandboxes, batch_folder):
    folder = batch_folder
    stopped, meanwhile = (sandboxes[task] for task in STOPPING)
    break_after(meanwhile, 2, [faults.delay(NEVER, "after")])
    run = start(airflow, STOPPED)
    until(lambda: min(len(stopped.tickets), len(meanwhile.tickets)) >= 5, 300)
    until(lambda: has_progress(airflow, run, "stopped"), 300)
    progress = airflow.xcom(STOPPED, run, "stopped", "progress")
    until(lambda: re.search(rf"{BATCH_ROWS} rows: \d+ sent", airflow.task_log(STOPPED, run, "stopped")), 300)
    for task in STOPPING:
        airflow.call(
            "PATCH", f"/dags/{STOPPED}/dagRuns/{run}/taskInstances/{task}", json={"new_state": "failed"}
        )
    marked = time.monotonic()
    until(lambda: not any(is_alive(folder, task) for task in STOPPING), 300)
    seconds = time.monotonic() - marked
    tickets = {task: len(sandboxes[task].tickets) for task in STOPPING}
    print(f"progress {progress}; gone {seconds:.0f} s after being marked as failed, tickets {tickets}")
    assert progress["rows"] == BATCH_ROWS
    assert progress["sent"] + progress["left"] == BATCH_ROWS
    assert max(tickets.values()) < BATCH_ROWS

    airflow.clear(STOPPED, run, *STOPPING)
    airflow.wait_for_success(STOPPED, run, 600)
    for task in STOPPING:
        summary = airflow.xcom(STOPPED, run, task)
        print(f"{task}: {numbers(sandboxes[task], folder, task, 2)}")
        check_one_ticket_for_each_row(sandboxes[task], folder, task, summary)
        assert summary["skipped"] + summary["sent"] == BATCH_ROWS
    assert noted(folder, "stopped", "asked") == []
    assert noted(folder, "stopped_meanwhile", "asked") == [1]


@needs_airflow_3
def test_quiet_hours_pass_in_the_triggerer(airflow, quiet_run, sandboxes, batch_folder):
    folder = batch_folder
    airflow.wait_for_success(QUIET, quiet_run, 600)
    [task] = airflow.task_instances(QUIET, quiet_run)
    log = airflow.task_log(QUIET, quiet_run, "quiet")
    # Two processes: no worker waited in between.
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
    assert Counter(ticket.subject for ticket in tickets) == {f"Row {n}": 1 for n in range(1, BATCH_ROWS + 1)}
    keys = {ticket.additional_id for ticket in tickets}
    assert len(keys) == BATCH_ROWS
    assert {key.rsplit("/", 1)[1] for key in keys} == {task}
    assert summary["rows"] == summary["sent"] + summary["skipped"] == BATCH_ROWS
    assert not any(summary[name] for name in ("duplicate", "bad", "rejected", "unknown", "left"))
    assert summary["recipients_changed"] is False
    with (folder / f"{task}.csv").open() as file:
        results = list(csv.DictReader(file))
    assert Counter(row["outcome"] for row in results) == Counter(
        {name: summary[name] for name in ("sent", "skipped") if summary[name]}
    )
    written = {f"Row {row['key']}": int(row["ticket_id"]) for row in results}
    assert written == {ticket.subject: ticket.ticket_id for ticket in tickets}


def numbers(sandbox, folder, task, attempts):
    asked = noted(folder, task, "asked")
    return (
        f"{len(sandbox.tickets)} tickets, {attempts} attempts, {sandbox.requests('create/ticket')} create, "
        f"{sandbox.requests('tickets')} tickets, {sandbox.requests('ticket')} ticket, "
        f"{'+'.join(map(str, asked)) or 'no'} rows looked up"
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
