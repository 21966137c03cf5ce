"""Something changes between two attempts, and each recipient gets one message."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from contextlib import contextmanager, suppress

import pytest

from airflow_provider_usedesk import sandbox as faults
from airflow_provider_usedesk.sandbox import Sandbox
from tests.end_to_end.dags.usedesk_histories import PHONES, ROWS
from tests.support.whole_airflow import (
    HAS_STATE_STORES,
    connect,
    connection_json,
    rows,
    running_airflow_2,
    start,
    until,
)

pytestmark = pytest.mark.airflow

A, B, C = PHONES
# Short waits before Usedesk is believed to have no ticket.
QUICK = {"timeout": 20, "connect_timeout": 2, "consistency_delay": 4, "max_wait": 30}
CREATE = "create/ticket"
# Seconds to wait for anything, on the slowest machine.
LIMIT = 300
ANOTHER_CLIENT = 27747628
needs_airflow_3 = pytest.mark.skipif(not HAS_STATE_STORES, reason="uses the API of Airflow 3")
needs_airflow_2 = pytest.mark.skipif(HAS_STATE_STORES, reason="uses the commands of Airflow 2")


@pytest.fixture
def usedesk():
    """A local Usedesk for one history."""
    with Sandbox() as running:
        yield running


class History:
    """
    One run of the Dag of a history.

    :param airflow: the shared Airflow
    :param name: the name of the history
    :param usedesk: its Usedesk
    :param options: other settings of its connection
    """

    def __init__(self, airflow, name, usedesk, **options):
        self.airflow, self.dag, self.usedesk = airflow, f"usedesk_{name}", usedesk
        connect(airflow, self.dag, usedesk, **{**QUICK, **options})
        self.run = start(airflow, self.dag)

    @property
    def send(self):
        return self.airflow.task_instance(self.dag, self.run, "send")

    def wait_for_state(self, state):
        until(lambda: self.send.state == state, LIMIT)

    def wait_for_success(self):
        self.airflow.wait_for_success(self.dag, self.run, LIMIT)

    def clear(self, *tasks):
        self.airflow.clear(self.dag, self.run, *tasks)

    @contextmanager
    def paused_before_retry(self):
        """Wait for the end of the first attempt, and keep the next one from beginning."""
        until(lambda: self.usedesk.requests(CREATE), LIMIT)
        self.airflow.pause(self.dag)
        self.wait_for_state("up_for_retry")
        yield
        assert self.send.state == "up_for_retry"
        self.airflow.unpause(self.dag)

    def mark_failed_and_clear(self):
        path = f"/dags/{self.dag}/dagRuns/{self.run}/taskInstances/send"
        self.airflow.call("PATCH", path, json={"new_state": "failed"})
        # The scheduler would fail the run after the clear.
        self.airflow.wait_for_run(self.dag, self.run, LIMIT)
        self.clear("send")


@needs_airflow_3
def test_renamed_ticket_is_found(airflow, usedesk):
    usedesk.fail(faults.close("after"), method=CREATE)
    history = History(airflow, "renamed", usedesk)
    with history.paused_before_retry():
        rename(usedesk, client_id=ANOTHER_CLIENT)
    history.wait_for_success()
    assert history.send.try_number == 2
    assert sent(usedesk) == {A: 1}


@needs_airflow_3
def test_moved_recipients_get_nothing_more(airflow, usedesk, histories_folder):
    change_people(histories_folder, A, B)
    history = History(airflow, "moved", usedesk)
    history.wait_for_success()
    assert sent(usedesk) == {A: 1, B: 1}
    corrected = "79250000099"
    for people, expected in (
        ([C, A, B], {A: 1, B: 1, C: 1}),
        ([B, A], {A: 1, B: 1, C: 1}),
        ([A, corrected], {A: 1, B: 1, C: 1, corrected: 1}),
    ):
        change_people(histories_folder, *people)
        history.clear("people", "send")
        history.wait_for_success()
        assert sent(usedesk) == expected


@needs_airflow_3
def test_operator_in_a_loop_sends_each_once(airflow, usedesk):
    history = History(airflow, "loop", usedesk)
    history.wait_for_success()
    [task] = airflow.task_instances(history.dag, history.run)
    assert task.try_number == 2
    assert sent(usedesk) == {A: 1, B: 1, C: 1}


@needs_airflow_3
def test_callback_and_cleared_sender_send_once_each(airflow, usedesk):
    usedesk.fail(faults.answer(200, {"code": 119, "error": "no client"}), method=CREATE)
    history = History(airflow, "alerted", usedesk)
    assert airflow.wait_for_run(history.dag, history.run).state == "failed"
    until(lambda: usedesk.tickets, LIMIT)
    assert sent(usedesk) == {B: 1}
    history.clear("send")
    history.wait_for_success()
    assert sent(usedesk) == {A: 1, B: 1}


@needs_airflow_3
def test_answer_after_the_timeout_is_waited_for(airflow, usedesk):
    usedesk.fail(faults.delay(5), method=CREATE)
    history = History(airflow, "slow", usedesk, timeout=3, consistency_delay=8)
    history.wait_for_success()
    assert history.send.try_number in (2, 3)
    assert sent(usedesk) == {A: 1}


@needs_airflow_3
def test_frozen_sender_sends_nothing_when_it_goes_on(airflow, usedesk, histories_folder):
    usedesk.fail(faults.rate_limited(25), method=CREATE)
    history = History(airflow, "frozen", usedesk, max_wait=60)
    until(lambda: usedesk.requests(CREATE), LIMIT)
    with frozen(histories_folder, history):
        history.mark_failed_and_clear()
        history.wait_for_success()
        assert sent(usedesk) == {A: 1}
    assert sent(usedesk) == {A: 1}


@needs_airflow_3
def test_without_its_record_usedesk_is_asked(airflow, usedesk):
    usedesk.fail(faults.close("after"), method=CREATE)
    history = History(airflow, "forgotten", usedesk)
    with history.paused_before_retry():
        forget = "DELETE FROM task_state_store WHERE dag_id = :dag"
        assert len(rows(airflow, forget, dag=history.dag)) == 1
    history.wait_for_success()
    assert usedesk.requests("tickets") >= 1
    assert sent(usedesk) == {A: 1}


@needs_airflow_3
def test_lowered_retries_are_no_clear(airflow, usedesk):
    usedesk.fail(faults.close("after"), method=CREATE)
    history = History(airflow, "lowered", usedesk)
    with history.paused_before_retry():
        [file] = airflow.dags_folder.rglob("usedesk_lowered.py")
        file.write_text(file.read_text().replace("RETRIES = 3", "RETRIES = 2"))
        until(lambda: airflow.call("GET", f"/dags/{history.dag}/tasks/send")["retries"] == 2, LIMIT)
    history.wait_for_success()
    assert history.send.try_number == 2
    assert sent(usedesk) == {A: 1}
    history.clear("send")
    history.wait_for_success()
    assert sent(usedesk) == {A: 2}


@needs_airflow_3
def test_frozen_batch_sends_no_row_twice(airflow, usedesk, histories_folder):
    history = History(airflow, "frozen_batch", usedesk, requests_per_minute=120)
    until(lambda: len(usedesk.tickets) >= 5, LIMIT)
    with frozen(histories_folder, history):
        at_freeze = len(usedesk.tickets)
        assert at_freeze < ROWS
        history.mark_failed_and_clear()
        history.wait_for_success()
        assert len(usedesk.tickets) == ROWS
    print(f"{at_freeze} rows sent before the freeze")
    assert [*sent(usedesk).values()] == [1] * ROWS


@pytest.fixture(scope="module")
def usedesk_of_airflow_2():
    """A local Usedesk for each history on Airflow 2."""
    with Sandbox() as renamed, Sandbox() as moved:
        yield {"renamed": renamed, "moved": moved}


@pytest.fixture(scope="module")
def airflow_2(usedesk_of_airflow_2, histories_folder, tmp_path_factory):
    connections = {
        f"AIRFLOW_CONN_USEDESK_{name.upper()}": connection_json(usedesk, **QUICK)
        for name, usedesk in usedesk_of_airflow_2.items()
    }
    env = {"USEDESK_HISTORIES": str(histories_folder), **connections}
    with running_airflow_2(env, tmp_path_factory.mktemp("airflow")) as running:
        yield running


@needs_airflow_2
def test_renamed_ticket_is_found_on_airflow_2(airflow_2, usedesk_of_airflow_2):
    usedesk = usedesk_of_airflow_2["renamed"]
    usedesk.fail(faults.close("after"), method=CREATE)
    airflow_2.start("usedesk_renamed")
    until(lambda: usedesk.tickets, LIMIT)
    rename(usedesk, client_id=ANOTHER_CLIENT)
    assert airflow_2.wait_for_end("usedesk_renamed") == "success"
    assert sent(usedesk) == {A: 1}


@needs_airflow_2
def test_moved_recipients_get_nothing_more_on_airflow_2(airflow_2, usedesk_of_airflow_2, histories_folder):
    usedesk = usedesk_of_airflow_2["moved"]
    change_people(histories_folder, A, B)
    airflow_2.start("usedesk_moved")
    assert airflow_2.wait_for_end("usedesk_moved") == "success"
    assert sent(usedesk) == {A: 1, B: 1}
    change_people(histories_folder, C, A, B)
    airflow_2.clear("usedesk_moved")
    assert airflow_2.wait_for_end("usedesk_moved") == "success"
    assert sent(usedesk) == {A: 1, B: 1, C: 1}


def sent(usedesk):
    """Return the number of messages to each recipient."""
    return Counter(ticket.received["client_phone"] for ticket in usedesk.tickets)


def rename(usedesk, **changes):
    [ticket] = usedesk.tickets
    usedesk.update(ticket.ticket_id, subject="Called the customer", **changes)


def change_people(folder, *phones):
    (folder / "people.json").write_text(json.dumps(phones))


@contextmanager
def frozen(folder, history):
    """Freeze the first attempt: its supervisor and its worker; afterwards wait until it has ended."""
    [pids] = (folder / f"{history.dag}.pids").read_text().splitlines()
    supervisor, worker = map(int, pids.split())
    os.kill(supervisor, signal.SIGSTOP)
    os.kill(worker, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            # First alone, so that it tries to send before it is ended.
            os.kill(worker, signal.SIGCONT)
            time.sleep(4)
        os.kill(supervisor, signal.SIGCONT)
    until(lambda: not is_alive(worker), LIMIT)


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
