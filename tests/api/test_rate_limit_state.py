"""The decisions of the rate limit: when the next request may start, and what follows from a refusal."""

from __future__ import annotations

import pytest

from airflow_provider_usedesk.api.rate_limit_state import (
    KEPT_SECONDS,
    LONGEST_BACKOFF,
    PROBE_CHECK,
    PROBE_TIMEOUT,
    PUBLISHED_INTERVAL,
    SLOWEST,
    Permit,
    RateLimitState,
    Wait,
    accepted,
    from_line,
    refused,
    take,
    to_line,
    unprobed,
)

NOW = 1000.0
EMPTY = RateLimitState()


def taken(state: RateLimitState, now: float, configured_interval: float) -> tuple[RateLimitState, Permit]:
    state, permit = take(state, now, configured_interval)
    assert isinstance(permit, Permit)
    return state, permit


def after_refusal(*, retry_after: float | None = 20.0, configured_interval: float = 1.0) -> RateLimitState:
    """The state after a first request at ``NOW`` that was refused half a second later."""
    state, permit = taken(EMPTY, NOW, configured_interval)
    return refused(state, NOW + 0.5, permit, configured_interval, retry_after, jitter=1.0)


class TestSpacing:
    def test_idle_time_allows_no_burst(self):
        state, permit = taken(EMPTY, NOW, configured_interval=2.0)
        assert permit == Permit(NOW, needs_outcome=False)
        assert take(state, NOW + 0.5, configured_interval=2.0) == (state, Wait(1.5, is_backoff=False))
        state, _ = taken(state, NOW + 60, configured_interval=2.0)
        assert take(state, NOW + 60, configured_interval=2.0)[1] == Wait(2.0, is_backoff=False)

    def test_waiting_reserves_no_slot(self):
        state, permit = taken(EMPTY, NOW, configured_interval=1.0)
        assert take(state, NOW + 0.1, configured_interval=1.0)[0] is state
        state = refused(state, NOW + 0.2, permit, 1.0, retry_after=30, jitter=0)
        assert take(state, NOW + 1.0, configured_interval=1.0)[1] == Wait(
            pytest.approx(29.2), is_backoff=True
        )

    def test_no_interval_writes_no_state(self):
        for now in (NOW, NOW, NOW + 1):
            assert take(EMPTY, now, configured_interval=0.0) == (EMPTY, Permit(now, needs_outcome=False))
            assert take(EMPTY, now, configured_interval=0.0)[0] is EMPTY

    def test_connection_keeps_its_own_interval(self):
        state, _ = taken(EMPTY, NOW, configured_interval=1.0)
        state, _ = taken(state, NOW + 1.0, configured_interval=0.4)
        assert take(state, NOW + 1.1, configured_interval=1.0)[1] == Wait(
            pytest.approx(0.3), is_backoff=False
        )


