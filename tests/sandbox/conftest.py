from __future__ import annotations

import pytest
import requests

from airflow_provider_usedesk.sandbox import Sandbox

START = 1_795_000_000.0


class Clock:
    """A clock that stands still until it is moved."""

    now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="session")
def running():
    """One server for all tests: starting is quick, stopping takes a moment."""
    clock = Clock()
    with Sandbox(clock=clock) as sandbox:
        yield sandbox, clock


@pytest.fixture
def clock(running):
    _, clock = running
    clock.now = START
    return clock


@pytest.fixture
def sandbox(running, clock):
    sandbox, _ = running
    sandbox.reset()
    return sandbox


@pytest.fixture
def call(sandbox):
    """Call a method with JSON, as it is or with the token."""

    def call(method: str, token: str | None = None, **params):
        body = {"api_token": token or sandbox.token, **params}
        return requests.post(f"{sandbox.url}/{method}", json=body, timeout=5).json()

    return call


@pytest.fixture
def get(sandbox):
    """Read with GET, the parameters in the query."""

    def get(method: str, **params):
        query = {"api_token": sandbox.token, **params}
        return requests.get(f"{sandbox.url}/{method}", params=query, timeout=5).json()

    return get
