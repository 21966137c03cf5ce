"""A sandbox whose clock only waiting moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_usedesk.api.client import UsedeskClient
from airflow_provider_usedesk.idempotency.decision import LookUp

START = 1_795_000_000.0


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

    def look_up(self, seconds_ago=0.0, is_exact=True):
        return LookUp(self.moment() - timedelta(seconds=seconds_ago), is_exact)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def client(usedesk):
    with UsedeskClient.connect(usedesk.token, usedesk.url, max_wait=0) as client:
        yield client
