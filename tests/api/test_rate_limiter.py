"""When the next request may go, and what a refusal teaches everyone."""

from __future__ import annotations

import logging
import math

import pytest

from airflow_provider_usedesk.api.errors import UsedeskRateLimited, UsedeskRejected, UsedeskUnavailable
from airflow_provider_usedesk.api.rate_limiter import (
    IN_MEMORY,
    KEPT_SECONDS,
    LONGEST_BACKOFF,
    PROBE_CHECK,
    PROBE_TIMEOUT,
    PUBLISHED_INTERVAL,
    SLOWEST,
    MemoryStore,
    Permit,
    RateLimiter,
    RateLimitState,
    Wait,
    WaitBudget,
    accepted,
    account_name,
    read,
    refused,
    take,
    unprobed,
    written,
)

NOW = 1000.0
NOTHING = RateLimitState()


def taken(state: RateLimitState, now: float, configured_interval: float) -> tuple[RateLimitState, Permit]:
    state, turn = take(state, now, configured_interval)
    assert isinstance(turn, Permit)
    return state, turn


def after_refusal(*, retry_after: float | None = 20.0, configured_interval: float = 1.0) -> RateLimitState:
    """The state after a first request at ``NOW`` that was refused half a second later."""
    state, turn = taken(NOTHING, NOW, configured_interval)
    return refused(state, NOW + 0.5, turn, configured_interval, retry_after, jitter=1.0)


class TestSpacing:
    def test_requests_are_an_interval_apart_and_no_burst_makes_up_for_silence(self):
        state, turn = taken(NOTHING, NOW, configured_interval=2.0)
        assert turn == Permit(NOW, needs_outcome=False)
        assert take(state, NOW + 0.5, configured_interval=2.0) == (state, Wait(1.5, is_backoff=False))
        state, _ = taken(state, NOW + 60, configured_interval=2.0)
        assert take(state, NOW + 60, configured_interval=2.0)[1] == Wait(2.0, is_backoff=False)

    def test_who_waits_has_reserved_nothing(self):
        state, turn = taken(NOTHING, NOW, configured_interval=1.0)
        assert take(state, NOW + 0.1, configured_interval=1.0)[0] is state
        state = refused(state, NOW + 0.2, turn, 1.0, retry_after=30, jitter=0)
        assert take(state, NOW + 1.0, configured_interval=1.0)[1] == Wait(
            pytest.approx(29.2), is_backoff=True
        )

    def test_without_a_pace_nothing_is_written_and_nobody_waits(self):
        for now in (NOW, NOW, NOW + 1):
            assert take(NOTHING, now, configured_interval=0.0) == (NOTHING, Permit(now, needs_outcome=False))
            assert take(NOTHING, now, configured_interval=0.0)[0] is NOTHING

    def test_each_connection_of_an_account_keeps_at_least_its_own_interval(self):
        state, _ = taken(NOTHING, NOW, configured_interval=1.0)
        state, _ = taken(state, NOW + 1.0, configured_interval=0.4)
        assert take(state, NOW + 1.1, configured_interval=1.0)[1] == Wait(
            pytest.approx(0.3), is_backoff=False
        )


