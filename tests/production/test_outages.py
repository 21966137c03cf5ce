"""Broker, database and API server are killed and started again while messages are sent."""

from __future__ import annotations

import time

import pytest

from tests.production.stack import BROKER, DATABASE
from tests.production.support import check_each_once, start, wait_for_tickets

pytestmark = pytest.mark.production

API_SERVER = "api-server"
MESSAGES, ROWS = 12, 200
# How long the service is away.
SECONDS = 5


@pytest.mark.parametrize("service", [BROKER, DATABASE, API_SERVER])
def test_outage_loses_and_repeats_nothing(airflow, sandbox, sandbox_of_mapped, tmp_path, service):
    options = {"requests_per_minute": 600}
    batch = start(airflow, "production_batch", sandbox, tmp_path, options=options, rows=ROWS)
    wait_for_tickets(airflow, sandbox, 1)
    mapped = start(airflow, "production_mapped", sandbox_of_mapped, tmp_path, messages=MESSAGES)
    wait_for_tickets(airflow, sandbox, ROWS // 3)
    before = len(sandbox.tickets)
    if service == API_SERVER:
        airflow.kill(service)
        time.sleep(SECONDS)
        airflow.revive(service)
    else:
        airflow.kill_service(service)
        time.sleep(SECONDS)
        airflow.start_service(service)
    after = len(sandbox.tickets)
    batch.wait_for_success()
    mapped.wait_for_success()
    attempts = len(batch.processes())
    print(f"{service}: away from {before} to {after} rows; attempts: {attempts}, {mapped.tries()}")
    assert before < ROWS
    check_each_once(sandbox, "Row", ROWS)
    check_each_once(sandbox_of_mapped, "Client", MESSAGES)