class TestRefusals:
    def test_backoff_lasts_for_retry_after(self):
        state = after_refusal(retry_after=20)
        assert take(state, NOW + 1, configured_interval=1.0) == (state, Wait(19.5, is_backoff=True))
        assert isinstance(take(state, NOW + 20.5, configured_interval=1.0)[1], Permit)

    def test_backoff_grows_with_jitter(self):
        state, backoffs = EMPTY, []
        now = NOW
        for jitter in (1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0):
            state, permit = taken(state, now, configured_interval=0.4)
            state = refused(state, now, permit, 0.4, None, jitter)
            backoffs.append(state.next - now)
            now = state.next
        assert backoffs == [1, 2, 4, 4, 16, 30, 30]

    def test_short_retry_after_is_not_trusted_twice(self):
        """Otherwise a Retry-After of 0 would cause a storm of requests."""
        state, now, backoffs = EMPTY, NOW, []
        for _ in range(4):
            state, permit = taken(state, now, configured_interval=0.4)
            state = refused(state, now, permit, 0.4, retry_after=0, jitter=1.0)
            backoffs.append(round(state.next - now, 3))
            now = state.next
        assert backoffs == [0.5, 2, 4, 8]

    def test_one_probe_runs_after_backoff(self):
        state = after_refusal(retry_after=20)
        state, permit = taken(state, NOW + 20.5, configured_interval=1.0)
        assert take(state, NOW + 21, configured_interval=1.0)[1] == Wait(PROBE_CHECK, is_backoff=True)
        assert take(state, NOW + 25, configured_interval=1.0)[1] == Wait(PROBE_CHECK, is_backoff=True)
        state = accepted(state, NOW + 25.1, permit, configured_interval=1.0)
        assert isinstance(take(state, NOW + 25.1, configured_interval=1.0)[1], Permit)

    def test_lost_probe_is_replaced_after_timeout(self):
        state, _ = taken(after_refusal(retry_after=20), NOW + 20.5, configured_interval=1.0)
        assert isinstance(take(state, NOW + 20.4 + PROBE_TIMEOUT, configured_interval=1.0)[1], Wait)
        assert isinstance(take(state, NOW + 20.5 + PROBE_TIMEOUT, configured_interval=1.0)[1], Permit)

    def test_probe_without_response_is_replaced_at_once(self):
        state, permit = taken(after_refusal(retry_after=20), NOW + 20.5, configured_interval=1.0)
        state = unprobed(state, NOW + 23, permit, configured_interval=1.0)
        state, _ = taken(state, NOW + 23, configured_interval=1.0)
        assert isinstance(take(state, NOW + 25, configured_interval=1.0)[1], Wait)

    def test_concurrent_refusals_slow_down_once(self):
        state, permits = EMPTY, []
        for number in range(8):
            state, permit = taken(state, NOW + number * 0.01, configured_interval=0.01)
            permits.append(permit)
        states = [state := refused(state, NOW + 1, permit, 0.01, None, jitter=1.0) for permit in permits]
        assert set(states) == {states[0]}
        assert (states[0].interval, states[0].next) == (pytest.approx(0.0125), NOW + 2)

    def test_longest_retry_after_applies(self):
        state, first = taken(EMPTY, NOW, configured_interval=0.1)
        state, second = taken(state, NOW + 0.1, configured_interval=0.1)
        state = refused(state, NOW + 1, first, 0.1, retry_after=5, jitter=0)
        assert refused(state, NOW + 1.1, second, 0.1, retry_after=30, jitter=0).next == NOW + 31.1
        assert refused(state, NOW + 1.1, second, 0.1, retry_after=2, jitter=0) is state

    def test_late_longer_retry_after_applies_during_probe(self):
        state, first = taken(EMPTY, NOW, configured_interval=0.1)
        state, second = taken(state, NOW + 0.1, configured_interval=0.1)
        state = refused(state, NOW + 1, first, 0.1, None, jitter=1.0)
        state, probe = taken(state, NOW + 2, configured_interval=0.1)
        state = refused(state, NOW + 2.1, second, 0.1, retry_after=5, jitter=0)
        state = accepted(state, NOW + 2.5, probe, configured_interval=0.1)
        assert take(state, NOW + 3, configured_interval=0.1)[1].seconds == pytest.approx(4.1)

    def test_earlier_success_ends_no_backoff(self):
        state, first = taken(EMPTY, NOW, configured_interval=0.1)
        state, second = taken(state, NOW + 0.1, configured_interval=0.1)
        state = refused(state, NOW + 1, second, 0.1, retry_after=20, jitter=0)
        assert accepted(state, NOW + 1.1, first, configured_interval=0.1) is state