class TestRefusals:
    def test_everyone_is_held_as_long_as_was_told(self):
        state = after_refusal(retry_after=20)
        assert take(state, NOW + 1, configured_interval=1.0) == (state, Wait(19.5, is_backoff=True))
        assert isinstance(take(state, NOW + 20.5, configured_interval=1.0)[1], Permit)

    def test_where_nothing_was_told_the_hold_grows_and_is_spread(self):
        state, holds = NOTHING, []
        now = NOW
        for jitter in (1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0):
            state, turn = taken(state, now, configured_interval=0.4)
            state = refused(state, now, turn, 0.4, None, jitter)
            holds.append(state.next - now)
            now = state.next
        assert holds == [1, 2, 4, 4, 16, 30, 30]

    def test_what_was_told_too_short_twice_is_not_believed(self):
        """Else a Retry-After of 0 would make a storm."""
        state, now, holds = NOTHING, NOW, []
        for _ in range(4):
            state, turn = taken(state, now, configured_interval=0.4)
            state = refused(state, now, turn, 0.4, retry_after=0, jitter=1.0)
            holds.append(round(state.next - now, 3))
            now = state.next
        assert holds == [0.5, 2, 4, 8]

    def test_after_a_hold_one_tries_and_the_others_look_how_it_goes(self):
        state = after_refusal(retry_after=20)
        state, turn = taken(state, NOW + 20.5, configured_interval=1.0)
        assert take(state, NOW + 21, configured_interval=1.0)[1] == Wait(PROBE_CHECK, is_backoff=True)
        assert take(state, NOW + 25, configured_interval=1.0)[1] == Wait(PROBE_CHECK, is_backoff=True)
        state = accepted(state, NOW + 25.1, turn, configured_interval=1.0)
        assert isinstance(take(state, NOW + 25.1, configured_interval=1.0)[1], Permit)

    def test_one_that_tries_and_never_comes_back_is_followed_by_another(self):
        state, _ = taken(after_refusal(retry_after=20), NOW + 20.5, configured_interval=1.0)
        assert isinstance(take(state, NOW + 20.4 + PROBE_TIMEOUT, configured_interval=1.0)[1], Wait)
        assert isinstance(take(state, NOW + 20.5 + PROBE_TIMEOUT, configured_interval=1.0)[1], Permit)

    def test_one_that_tries_and_gets_no_answer_lets_another_try_at_once(self):
        state, turn = taken(after_refusal(retry_after=20), NOW + 20.5, configured_interval=1.0)
        state = unprobed(state, NOW + 23, turn, configured_interval=1.0)
        state, _ = taken(state, NOW + 23, configured_interval=1.0)
        assert isinstance(take(state, NOW + 25, configured_interval=1.0)[1], Wait)

    def test_many_under_way_slow_down_once(self):
        state, turns = NOTHING, []
        for number in range(8):
            state, turn = taken(state, NOW + number * 0.01, configured_interval=0.01)
            turns.append(turn)
        states = [state := refused(state, NOW + 1, turn, 0.01, None, jitter=1.0) for turn in turns]
        assert set(states) == {states[0]}
        assert (states[0].interval, states[0].next) == (pytest.approx(0.0125), NOW + 2)

    def test_the_longest_wait_that_was_told_holds(self):
        state, first = taken(NOTHING, NOW, configured_interval=0.1)
        state, second = taken(state, NOW + 0.1, configured_interval=0.1)
        state = refused(state, NOW + 1, first, 0.1, retry_after=5, jitter=0)
        assert refused(state, NOW + 1.1, second, 0.1, retry_after=30, jitter=0).next == NOW + 31.1
        assert refused(state, NOW + 1.1, second, 0.1, retry_after=2, jitter=0) is state

    def test_a_late_word_of_a_longer_wait_counts_although_one_tries(self):
        state, first = taken(NOTHING, NOW, configured_interval=0.1)
        state, second = taken(state, NOW + 0.1, configured_interval=0.1)
        state = refused(state, NOW + 1, first, 0.1, None, jitter=1.0)
        state, probe = taken(state, NOW + 2, configured_interval=0.1)
        state = refused(state, NOW + 2.1, second, 0.1, retry_after=5, jitter=0)
        state = accepted(state, NOW + 2.5, probe, configured_interval=0.1)
        assert take(state, NOW + 3, configured_interval=0.1)[1].seconds == pytest.approx(4.1)

    def test_what_was_accepted_before_the_refusal_ends_no_hold(self):
        state, first = taken(NOTHING, NOW, configured_interval=0.1)
        state, second = taken(state, NOW + 0.1, configured_interval=0.1)
        state = refused(state, NOW + 1, second, 0.1, retry_after=20, jitter=0)
        assert accepted(state, NOW + 1.1, first, configured_interval=0.1) is state


