from __future__ import annotations

from contextlib import ExitStack
from functools import cache
from typing import Any

import pytest
import requests

from airflow_provider_usedesk.sandbox import Sandbox

START = 1_795_000_000.0


class Clock:
    """A clock that only a test moves."""

    now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="session")
def shared_clock():
    return Clock()


VARIANTS: dict[str, dict[str, Any]] = {
    "page": {},
    "row": {"offset_is": "row"},
    "lenient": {"lenient": True},
    "clients": {"shapes": "clients"},
}


@pytest.fixture(scope="session")
def shared_sandboxes(shared_clock):
    """One server for each variant, started when a test wants it."""
    with ExitStack() as stack:

        @cache
        def start(variant):
            return stack.enter_context(Sandbox(clock=shared_clock, **VARIANTS[variant]))

        yield start


@pytest.fixture
def clock(shared_clock):
    shared_clock.now = START
    return shared_clock


@pytest.fixture
def variant():
    return "page"


@pytest.fixture
def sandbox(shared_sandboxes, clock, variant):
    sandbox = shared_sandboxes(variant)
    sandbox.reset()
    return sandbox


@pytest.fixture(scope="session")
def http():
    with requests.Session() as session:
        session.trust_env = False
        yield session


@pytest.fixture
def call(sandbox, http):
    """Call a method with JSON."""

    def call(method: str, token: str | None = None, **params):
        body = {"api_token": token or sandbox.token, **params}
        return http.post(f"{sandbox.url}/{method}", json=body, timeout=60).json()

    return call


@pytest.fixture
def get(sandbox, http):
    """Call a method with GET and its parameters in the query."""

    def get(method: str, **params):
        query = {"api_token": sandbox.token, **params}
        return http.get(f"{sandbox.url}/{method}", params=query, timeout=60).json()

    return get
