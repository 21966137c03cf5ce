"""Two workers keep one rate limit through Redis, also again after Redis was killed."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from airflow_provider_usedesk.api.rate_limit_stores import FALLBACK_SECONDS
from tests.production.stack import RATE_LIMIT, WORKERS
from tests.production.support import start, wait_for_tickets

pytestmark = pytest.mark.production

PER_MINUTE = 600
SECONDS = 20
ROWS = 600
# Requests may be delayed by up to a second each on their way, and arrive in another window.
JITTER = 1.0


def most_in_a_window(moments, seconds):
    """Return the highest number of moments within so many seconds."""
    most = first = 0
    for last, moment in enumerate(moments):
        while moment - moments[first] >= timedelta(seconds=seconds):
            first += 1
        most = max(most, last - first + 1)
    return most


def test_two_workers_share_the_rate_and_again_after_redis_returns(airflow, sandbox, tmp_path):
    options = {"requests_per_minute": PER_MINUTE}
    run = start(airflow, "production_batches", sandbox, tmp_path, options=options, rows=ROWS)
    wait_for_tickets(airflow, sandbox, ROWS // 2)
    airflow.kill_service(RATE_LIMIT)
    killed = sandbox.tickets[-1].created_at
    time.sleep(5)
    airflow.start_service(RATE_LIMIT)
    started = sandbox.tickets[-1].created_at
    run.wait_for_success()

    moments = [ticket.created_at for ticket in sandbox.tickets]
    assert len(moments) == 2 * ROWS
    # A worker that has fallen back connects again after so long.
    shared_again = started + timedelta(seconds=FALLBACK_SECONDS + 2)
    parts = {
        "with Redis": [at for at in moments if at <= killed],
        "without": [at for at in moments if killed < at <= shared_again],
        "with Redis again": [at for at in moments if at > shared_again],
    }
    limit = PER_MINUTE * (SECONDS + JITTER) / 60 + 1
    for name, part in parts.items():
        seconds = (part[-1] - part[0]).total_seconds()
        rate, most = 60 * (len(part) - 1) / seconds, most_in_a_window(part, SECONDS)
        print(f"{name}: {len(part)} requests, {rate:.0f} a minute, at most {most} in {SECONDS} s")
    for name in ("with Redis", "with Redis again"):
        assert most_in_a_window(parts[name], SECONDS) <= limit
    # Each worker alone keeps to the limit without Redis.
    assert most_in_a_window(parts["without"], SECONDS) <= len(WORKERS) * limit
