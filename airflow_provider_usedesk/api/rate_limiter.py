"""The pace of an account: when the next request may go, and what a refusal teaches all who share it."""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from airflow_provider_usedesk.api import errors

T = TypeVar("T")

# Seconds between two requests where nobody gave a pace and Usedesk refused: the 150 a minute of an old page.
PUBLISHED_INTERVAL = 0.4
SLOWDOWN = 1.25
SLOWEST = 10
# What an accepted request takes off again, as a part of the interval.
RECOVERY = 0.0005
LONGEST_HOLD = 3600.0
# Seconds without a request after which nothing is remembered.
REMEMBERED = 3600.0
# Seconds for the first request after a hold to get its answer, before another one tries.
PROBE_PATIENCE = 10.0
PROBE_LOOK = 0.25
# Seconds by which the clocks of two who share a store may differ.
CLOCK_TOLERANCE = 1.0


@dataclass(frozen=True, slots=True)
class RateLimitState:
    """
    Hold what is remembered of an account; moments are seconds in the time of the store.

    :param next: when the next request may go
    :param interval: seconds between two requests, as refusals have taught; 0 where none has
    :param refused: when the last refusal that counted came; -1 for never
    :param refusals: how many came since a request was accepted; while there are any, requests are held
    :param is_probing: whether one request is trying if the refusals are over
    :param changed: when this was written
    """

    next: float = 0.0
    interval: float = 0.0
    refused: float = -1.0
    refusals: int = 0
    is_probing: bool = False
    changed: float = 0.0


@dataclass(frozen=True, slots=True)
class Permit:
    """
    Allow one request.

    :param at: when it was allowed, in the time of the store
    :param is_watched: whether the account wants to know that it was accepted
    """

    at: float
    is_watched: bool


@dataclass(frozen=True, slots=True)
class Wait:
    """
    LookUp to come again; nothing is reserved, so that a refusal meanwhile holds who waits, too.

    :param seconds: how long to wait
    :param is_hold: whether for a refusal, and not only to keep requests apart
    """

    seconds: float
    is_hold: bool


def take(
    state: RateLimitState, now: float, configured_interval: float
) -> tuple[RateLimitState, Permit | Wait]:
    """
    Allow a request now, or say how long to wait.

    :param configured_interval: seconds between two requests, as the connection wants them; 0 for none
    """
    known = _current(state, now)
    if known.next - known.changed > LONGEST_HOLD + SLOWEST * configured_interval + CLOCK_TOLERANCE:
        known = RateLimitState()
    if (left := known.next - now) > 0:
        return state, Wait(min(left, PROBE_LOOK) if known.is_probing else left, known.refusals > 0)
    interval = max(known.interval, configured_interval)
    if not interval:
        return state, Permit(now, is_watched=False)
    is_held = known.refusals > 0
    pause = max(interval, PROBE_PATIENCE) if is_held else interval
    taken = RateLimitState(now + pause, known.interval, known.refused, known.refusals, is_held, now)
    return taken, Permit(now, is_watched=known.interval > 0)


def refused(
    state: RateLimitState,
    now: float,
    turn: Permit,
    configured_interval: float,
    told: float | None,
    jitter: float,
) -> RateLimitState:
    """
    Hold everyone after a refusal, and slow down.

    :param turn: the request that was refused
    :param configured_interval: seconds between two requests, as the connection wants them; 0 for none
    :param told: seconds that Usedesk asked to wait; None where it did not say
    :param jitter: a random number from 0 to 1
    """
    known = _current(state, now)
    told_hold = min(told or 0.0, LONGEST_HOLD)
    if turn.at <= known.refused:
        # Sent before the refusal that has slowed down already: it says nothing new but how long to wait.
        until = now + told_hold
        if not told_hold or (until <= known.next and not known.is_probing):
            return state
        return replace(known, next=until, refusals=known.refusals or 1, is_probing=False, changed=now)
    refusals = known.refusals + 1
    interval = known.interval if known.refusals else slower(known.interval, configured_interval)
    # Refused again after the time that was told: it was not enough.
    grown = growing_wait(refusals, jitter) if told is None or refusals > 1 else interval
    return RateLimitState(now + max(told_hold, grown), interval, now, refusals, False, now)


def accepted(state: RateLimitState, now: float, turn: Permit, configured_interval: float) -> RateLimitState:
    """Go a little faster after an accepted request, and end the hold that it has tried."""
    known = _current(state, now)
    if turn.at <= known.refused or not known.interval:
        return state
    interval = faster(known.interval, configured_interval)
    released = turn.at + max(interval, configured_interval)
    following = min(known.next, released) if known.is_probing else known.next
    return RateLimitState(following, interval, known.refused, 0, False, now)


def unanswered(state: RateLimitState, now: float, turn: Permit, configured_interval: float) -> RateLimitState:
    """Let another request try when the one that tried after a hold got no answer."""
    known = _current(state, now)
    if turn.at <= known.refused or not known.is_probing:
        return state
    released = turn.at + max(known.interval, configured_interval)
    return replace(known, next=min(known.next, released), is_probing=False, changed=now)


def slower(interval: float, configured_interval: float) -> float:
    """Say what interval a refusal leads to; 0 stands for none."""
    present = max(interval, configured_interval)
    return (
        min(present * SLOWDOWN, SLOWEST * (configured_interval or PUBLISHED_INTERVAL))
        if present
        else PUBLISHED_INTERVAL
    )


