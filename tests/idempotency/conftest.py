"""A sandbox whose clock only waiting moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings

from airflow_provider_usedesk.api.client import UsedeskClient
from airflow_provider_usedesk.idempotency.decision import LookUp
from airflow_provider_usedesk.idempotency.keys import IdempotencyKey

START = 1_795_000_000.0
KEY = IdempotencyKey("3kq7t2mzx4wd5c6e", "i7", "r6h2kq7t2mzx", "4wd5c6e2", "7f2a9c04", "dag/task")

# A busy machine is no failure, and a failure must come again.
settings.register_profile("usedesk", deadline=None, derandomize=True)
settings.load_profile("usedesk")


class Clock:
    """A clock for the sandbox and for a search."""

    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now

    @property
    def waited(self):
        return self.now - START

    def moment(self):
        return datetime.fromtimestamp(self.now, UTC)

    def sleep(self, seconds):
        self.now += seconds

    def look_up(self, seconds_ago=0.0, consistent_in=0.0, by="key", key=KEY):
        """Return what to search for: since some seconds ago, with all shown in some seconds."""
        now = self.moment()
        return LookUp(by, key, now - timedelta(seconds=seconds_ago), now + timedelta(seconds=consistent_in))


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def client(usedesk):
    with UsedeskClient.connect(usedesk.token, usedesk.url, max_wait=0) as client:
        yield client
