"""The state of the rate limit of an account, and the decisions about it, as pure functions."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

# Seconds between two requests after a refusal without a configured rate: the 150 a minute of an old page.
PUBLISHED_INTERVAL = 0.4
SLOWDOWN = 1.25
SLOWEST = 10
# Share of the interval by which an accepted request shortens it again.
RECOVERY = 0.0005
LONGEST_BACKOFF = 3600.0
# Seconds without a request after which the state expires.
KEPT_SECONDS = 3600.0
# Seconds for the first request after a backoff to get its response, before another one probes.
PROBE_TIMEOUT = 10.0
PROBE_CHECK = 0.25
# Seconds by which the clocks of two machines that share a store may differ.
CLOCK_TOLERANCE = 1.0


@dataclass(frozen=True, slots=True)
class RateLimitState:
    """
    The state of the rate limit of an account; times are seconds on the clock of the store.

    :param next: when the next request may start
    :param interval: seconds between two requests, learned from refusals; 0 without a refusal
    :param refused: time of the last refusal that counted; -1 for never
    :param refusals: number of refusals since a request was accepted; above 0, requests back off
    :param is_probing: whether one request probes if the refusals are over
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
    The permit for one request.

    :param at: when it was given, on the clock of the store
    :param needs_outcome: whether the state changes when the request is accepted
    """

    at: float
    needs_outcome: bool


@dataclass(frozen=True, slots=True)
class Wait:
    """
    The request must wait and ask again; no slot is reserved, so that a later refusal delays it, too.

    :param seconds: how long to wait
    :param is_backoff: whether it waits after a refusal, and not for the interval only
    """

    seconds: float
    is_backoff: bool


def take(
    state: RateLimitState, now: float, configured_interval: float
) -> tuple[RateLimitState, Permit | Wait]:
    """
    Return the next state and the permit for a request, or how long it must wait.

    :param state: the present state
    :param now: the time of the store
    :param configured_interval: configured seconds between two requests; 0 for none
    """
    known = _current(state, now)
    if known.next - known.changed > LONGEST_BACKOFF + SLOWEST * configured_interval + CLOCK_TOLERANCE:
        known = RateLimitState()
    if (left := known.next - now) > 0:
        return state, Wait(min(left, PROBE_CHECK) if known.is_probing else left, known.refusals > 0)
    interval = max(known.interval, configured_interval)
    if not interval:
        return state, Permit(now, needs_outcome=False)
    backs_off = known.refusals > 0
    pause = max(interval, PROBE_TIMEOUT) if backs_off else interval
    taken = RateLimitState(now + pause, known.interval, known.refused, known.refusals, backs_off, now)
    return taken, Permit(now, needs_outcome=known.interval > 0)


def refused(
    state: RateLimitState,
    now: float,
    permit: Permit,
    configured_interval: float,
    retry_after: float | None,
    jitter: float,
) -> RateLimitState:
    """
    Return the state after a refusal: all requests back off, and the interval grows.

    :param permit: the permit of the refused request
    :param configured_interval: configured seconds between two requests; 0 for none
    :param retry_after: seconds that Usedesk asked to wait; None if it did not say
    :param jitter: a random number from 0 to 1
    """
    known = _current(state, now)
    asked = min(retry_after or 0.0, LONGEST_BACKOFF)
    if permit.at <= known.refused:
        # It was sent before the refusal that changed the interval: only its wait is new.
        until = now + asked
        if not asked or (until <= known.next and not known.is_probing):
            return state
        return replace(known, next=until, refusals=known.refusals or 1, is_probing=False, changed=now)
    refusals = known.refusals + 1
    interval = known.interval if known.refusals else slower(known.interval, configured_interval)
    # Refused again after the time that Usedesk asked for: it was not enough.
    grown = growing_wait(refusals, jitter) if retry_after is None or refusals > 1 else interval
    return RateLimitState(now + max(asked, grown), interval, now, refusals, False, now)


def accepted(state: RateLimitState, now: float, permit: Permit, configured_interval: float) -> RateLimitState:
    """Return the state after an accepted request: the interval shrinks, and a probed backoff ends."""
    known = _current(state, now)
    if permit.at <= known.refused or not known.interval:
        return state
    interval = faster(known.interval, configured_interval)
    released = permit.at + max(interval, configured_interval)
    following = min(known.next, released) if known.is_probing else known.next
    return RateLimitState(following, interval, known.refused, 0, False, now)


def unprobed(state: RateLimitState, now: float, permit: Permit, configured_interval: float) -> RateLimitState:
    """Return the state after a probe without a response: another request may probe."""
    known = _current(state, now)
    if permit.at <= known.refused or not known.is_probing:
        return state
    released = permit.at + max(known.interval, configured_interval)
    return replace(known, next=min(known.next, released), is_probing=False, changed=now)


def slower(interval: float, configured_interval: float) -> float:
    """Return the interval after a refusal; 0 stands for none."""
    present = max(interval, configured_interval)
    if not present:
        return PUBLISHED_INTERVAL
    return min(present * SLOWDOWN, SLOWEST * (configured_interval or PUBLISHED_INTERVAL))


def faster(interval: float, configured_interval: float) -> float:
    """Return the interval after an accepted request; 0 stands for the configured interval."""
    recovered = interval - RECOVERY * max(interval, configured_interval or PUBLISHED_INTERVAL)
    return recovered if recovered > configured_interval else 0.0


def growing_wait(attempt: int, jitter: float) -> float:
    """
    Return the seconds to wait when Usedesk did not say how long: longer with each attempt.

    :param attempt: number of the failed attempt, from 1
    :param jitter: a random number from 0 to 1
    """
    return min(2.0 ** min(attempt - 1, 5), 30.0) * (0.5 + jitter / 2)


def to_line(state: RateLimitState) -> str:
    """Return a state as one line of text."""
    return (
        f"1 {state.next!r} {state.interval!r} {state.refused!r} {state.changed!r} "
        f"{state.refusals} {int(state.is_probing)}"
    )


def from_line(line: str | bytes | None) -> RateLimitState:
    """Return the state of a line of :func:`to_line`; a new state for any other text."""
    try:
        version, *moments, refusals, is_probing = (line or "").split()
        following, interval, refused_at, changed = map(float, moments)
        if int(version) != 1 or not math.isfinite(following + interval + refused_at + changed):
            return RateLimitState()
        return RateLimitState(following, interval, refused_at, int(refusals), bool(int(is_probing)), changed)
    except ValueError:
        return RateLimitState()


def _current(state: RateLimitState, now: float) -> RateLimitState:
    """Return the state, or a new one if it has expired or was written by a clock that was set back."""
    is_of_another_clock = state.changed > now + CLOCK_TOLERANCE
    is_long_ago = now - max(state.changed, state.next) > KEPT_SECONDS
    return RateLimitState() if is_of_another_clock or is_long_ago else state
