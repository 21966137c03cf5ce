"""Celery delivers a message again whose task still runs, and each recipient has one ticket."""

from __future__ import annotations

import signal

import psutil
import pytest

from airflow_provider_usedesk import sandbox as faults
from tests.production.messages import deliver_again, restore_unacknowledged
from tests.production.stack import VISIBILITY_TIMEOUT, WORKERS, wait_until
from tests.production.support import check_each_once, start, wait_for_tickets

pytestmark = pytest.mark.production

IGNORED = "Task already running elsewhere"
MESSAGES, ROWS = 4, 200
SLOW = {"requests_per_minute": 300}


def count_ignored(airflow):
    return sum(airflow.log_of(worker).count(IGNORED) for worker in WORKERS)


def test_redelivery_after_the_visibility_timeout(airflow, sandbox, tmp_path):
    before = count_ignored(airflow)
    sandbox.fail(faults.delay(4 * VISIBILITY_TIMEOUT), MESSAGES, "create/ticket")
    run = start(airflow, "production_mapped", sandbox, tmp_path, options={"timeout": 300}, messages=MESSAGES)

    def was_ignored():
        restore_unacknowledged(airflow)
        return count_ignored(airflow) > before

    wait_until(was_ignored, "no message was delivered again")
    run.wait_for_success()
    redelivered = count_ignored(airflow) - before
    print(f"{redelivered} messages delivered again while their task ran; attempts: {run.tries()}")
    check_each_once(sandbox, "Client", MESSAGES)


def test_redelivery_that_fails_starts_a_second_attempt(airflow, sandbox, tmp_path):
    before = count_ignored(airflow)
    run = start(airflow, "production_batch", sandbox, tmp_path, options=SLOW, rows=ROWS)
    wait_for_tickets(airflow, sandbox, ROWS // 4)
    deliver_again(airflow, run.run_id)
    wait_until(lambda: count_ignored(airflow) > before, "the same message was not ignored")
    first = run.process()
    # Celery stores its failure as the result of the task, so Airflow begins another attempt.
    deliver_again(airflow, run.run_id, lambda workload: workload.update(token="expired"))
    wait_until(lambda: len(run.processes()) > 1, "no second attempt")
    at = len(sandbox.tickets)
    print(f"second attempt at {at} tickets; the first {'runs' if psutil.pid_exists(first) else 'was ended'}")
    run.wait_for_success()
    assert at < ROWS
    check_each_once(sandbox, "Row", ROWS)


def test_frozen_worker_sends_nothing_after_its_replacement(airflow, sandbox, tmp_path):
    run = start(airflow, "production_batch", sandbox, tmp_path, options=SLOW, rows=ROWS)
    wait_for_tickets(airflow, sandbox, ROWS // 4)
    first = run.process()
    worker = airflow.worker_of(first)
    airflow.freeze(worker, signal.SIGSTOP)
    at = len(sandbox.tickets)
    try:
        wait_until(lambda: len(run.processes()) > 1, "no second attempt")
        both_run = psutil.pid_exists(first)
        wait_for_tickets(airflow, sandbox, at + ROWS // 10)
    finally:
        airflow.freeze(worker, signal.SIGCONT)
    run.wait_for_success()
    print(f"{worker} frozen at {at} tickets; {len(run.processes())} attempts")
    assert both_run
    check_each_once(sandbox, "Row", ROWS)