class TestRate:
    def test_a_refusal_slows_down_by_a_quarter_and_each_accepted_request_recovers_a_little(self):
        state = after_refusal(configured_interval=0.4)
        assert state.interval == 0.5
        now, intervals = state.next, []
        while state.interval and len(intervals) < 1000:
            state, turn = taken(state, now, configured_interval=0.4)
            assert turn.needs_outcome
            state = accepted(state, now, turn, configured_interval=0.4)
            now = state.next
            intervals.append(state.interval)
        assert intervals[:-1] == sorted(intervals[:-1], reverse=True)
        assert 300 < len(intervals) < 600
        assert state.interval == 0
        assert taken(state, now, configured_interval=0.4)[1] == Permit(now, needs_outcome=False)

    def test_where_no_pace_is_given_the_published_one_is_the_first(self):
        state = after_refusal(configured_interval=0.0)
        assert state.interval == PUBLISHED_INTERVAL == 60 / 150
        state, turn = taken(state, state.next, configured_interval=0.0)
        state = accepted(state, turn.at, turn, configured_interval=0.0)
        state, turn = taken(state, state.next, configured_interval=0.0)
        assert refused(state, turn.at, turn, 0.0, 5, 0).interval == pytest.approx(0.5, rel=0.01)

    def test_without_a_pace_it_recovers_to_none(self):
        state = after_refusal(configured_interval=0.0)
        for _ in range(3000):
            state, turn = taken(state, state.next, configured_interval=0.0)
            state = accepted(state, turn.at, turn, configured_interval=0.0)
        assert (state.interval, state.refusals) == (0.0, 0)

    def test_one_run_of_refusals_slows_down_once(self):
        state = after_refusal(configured_interval=0.4)
        for _ in range(5):
            state, turn = taken(state, state.next, configured_interval=0.4)
            state = refused(state, turn.at + 0.1, turn, 0.4, None, 1.0)
        assert state.interval == 0.5

    def test_no_number_of_refusals_slows_down_for_ever(self):
        state = NOTHING
        for _ in range(50):
            state, turn = taken(state, max(state.next, NOW), configured_interval=0.4)
            state = refused(state, turn.at + 0.1, turn, 0.4, None, 1.0)
            state, turn = taken(state, state.next, configured_interval=0.4)
            state = accepted(state, turn.at + 0.1, turn, configured_interval=0.4)
        assert 0.9 * SLOWEST * 0.4 < state.interval <= SLOWEST * 0.4


class TestForgetting:
    def test_an_absurd_wait_that_was_told_holds_for_an_hour(self):
        for tenths in range(100):
            now = NOW + tenths / 10
            state, turn = taken(NOTHING, now, configured_interval=0.0)
            state = refused(state, now, turn, 0.0, retry_after=1e9, jitter=1.0)
            assert state.next == now + LONGEST_BACKOFF
            assert isinstance(take(state, now, configured_interval=0.0)[1], Wait)

    def test_a_clock_that_was_set_back_blocks_nobody(self):
        state = after_refusal(retry_after=3600)
        assert isinstance(take(state, NOW - 1000, configured_interval=1.0)[1], Permit)
        assert isinstance(take(state, 3.0, configured_interval=1.0)[1], Permit)

    def test_a_moment_that_no_hold_can_have_made_blocks_nobody(self):
        state = RateLimitState(next=1e12, interval=1.0, refusals=1, changed=NOW)
        assert isinstance(take(state, NOW, configured_interval=1.0)[1], Permit)

    def test_what_was_learnt_is_forgotten_after_an_hour_without_requests(self):
        state = after_refusal(retry_after=20, configured_interval=0.4)
        still, _ = taken(state, NOW + 20 + KEPT_SECONDS, configured_interval=0.4)
        assert still.interval == 0.5
        gone, _ = taken(state, NOW + 21 + KEPT_SECONDS, configured_interval=0.4)
        assert (gone.interval, gone.refusals) == (0.0, 0)

    @pytest.mark.parametrize(
        "state", [NOTHING, after_refusal(), RateLimitState(1.5, 0.1, 2.25, 3, True, 1e9 / 3)]
    )
    def test_a_state_is_read_as_it_was_written(self, state):
        assert read(written(state)) == state
        assert read(f"{written(state)}   \n".encode()) == state

    @pytest.mark.parametrize(
        "line",
        [None, "", b"\0" * 99, "1 2 3", "1 nan 0 -1 0 0 0", "1 inf 0 -1 0 0 0", "2 0 0 -1 0 0 0", "x " * 7],
    )
    def test_what_is_no_state_counts_as_nothing(self, line):
        assert read(line) == NOTHING


