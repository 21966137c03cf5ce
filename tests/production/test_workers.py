"""A worker dies, freezes, or gets a message of Celery twice, and each recipient has one ticket."""

from __future__ import annotations

import pytest

from tests.production.stack import WORKERS
from tests.production.support import check_each_once, start, wait_for_tickets

pytestmark = pytest.mark.production

MESSAGES, ROWS = 100, 500


def test_killed_worker_loses_and_repeats_nothing(airflow, sandbox, tmp_path):
    options = {"requests_per_minute": 1200}
    mapped = start(airflow, "production_mapped", sandbox, tmp_path, options=options, messages=MESSAGES)
    wait_for_tickets(airflow, sandbox, MESSAGES // 4)
    batch = start(airflow, "production_batch", sandbox, tmp_path, options=options, rows=ROWS)
    wait_for_tickets(airflow, sandbox, MESSAGES // 4 + ROWS // 2)
    worker = airflow.worker_of(batch.process())
    airflow.kill(worker)
    at = len(sandbox.tickets)
    airflow.revive(worker)
    batch.wait_for_success()
    mapped.wait_for_success()
    attempts = len(batch.processes())
    print(f"killed {worker} at {at} tickets; batch: {attempts} attempts, mapped: {mapped.tries()}")
    assert worker in WORKERS
    assert attempts >= 2
    check_each_once(sandbox, "Row", ROWS)
    check_each_once(sandbox, "Client", MESSAGES)
