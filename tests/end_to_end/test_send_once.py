"""A task dies or its connection breaks, Airflow retries it, and Usedesk has one ticket or comment."""

from __future__ import annotations

import json
import re
from collections import ChainMap
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from random import Random

import pytest

from airflow_provider_usedesk import sandbox as faults
from airflow_provider_usedesk.api.client import UsedeskClient
from airflow_provider_usedesk.idempotency.keys import parse_key
from airflow_provider_usedesk.sandbox import Sandbox
from tests.end_to_end.cases import BROKEN, COMMENT_CASES, RANDOM_TASKS, SEED, TICKET_CASES
from tests.support.whole_airflow import (
    HAS_STATE_STORES,
    connect,
    connection_json,
    outcomes,
    run_on_airflow_2,
    start,
)

pytestmark = pytest.mark.airflow

# Airflow 2.11 on SQLite runs one task at a time, and notices a death late.
SHARES = 3
# Short waits, in which a timeout is one of the faults.
QUICK = {"timeout": 2, "connect_timeout": 2, "max_wait": 5, "consistency_delay": 10}
needs_airflow_3 = pytest.mark.skipif(not HAS_STATE_STORES, reason="uses the API of Airflow 3")


@pytest.fixture(scope="module")
def sandboxes():
    """A local Usedesk for each task, broken as its case says."""
    with ExitStack() as stack:
        tasks = [*TICKET_CASES, *(f"comment_{case}" for case in COMMENT_CASES)]
        running = {task: stack.enter_context(Sandbox()) for task in tasks}
        for task, sandbox in running.items():
            case = task.removeprefix("comment_")
            if case in BROKEN:
                sandbox.fail(BROKEN[case], method="create/ticket" if case == task else "create/comment")
        yield running


@pytest.fixture(scope="module")
def tickets(sandboxes):
    """The tickets to comment on, by case."""
    return {case: _create_ticket(sandboxes[f"comment_{case}"]) for case in COMMENT_CASES}


@pytest.fixture(scope="module")
def matrix(request, sandboxes, tickets, tmp_path_factory):
    """The end of each task, after all cases were run in one Dag run."""
    if not HAS_STATE_STORES:
        return _run_on_several_airflows_2(sandboxes, tickets, tmp_path_factory)
    airflow = request.getfixturevalue("airflow")
    for task, sandbox in sandboxes.items():
        connect(airflow, f"usedesk_{task}", sandbox, **_options_of(task))
    run_id = start(airflow, "usedesk_dies", {"tickets": tickets})
    airflow.wait_for_run("usedesk_dies", run_id, 1200)
    return outcomes(airflow, "usedesk_dies", run_id)


@pytest.mark.parametrize("case", TICKET_CASES)
def test_one_ticket_per_task(matrix, sandboxes, case):
    task, sandbox = matrix[case], sandboxes[case]
    print(f"{case}: {len(sandbox.tickets)} ticket, {task.attempts} attempts, {_requests(sandbox)}")
    assert task.state == "success"
    [ticket] = sandbox.tickets
    assert task.xcoms == {
        "return_value": ticket.ticket_id,
        "ticket_id": ticket.ticket_id,
        "ticket_url": f"{sandbox.inbox_url}tickets/{ticket.ticket_id}",
    }
    assert re.fullmatch(rf"af2\..+/usedesk_dies/{case}", ticket.additional_id)
    assert task.attempts in _attempts(case)


@pytest.mark.parametrize("case", COMMENT_CASES)
def test_one_comment_per_task(matrix, sandboxes, case):
    task, sandbox = matrix[f"comment_{case}"], sandboxes[f"comment_{case}"]
    [ticket] = sandbox.tickets
    _, *comments = ticket.comments
    print(f"comment {case}: {len(comments)} comment, {task.attempts} attempts, {_requests(sandbox)}")
    assert task.state == "success"
    [comment] = comments
    assert task.xcoms == {
        "return_value": ticket.ticket_id,
        "ticket_id": ticket.ticket_id,
        "comment_id": comment.id,
        "ticket_url": f"{sandbox.inbox_url}tickets/{ticket.ticket_id}",
    }
    assert task.attempts in _attempts(case)