def test_the_name_of_an_account_tells_no_token():
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


class TestPace:
    """The waiting itself."""

    @pytest.fixture
    def time(self):
        return Time()

    @pytest.fixture
    def store(self, time):
        return MemoryStore(lambda: time.now)

    @pytest.fixture
    def pace(self, time, store):
        return RateLimiter("account", 1.0, store, time.sleep, lambda: 1.0)

    @pytest.fixture
    def wait_budget(self, time):
        return lambda seconds: WaitBudget(seconds, lambda: time.now)

    def refuse(self, pace, wait_budget, retry_after):
        with pytest.raises(UsedeskRateLimited), pace.permit(wait_budget(0)):
            raise UsedeskRateLimited("x", status=429, retry_after=retry_after)

    def test_keeping_requests_apart_is_not_bounded(self, pace, wait_budget, time):
        bound = wait_budget(0.5)
        for _ in range(3):
            with pace.permit(bound):
                pass
        assert time.slept == [1.0, 1.0]
        assert bound.left == 0.5

    def test_a_hold_is_waited_for(self, pace, wait_budget, time):
        self.refuse(pace, wait_budget, retry_after=20)
        with pace.permit(wait_budget(30)):
            pass
        assert time.slept == [20.0]

    def test_a_hold_that_is_longer_than_the_patience_fails_at_once_and_sends_nothing(
        self, pace, wait_budget, time
    ):
        self.refuse(pace, wait_budget, retry_after=20)
        with (
            pytest.raises(UsedeskRateLimited, match="Nothing was sent") as raised,
            pace.permit(wait_budget(19)),
        ):
            pytest.fail("sent")
        assert raised.value.retry_after == 20
        assert time.slept == []

    def test_one_refusal_holds_another_client_of_the_account_and_no_other_account(
        self, pace, wait_budget, time, store
    ):
        self.refuse(pace, wait_budget, retry_after=20)
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
    def test_any_answer_but_a_refusal_ends_the_hold(self, pace, wait_budget, time, outcome, waits):
        self.refuse(pace, wait_budget, retry_after=20)
        try:
            with pace.permit(wait_budget(30)):
                if outcome is not None:
                    raise outcome
        except type(outcome or ValueError):
            pass
        time.slept.clear()
        with pace.permit(wait_budget(60)):
            pass
        assert time.slept == [pytest.approx(waits, abs=0.01)]

    def test_no_answer_ends_no_hold(self, pace, wait_budget, time, store):
        self.refuse(pace, wait_budget, retry_after=20)
        with pytest.raises(UsedeskUnavailable), pace.permit(wait_budget(30)):
            raise UsedeskUnavailable("no connection")
        state = store.change("account", lambda state, now: (state, state))
        assert (state.refusals, state.is_probing) == (1, False)

    def test_a_wait_that_is_broken_off_leaves_the_turn_to_others(self, pace, wait_budget, time, store):
        with pace.permit(wait_budget(0)):
            pass

        def broken(seconds):
            raise InterruptedError

        with (
            pytest.raises(InterruptedError),
            RateLimiter("account", 1.0, store, broken, lambda: 1.0).permit(wait_budget(0)),
        ):
            pytest.fail("sent")
        with pace.permit(wait_budget(0)):
            pass
        assert time.slept == [1.0]

    def test_logs_nothing_but_the_repeats(self, pace, wait_budget, caplog):
        caplog.set_level(logging.DEBUG)
        self.refuse(pace, wait_budget, retry_after=20)
        assert caplog.records == []


def test_the_memory_is_one_for_the_process():
    IN_MEMORY.change("account", lambda state, now: (RateLimitState(refusals=7), None))
    assert IN_MEMORY.change("account", lambda state, now: (state, state.refusals)) == 7
    IN_MEMORY.clear()
    assert IN_MEMORY.change("account", lambda state, now: (state, state.refusals)) == 0
