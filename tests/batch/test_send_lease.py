"""The send lease: closed unless it was opened, and expired unless it was renewed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_provider_usedesk.batch.send_lease import SendAborted, SendLease
from tests.support.batch import FakeClock


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def lease(clock):
    return SendLease(clock)


def test_lease_expires(lease, clock):
    assert lease.is_closed
    lease.open(until=15.0)
    assert not lease.is_closed
    clock.seconds = 15.0
    assert lease.is_closed


def test_lease_expires_while_machine_is_suspended(lease, clock):
    """The monotonic time may stand still, while the next attempt begins elsewhere."""
    lease.open(until=15.0, until_utc=clock.now() + timedelta(seconds=15))
    assert not lease.is_closed
    clock.moment += timedelta(seconds=15)
    assert lease.is_closed


def test_lease_can_be_closed(lease):
    lease.open(until=30.0)
    lease.close()
    assert lease.is_closed


def test_stopped_lease_never_opens(lease):
    """A signal may come at the very moment in which the lease is opened."""
    lease.stop()
    lease.open(until=15.0)
    assert lease.is_closed


def test_expiry_aborts_a_pause(lease, clock):
    lease.open(until=10.0)
    with pytest.raises(SendAborted):
        lease.pause(3600)
    assert clock.seconds <= 10.5


@pytest.mark.parametrize("seconds", [0.0, 0.2, 10.0])
def test_pause_ends_before_expiry_or_aborts(lease, seconds):
    lease.open(until=seconds)
    with pytest.raises(SendAborted):
        lease.pause(seconds)


def test_pause_in_open_lease(lease, clock):
    lease.open(until=10.0)
    lease.pause(9.0)
    assert clock.seconds == 9.0