class TestRate:
    def test_rate_recovers_slowly_after_refusal(self):
        state = after_refusal(configured_interval=0.4)
        assert state.interval == 0.5
        now, intervals = state.next, []
        while state.interval and len(intervals) < 1000:
            state, permit = taken(state, now, configured_interval=0.4)
            assert permit.needs_outcome
            state = accepted(state, now, permit, configured_interval=0.4)
            now = state.next
            intervals.append(state.interval)
        assert intervals[:-1] == sorted(intervals[:-1], reverse=True)
        assert 300 < len(intervals) < 600
        assert state.interval == 0
        assert taken(state, now, configured_interval=0.4)[1] == Permit(now, needs_outcome=False)

    def test_first_refusal_applies_published_rate_limit(self):
        state = after_refusal(configured_interval=0.0)
        assert state.interval == PUBLISHED_INTERVAL == 60 / 150
        state, permit = taken(state, state.next, configured_interval=0.0)
        state = accepted(state, permit.at, permit, configured_interval=0.0)
        state, permit = taken(state, state.next, configured_interval=0.0)
        assert refused(state, permit.at, permit, 0.0, 5, 0).interval == pytest.approx(0.5, rel=0.01)

    def test_unlimited_rate_recovers_fully(self):
        state = after_refusal(configured_interval=0.0)
        for _ in range(3000):
            state, permit = taken(state, state.next, configured_interval=0.0)
            state = accepted(state, permit.at, permit, configured_interval=0.0)
        assert (state.interval, state.refusals) == (0.0, 0)

    def test_refusals_in_sequence_slow_down_once(self):
        state = after_refusal(configured_interval=0.4)
        for _ in range(5):
            state, permit = taken(state, state.next, configured_interval=0.4)
            state = refused(state, permit.at + 0.1, permit, 0.4, None, 1.0)
        assert state.interval == 0.5

    def test_slowdown_has_a_limit(self):
        state = EMPTY
        for _ in range(50):
            state, permit = taken(state, max(state.next, NOW), configured_interval=0.4)
            state = refused(state, permit.at + 0.1, permit, 0.4, None, 1.0)
            state, permit = taken(state, state.next, configured_interval=0.4)
            state = accepted(state, permit.at + 0.1, permit, configured_interval=0.4)
        assert 0.9 * SLOWEST * 0.4 < state.interval <= SLOWEST * 0.4


class TestStoredState:
    def test_backoff_is_at_most_one_hour(self):
        for tenths in range(100):
            now = NOW + tenths / 10
            state, permit = taken(EMPTY, now, configured_interval=0.0)
            state = refused(state, now, permit, 0.0, retry_after=1e9, jitter=1.0)
            assert state.next == now + LONGEST_BACKOFF
            assert isinstance(take(state, now, configured_interval=0.0)[1], Wait)

    def test_clock_set_back_blocks_no_request(self):
        state = after_refusal(retry_after=3600)
        assert isinstance(take(state, NOW - 1000, configured_interval=1.0)[1], Permit)
        assert isinstance(take(state, 3.0, configured_interval=1.0)[1], Permit)

    def test_impossible_next_time_is_ignored(self):
        state = RateLimitState(next=1e12, interval=1.0, refusals=1, changed=NOW)
        assert isinstance(take(state, NOW, configured_interval=1.0)[1], Permit)

    def test_state_expires_after_idle_hour(self):
        state = after_refusal(retry_after=20, configured_interval=0.4)
        still, _ = taken(state, NOW + 20 + KEPT_SECONDS, configured_interval=0.4)
        assert still.interval == 0.5
        gone, _ = taken(state, NOW + 21 + KEPT_SECONDS, configured_interval=0.4)
        assert (gone.interval, gone.refusals) == (0.0, 0)

    @pytest.mark.parametrize(
        "state", [EMPTY, after_refusal(), RateLimitState(1.5, 0.1, 2.25, 3, True, 1e9 / 3)]
    )
    def test_written_state_is_read_unchanged(self, state):
        assert from_line(to_line(state)) == state
        assert from_line(f"{to_line(state)}   \n".encode()) == state

    @pytest.mark.parametrize(
        "line",
        [None, "", b"\0" * 99, "1 2 3", "1 nan 0 -1 0 0 0", "1 inf 0 -1 0 0 0", "2 0 0 -1 0 0 0", "x " * 7],
    )
    def test_invalid_state_counts_as_empty(self, line):
        assert from_line(line) == EMPTY
