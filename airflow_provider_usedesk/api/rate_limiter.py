"""The rate limiter of an account: waits for the permit of each request, and updates the shared state."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

from airflow_provider_usedesk.api import errors
from airflow_provider_usedesk.api.rate_limit_state import (
    Permit,
    RateLimitState,
    accepted,
    refused,
    take,
    unprobed,
)

T = TypeVar("T")


class RateLimitStore(Protocol):
    """Stores the states of accounts."""

    def change(self, name: str, decide: Callable[[RateLimitState, float], tuple[RateLimitState, T]]) -> T:
        """
        Change the state of an account atomically.

        :param name: name of the account
        :param decide: takes the state and the time, returns the new state and a result; the same object as
            state is not written; called again if another process changed the state meanwhile
        :return: the result
        :raises RateLimitStoreUnavailable: when the store cannot be used now
        """
        ...


class RateLimitStoreUnavailable(Exception):
    """The store cannot be used now."""


class MemoryStore:
    """
    Stores the states in this process, for all of its threads.

    :param clock: returns seconds
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._states: dict[str, RateLimitState] = defaultdict(RateLimitState)

    def change(self, name: str, decide: Callable[[RateLimitState, float], tuple[RateLimitState, T]]) -> T:
        with self._lock:
            self._states[name], result = decide(self._states[name], self._clock())
        return result

    def clear(self) -> None:
        """Delete all states."""
        with self._lock:
            self._states.clear()


IN_MEMORY = MemoryStore()


class WaitBudget:
    """
    How long one call may still wait.

    :param seconds: how long all waits of the call together may take
    :param clock: returns seconds
    """

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._end = clock() + seconds

    @property
    def left(self) -> float:
        return self._end - self._clock()

    def extend(self, seconds: float) -> None:
        """Add seconds that do not count: the wait for the configured interval is no failure."""
        self._end += seconds


class RateLimiter:
    """
    Limits the rate of requests of an account, over all clients that share a store.

    :param name: name of the account
    :param interval: configured seconds between two requests; 0 for none
    :param store: store of the states
    :param sleep: waits for some seconds
    :param jitter: returns a random number from 0 to 1
    """

    def __init__(
        self,
        name: str,
        interval: float,
        store: RateLimitStore,
        sleep: Callable[[float], None],
        jitter: Callable[[], float],
    ) -> None:
        self._name = name
        self._interval = interval
        self._store = store
        self._sleep = sleep
        self._jitter = jitter

    @contextmanager
    def permit(self, wait_budget: WaitBudget) -> Iterator[None]:
        """
        Wait for the permit of one request, and change the state by the outcome of the request.

        :param wait_budget: how long it may wait during a backoff
        :raises UsedeskRateLimited: when the backoff takes longer than that; nothing was sent
        """
        permit = self._take(wait_budget)
        try:
            yield
        except errors.UsedeskRateLimited as refusal:
            retry_after, jitter = refusal.retry_after, self._jitter()
            self._note(lambda state, now: refused(state, now, permit, self._interval, retry_after, jitter))
            raise
        except BaseException as error:
            self._note_outcome(permit, has_response=getattr(error, "status", None) is not None)
            raise
        self._note_outcome(permit, has_response=True)

    def _take(self, wait_budget: WaitBudget) -> Permit:
        while True:
            step = self._store.change(self._name, lambda state, now: take(state, now, self._interval))
            if isinstance(step, Permit):
                return step
            if not step.is_backoff:
                wait_budget.extend(step.seconds)
            elif step.seconds > wait_budget.left:
                raise errors.UsedeskRateLimited(
                    "Nothing was sent. Usedesk refused earlier requests of this account, because there were "
                    f"too many. The next request may start in {step.seconds:.1f} s, later than the longest "
                    "wait allows.",
                    retry_after=step.seconds,
                )
            self._sleep(step.seconds)

    def _note_outcome(self, permit: Permit, *, has_response: bool) -> None:
        if permit.needs_outcome:
            decide = accepted if has_response else unprobed
            self._note(lambda state, now: decide(state, now, permit, self._interval))

    def _note(self, decide: Callable[[RateLimitState, float], RateLimitState]) -> None:
        self._store.change(self._name, lambda state, now: (decide(state, now), None))


def account_name(base_url: str, token: str) -> str:
    """Return a name of an account that does not contain its token."""
    return hashlib.sha256(f"{base_url}\n{token}".encode()).hexdigest()[:32]


def host_name(base_url: str) -> str:
    """Return a name of the host of a URL, for a rate limit that all of its accounts share."""
    host = urlsplit(base_url).hostname or ""
    return hashlib.sha256(f"host\n{host}".encode()).hexdigest()[:32]
