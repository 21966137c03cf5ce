"""A worker dies, freezes, or gets a message of Celery twice, and each recipient has one ticket."""

from __future__ import annotations

import pytest

from tests.production.support import check_each_once, start, wait_for_tickets

pytestmark = pytest.mark.production

MESSAGES, ROWS = 100, 500


def test_killed_worker_loses_and_repeats_nothing(airflow, sandbox, sandbox_of_mapped, tmp_path):
    options = {"requests_per_minute": 1200}
    mapped = start(airflow, "production_mapped", sandbox_of_mapped, tmp_path, messages=MESSAGES)
    wait_for_tickets(airflow, sandbox_of_mapped, MESSAGES // 4)
    batch = start(airflow, "production_batch", sandbox, tmp_path, options=options, rows=ROWS)
    wait_for_tickets(airflow, sandbox, ROWS // 2)
    worker = airflow.worker_of(batch.process())
    airflow.kill(worker)
    rows, messages = len(sandbox.tickets), len(sandbox_of_mapped.tickets)
    airflow.revive(worker)
    batch.wait_for_success()
    mapped.wait_for_success()
    attempts = len(batch.processes())
    print(f"killed at {rows} rows and {messages} messages; attempts: {attempts}, {mapped.tries()}")
    assert attempts >= 2
    check_each_once(sandbox, "Row", ROWS)
    check_each_once(sandbox_of_mapped, "Client", MESSAGES)
