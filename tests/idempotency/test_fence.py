"""The fence: nothing is sent without a record that was stored just now."""

from __future__ import annotations

import pytest

from airflow_provider_usedesk.api.errors import UsedeskError
from airflow_provider_usedesk.api.responses import CreatedTicket
from airflow_provider_usedesk.compat.stores import MemoryStore, StaleAttempt
from airflow_provider_usedesk.idempotency.attempt_store import AttemptStore
from airflow_provider_usedesk.idempotency.decision import AttemptRecord, RecordState
from airflow_provider_usedesk.idempotency.fence import LEASE, MAX_WRITES, Fence
from tests.idempotency.conftest import KEY


class Writes(MemoryStore):
    """A store whose writes take time or fail."""

    def __init__(self, clock):
        super().__init__()
        self.clock = clock
        self.delays = []
        self.error = None
        self.events = []

    def set(self, key, value):
        self.events.append("write")
        self.clock.sleep(self.delays.pop(0) if self.delays else 0)
        if self.error:
            raise self.error
        super().set(key, value)

    def check_current(self):
        self.events.append("check")


@pytest.fixture
def store(clock):
    return Writes(clock)


@pytest.fixture
def fence(store, clock):
    now = clock.moment()
    record = AttemptRecord(RecordState.OPEN, KEY, now, now, 1, 3, 0)
    return Fence(AttemptStore(store, CreatedTicket), record, store.check_current, clock.moment)


def stored(store):
    return AttemptStore(store, CreatedTicket).load()


def test_first_request_writes_once(fence, store, clock):
    fence()
    assert store.events == ["check", "write"]
    assert stored(store) == fence.record
    assert fence.record.until == clock.moment() + LEASE
    assert fence.was_passed


def test_request_soon_after_writes_nothing(fence, store, clock):
    fence()
    clock.sleep(LEASE.total_seconds() / 2)
    fence()
    assert store.events == ["check", "write"]


def test_long_wait_writes_again(fence, store, clock):
    fence()
    since = fence.record.since
    clock.sleep(LEASE.total_seconds() / 2 + 0.1)
    fence()
    assert store.events == ["check", "write"] * 2
    assert stored(store).until == clock.moment() + LEASE
    assert stored(store).since == since


@pytest.mark.parametrize("seconds", [0, 7.5])
def test_request_always_begins_before_the_end(fence, store, clock, seconds):
    store.delays = [seconds] * 9
    for wait in (0, 1, 7, 8, 60):
        clock.sleep(wait)
        fence()
        assert stored(store).until - clock.moment() >= LEASE / 2


@pytest.mark.parametrize(("delays", "writes"), [([7], 1), ([8, 7], 2), ([30, 8, 7], 3)])
def test_slow_write_is_repeated(fence, store, clock, delays, writes):
    store.delays = delays
    fence()
    assert store.events == ["check", "write"] * writes
    assert stored(store).until - clock.moment() >= LEASE / 2


def test_slow_writes_fail_in_the_end(fence, store):
    store.delays = [7.6] * 3
    with pytest.raises(UsedeskError, match=r"too long\. Nothing was sent"):
        fence()
    assert store.events == ["check", "write"] * MAX_WRITES


@pytest.mark.parametrize("error", [StaleAttempt(), ConnectionError("10.0.0.7"), ValueError("x")])
def test_failed_write_prevents_the_request(fence, store, error):
    store.error = error
    with pytest.raises(UsedeskError, match="Nothing was sent") as raised:
        fence()
    assert type(error).__name__ in str(raised.value)
    assert "10.0.0.7" not in str(raised.value)
    assert not fence.was_passed
    assert stored(store) is None


def test_failed_later_write_prevents_the_request(fence, store, clock):
    fence()
    first = fence.record
    clock.sleep(60)
    store.error = StaleAttempt()
    with pytest.raises(UsedeskError):
        fence()
    assert fence.record == stored(store) == first


def test_failed_check_prevents_the_write(fence, store):
    def check():
        raise StaleAttempt

    fence._check_current = check
    with pytest.raises(UsedeskError, match="StaleAttempt"):
        fence()
    assert store.events == []
    assert not fence.was_passed


def test_own_errors_pass_unchanged(fence, store):
    error = UsedeskError("x")
    store.error = error
    with pytest.raises(UsedeskError) as raised:
        fence()
    assert raised.value is error