def faster(interval: float, configured_interval: float) -> float:
    """Return the interval after an accepted request; 0 stands for the configured interval."""
    recovered = interval - RECOVERY * max(interval, configured_interval or PUBLISHED_INTERVAL)
    return recovered if recovered > configured_interval else 0.0


def growing_wait(attempt: int, jitter: float) -> float:
    """
    Say how many seconds to wait where nobody said: longer with each attempt.

    :param attempt: number of the attempt that failed, from 1
    :param jitter: a random number from 0 to 1
    """
    return min(2.0 ** min(attempt - 1, 5), 30.0) * (0.5 + jitter / 2)


def account_name(base_url: str, token: str) -> str:
    """Name an account, without telling its token."""
    return hashlib.sha256(f"{base_url}\n{token}".encode()).hexdigest()[:32]


def written(state: RateLimitState) -> str:
    """Write a state as one line."""
    return (
        f"1 {state.next!r} {state.interval!r} {state.refused!r} {state.changed!r} "
        f"{state.refusals} {int(state.is_probing)}"
    )


def read(line: str | bytes | None) -> RateLimitState:
    """Read a line of :func:`written`; what is none counts as nothing remembered."""
    try:
        version, *moments, refusals, is_probing = (line or "").split()
        following, interval, refused_at, changed = map(float, moments)
        if int(version) != 1 or not math.isfinite(following + interval + refused_at + changed):
            return RateLimitState()
        return RateLimitState(following, interval, refused_at, int(refusals), bool(int(is_probing)), changed)
    except ValueError:
        return RateLimitState()


class RateLimitStore(Protocol):
    """A place where the states of accounts are remembered."""

    def change(self, name: str, decide: Callable[[RateLimitState, float], tuple[RateLimitState, T]]) -> T:
        """
        Change the state of an account, with nobody in between.

        :param name: the account
        :param decide: gets the state and the time, gives the state to remember and a result; a state that is
            the very same is not written; may be called again when somebody was faster
        :return: the result
        :raises RateLimitStoreUnavailable: when this place cannot be used now
        """
        ...


class RateLimitStoreUnavailable(Exception):
    """Report that a store cannot be used now."""


class MemoryStore:
    """
    Remember in this process, for all of its threads.

    :param clock: tells the seconds passed
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
        """Forget everything."""
        with self._lock:
            self._states.clear()


IN_MEMORY = MemoryStore()


class WaitBudget:
    """
    Count how long one call may still wait.

    :param seconds: how long it may in all
    :param clock: tells the seconds passed
    """

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._end = clock() + seconds

    @property
    def left(self) -> float:
        return self._end - self._clock()

    def extend(self, seconds: float) -> None:
        """Leave some seconds out: keeping requests apart is no trouble that has to end."""
        self._end += seconds


class RateLimiter:
    """
    Keep the requests of an account apart, whoever sends them.

    :param name: the account
    :param configured_interval: seconds between two requests, as the connection wants them; 0 for none
    :param store: what those share who keep one pace
    :param sleep: waits for some seconds
    :param jitter: gives a random number from 0 to 1
    """

    def __init__(
        self,
        name: str,
        configured_interval: float,
        store: RateLimitStore,
        sleep: Callable[[float], None],
        jitter: Callable[[], float],
    ) -> None:
        self._name = name
        self._usual = configured_interval
        self._store = store
        self._sleep = sleep
        self._jitter = jitter

    @contextmanager
    def turn(self, wait_budget: WaitBudget) -> Iterator[None]:
        """
        Wait until a request may go, and learn from what comes of it.

        :param wait_budget: how long a hold may be waited for
        :raises UsedeskRateLimited: when a hold takes longer than that; nothing was sent
        """
        turn = self._take(wait_budget)
        try:
            yield
        except errors.UsedeskRateLimited as refusal:
            told, jitter = refusal.retry_after, self._jitter()
            self._note(lambda state, now: refused(state, now, turn, self._usual, told, jitter))
            raise
        except BaseException as error:
            self._note_outcome(turn, is_answered=getattr(error, "status", None) is not None)
            raise
        self._note_outcome(turn, is_answered=True)

    def _take(self, wait_budget: WaitBudget) -> Permit:
        while True:
            step = self._store.change(self._name, lambda state, now: take(state, now, self._usual))
            if isinstance(step, Permit):
                return step
            if not step.is_hold:
                wait_budget.extend(step.seconds)
            elif step.seconds > wait_budget.left:
                raise errors.UsedeskRateLimited(
                    "Nothing was sent: Usedesk has refused for too many requests, and this account is held "
                    f"for another {step.seconds:.1f} s, longer than max_wait of the connection allows.",
                    retry_after=step.seconds,
                )
            self._sleep(step.seconds)

    def _note_outcome(self, turn: Permit, *, is_answered: bool) -> None:
        if turn.is_watched:
            decide = accepted if is_answered else unanswered
            self._note(lambda state, now: decide(state, now, turn, self._usual))

    def _note(self, decide: Callable[[RateLimitState, float], RateLimitState]) -> None:
        self._store.change(self._name, lambda state, now: (decide(state, now), None))


def _current(state: RateLimitState, now: float) -> RateLimitState:
    """Forget what is long ago, and what a clock wrote that was set back since."""
    is_of_another_clock = state.changed > now + CLOCK_TOLERANCE
    is_long_ago = now - max(state.changed, state.next) > REMEMBERED
    return RateLimitState() if is_of_another_clock or is_long_ago else state