@needs_airflow_3
def test_random_kills_send_once(airflow):
    dag = "usedesk_dies_at_random"
    dice = Random(SEED)
    with Sandbox() as sandbox:
        for _ in range(3 * RANDOM_TASKS):
            fault = dice.choice([*BROKEN.values(), *[faults.delay(0)] * 20])
            sandbox.fail(fault, method="create/ticket")
        # A rate limit of its own, so that those refusals slow no other task down.
        connect(airflow, "usedesk_random", sandbox, **QUICK, requests_per_minute=60_000)
        run_id = start(airflow, dag)
        airflow.wait_for_run(dag, run_id, 2400)
        tasks = outcomes(airflow, dag, run_id)
        created = {ticket.additional_id.rsplit("/", 1)[-1]: ticket.ticket_id for ticket in sandbox.tickets}
        attempts = sum(task.attempts for task in tasks.values())
        print(
            f"{len(sandbox.tickets)} tickets of {len(tasks)} tasks, {attempts} attempts, {_requests(sandbox)}"
        )
        assert {task.state for task in tasks.values()} == {"success"}
        assert len(sandbox.tickets) == RANDOM_TASKS
        assert {name: task.xcoms["return_value"] for name, task in tasks.items()} == created


@needs_airflow_3
def test_clearing_sends_again_only_on_request(airflow, sandbox):
    dag = "usedesk_cleared"
    run = airflow.run(dag)
    xcoms = [_ticket_ids(airflow, run)]
    for _ in range(2):
        airflow.clear(dag, run.run_id, "once", "again", "mapped")
        airflow.wait_for_success(dag, run.run_id)
        xcoms.append(_ticket_ids(airflow, run))
    other = airflow.run(dag)
    others = set(_ticket_ids(airflow, other).values())
    mine = [ticket for ticket in sandbox.tickets if ticket.ticket_id not in others]
    keys = [parse_key(ticket.additional_id) for ticket in mine]
    places = sorted((key.label, key.place) for key in keys)
    sent_once = [(f"{dag}/mapped", "i0"), (f"{dag}/mapped", "i1"), (f"{dag}/once", "-")]
    assert places == [*[(f"{dag}/again", "-")] * 3, *sent_once]
    assert len({key.base for key in keys}) == 5
    assert xcoms[0]["once", -1] == xcoms[1]["once", -1] == xcoms[2]["once", -1]
    assert xcoms[0]["mapped", 1] == xcoms[2]["mapped", 1] != xcoms[2]["mapped", 0]
    again = [ticket.ticket_id for ticket in mine if ticket.additional_id.endswith("/again")]
    assert [ids["again", -1] for ids in xcoms] == again


def _options_of(task):
    """Short waits, and short limits only where the case exceeds them."""
    longer = {} if "timeout" in task else {"timeout": 10, "consistency_delay": 5}
    return {**QUICK, **longer, "max_wait": 5 if "too_long" in task else 60}


def _attempts(case):
    """The numbers of attempts that a case may take; on a slow machine another request times out, too."""
    if case == "rate_refusal":
        return {1}
    return {2, 3} if "timeout" in case else {2}


def _create_ticket(sandbox):
    with UsedeskClient.connect(sandbox.token, sandbox.url) as client:
        return client.create_ticket(subject="s", message="m").ticket_id


def _ticket_ids(airflow, run):
    entries = [
        entry for task in ("once", "again", "mapped") for entry in airflow.xcoms(run.dag_id, run.run_id, task)
    ]
    return {(entry.task_id, entry.map_index): entry.value for entry in entries if entry.key == "ticket_id"}


def _requests(sandbox):
    methods = ("create/ticket", "create/comment", "tickets", "ticket")
    return ", ".join(f"{sandbox.requests(method)} {method}" for method in methods)


def _run_on_several_airflows_2(sandboxes, tickets, tmp_path_factory):
    """Let several Airflows share the cases: each runs one task at a time, and notices its death late."""
    env = {
        f"AIRFLOW_CONN_USEDESK_{task.upper()}": connection_json(sandbox, **_options_of(task))
        for task, sandbox in sandboxes.items()
    }

    def run(number):
        share = {
            "USEDESK_CASES": json.dumps(TICKET_CASES[number::SHARES]),
            "USEDESK_COMMENT_CASES": json.dumps(COMMENT_CASES[number::SHARES]),
        }
        home = tmp_path_factory.mktemp("airflow")
        return run_on_airflow_2("usedesk_dies", {**env, **share}, home, {"tickets": tickets})

    with ThreadPoolExecutor(SHARES) as pool:
        return dict(ChainMap(*pool.map(run, range(SHARES))))
