"""The worker pool: bounded, only within the lease, and every row gets a result."""

from __future__ import annotations

import threading

import pytest

from airflow_provider_usedesk.api.responses import CreatedTicket
from airflow_provider_usedesk.batch.row_store import CheckedRow
from airflow_provider_usedesk.batch.send_lease import SendAborted, SendLease
from airflow_provider_usedesk.batch.worker_pool import WorkerPool
from tests.support.batch import FakeClock


@pytest.fixture
def clock():
    return FakeClock(real_wait=30)


@pytest.fixture
def lease(clock):
    lease = SendLease(clock)
    lease.open(until=100.0)
    return lease


def rows(count):
    return [CheckedRow(number, str(number), {}) for number in range(count)]


def outcomes(pool):
    results = []
    while pool.in_flight:
        results += pool.results(5)
    return {result.row.number: result.outcome for result in results}


def test_every_row_gets_ticket_or_error(lease):
    def send(row):
        if row.number % 2:
            raise KeyboardInterrupt
        return CreatedTicket(row.number + 1)

    pool = WorkerPool(send, 4, lease)
    for row in rows(50):
        pool.send(row)
    found = outcomes(pool)
    pool.close()
    assert {number: type(outcome) for number, outcome in found.items()} == {
        number: KeyboardInterrupt if number % 2 else CreatedTicket for number in range(50)
    }


def test_closed_lease_aborts_rows(lease):
    lease.close()
    pool = WorkerPool(lambda row: pytest.fail("was sent"), 2, lease)
    for row in rows(9):
        pool.send(row)
    assert {type(outcome) for outcome in outcomes(pool).values()} == {SendAborted}
    pool.close()


def test_size_bounds_requests_and_threads_end(lease):
    before = set(threading.enumerate())
    at_once, most, lock = [], [], threading.Lock()
    all_are_busy = threading.Barrier(3, timeout=30)

    def send(row):
        with lock:
            at_once.append(row)
            most.append(len(at_once))
        all_are_busy.wait()
        with lock:
            at_once.remove(row)
        return CreatedTicket(1)

    pool = WorkerPool(send, 3, lease)
    for row in rows(30):
        pool.send(row)
    assert len(outcomes(pool)) == 30
    assert max(most) == 3
    pool.close()
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
    assert set(threading.enumerate()) <= before


def test_waiting_uses_the_clock(lease, clock):
    clock.real_wait = 0
    pool = WorkerPool(lambda row: CreatedTicket(1), 1, lease)
    assert list(pool.results(60)) == []
    assert clock.seconds == 60


class Interrupted(BaseException):
    """A signal raises this at any place, as in Airflow 2."""


def test_interrupted_wait_loses_no_result(lease, clock, monkeypatch):
    pool = WorkerPool(lambda row: CreatedTicket(1), 1, lease)
    pool.send(*rows(1))

    def interrupt(seconds):
        raise Interrupted

    with monkeypatch.context() as patched:
        patched.setattr(clock, "sleep", interrupt)
        with pytest.raises(Interrupted):
            next(pool.results(30))
    assert [result.outcome for result in pool.results(1)] == [CreatedTicket(1)]
    pool.close()


def test_interrupted_reading_loses_no_result(lease, clock):
    """The results that were not read are there at once, without another event."""
    pool = WorkerPool(lambda row: CreatedTicket(1), 1, lease)
    for row in rows(2):
        pool.send(row)
    while len(pool._results) < 2:
        clock.wait(pool._has_results, 1)
    assert next(pool.results(1)).row.number == 0
    clock.real_wait = 0
    assert [result.row.number for result in pool.results(0)] == [1]
    assert pool.in_flight == 0
    pool.close()
