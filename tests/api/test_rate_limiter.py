"""The rate limiter: waiting for permits, with an injected clock."""

from __future__ import annotations

import logging
import math

import pytest

from airflow_provider_usedesk.api.errors import UsedeskRateLimited, UsedeskRejected, UsedeskUnavailable
from airflow_provider_usedesk.api.rate_limit_state import RateLimitState
from airflow_provider_usedesk.api.rate_limiter import (
    IN_MEMORY,
    MemoryStore,
    RateLimiter,
    WaitBudget,
    account_name,
    host_name,
)

NOW = 1000.0


def test_host_name_ignores_path_port_and_case():
    name = host_name("https://help.example/uapi")
    assert name == host_name("http://Help.Example:8080")
    assert name != host_name("https://elsewhere.example/uapi")
    assert name != account_name("https://help.example/uapi", "")


def test_account_name_contains_no_token():
    name = account_name("https://help.example", "feedface-token")
    assert name != account_name("https://help.example", "other")
    assert name != account_name("https://elsewhere.example", "feedface-token")
    assert name == account_name("https://help.example", "feedface-token")
    assert len(name) == 32
    assert "feedface" not in name


class Time:
    def __init__(self) -> None:
        self.now = NOW
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        assert math.isfinite(seconds)
        self.slept.append(seconds)
        self.now += seconds


class TestRateLimiter:
    """Waiting for permits, with an injected clock."""

    @pytest.fixture
    def time(self):
        return Time()

    @pytest.fixture
    def store(self, time):
        return MemoryStore(lambda: time.now)

    @pytest.fixture
    def limiter(self, time, store):
        return RateLimiter("account", 1.0, store, time.sleep, lambda: 1.0)

    @pytest.fixture
    def wait_budget(self, time):
        return lambda seconds: WaitBudget(seconds, lambda: time.now)

    def refuse(self, limiter, wait_budget, retry_after):
        with pytest.raises(UsedeskRateLimited), limiter.permit(wait_budget(0)):
            raise UsedeskRateLimited("x", status=429, retry_after=retry_after)

    def test_spacing_uses_no_wait_budget(self, limiter, wait_budget, time):
        budget = wait_budget(0.5)
        for _ in range(3):
            with limiter.permit(budget):
                pass
        assert time.slept == [1.0, 1.0]
        assert budget.left == 0.5

    def test_backoff_is_waited_for(self, limiter, wait_budget, time):
        self.refuse(limiter, wait_budget, retry_after=20)
        with limiter.permit(wait_budget(30)):
            pass
        assert time.slept == [20.0]

    def test_backoff_beyond_budget_fails_unsent(self, limiter, wait_budget, time):
        self.refuse(limiter, wait_budget, retry_after=20)
        with (
            pytest.raises(UsedeskRateLimited, match="Nothing was sent") as raised,
            limiter.permit(wait_budget(19)),
        ):
            pytest.fail("sent")
        assert raised.value.retry_after == 20
        assert time.slept == []

    def test_backoff_applies_to_one_account(self, limiter, wait_budget, time, store):
        self.refuse(limiter, wait_budget, retry_after=20)
        with RateLimiter("other", 1.0, store, time.sleep, lambda: 1.0).permit(wait_budget(0)):
            pass
        with RateLimiter("account", 0.0, store, time.sleep, lambda: 1.0).permit(wait_budget(30)):
            pass
        assert time.slept == [20.0]

    @pytest.mark.parametrize(
        ("outcome", "waits"),
        [
            (UsedeskRejected("x", status=200), 1.25),
            (UsedeskUnavailable("x", status=502), 1.25),
            (None, 1.25),
            (UsedeskRateLimited("x", status=429, retry_after=40), 40),
        ],
    )
    def test_other_responses_end_backoff(self, limiter, wait_budget, time, outcome, waits):
        self.refuse(limiter, wait_budget, retry_after=20)
        try:
            with limiter.permit(wait_budget(30)):
                if outcome is not None:
                    raise outcome
        except type(outcome or ValueError):
            pass
        time.slept.clear()
        with limiter.permit(wait_budget(60)):
            pass
        assert time.slept == [pytest.approx(waits, abs=0.01)]

    def test_missing_response_ends_no_backoff(self, limiter, wait_budget, time, store):
        self.refuse(limiter, wait_budget, retry_after=20)
        with pytest.raises(UsedeskUnavailable), limiter.permit(wait_budget(30)):
            raise UsedeskUnavailable("no connection")
        state = store.change("account", lambda state, now: (state, state))
        assert (state.refusals, state.is_probing) == (1, False)

    def test_interrupted_wait_reserves_no_slot(self, limiter, wait_budget, time, store):
        with limiter.permit(wait_budget(0)):
            pass

        def broken(seconds):
            raise InterruptedError

        with (
            pytest.raises(InterruptedError),
            RateLimiter("account", 1.0, store, broken, lambda: 1.0).permit(wait_budget(0)),
        ):
            pytest.fail("sent")
        with limiter.permit(wait_budget(0)):
            pass
        assert time.slept == [1.0]

    def test_refusal_writes_no_log(self, limiter, wait_budget, caplog):
        caplog.set_level(logging.DEBUG)
        self.refuse(limiter, wait_budget, retry_after=20)
        assert caplog.records == []


def test_memory_store_is_shared_in_process():
    IN_MEMORY.change("account", lambda state, now: (RateLimitState(refusals=7), None))
    assert IN_MEMORY.change("account", lambda state, now: (state, state.refusals)) == 7
    IN_MEMORY.clear()
    assert IN_MEMORY.change("account", lambda state, now: (state, state.refusals)) == 0
