"""Who sends: at most so many at once, only while the lease is open, and every row comes back."""

from __future__ import annotations

import threading

import pytest

from airflow_provider_usedesk.api.responses import CreatedTicket
from airflow_provider_usedesk.batch.row_store import Sendable
from airflow_provider_usedesk.batch.worker_pool import SendAborted, SendLease, WorkerPool


class Clock:
    seconds = 0.0

    def __call__(self):
        return self.seconds

    def sleep(self, seconds):
        self.seconds += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def lease(clock):
    return SendLease(clock, clock.sleep)


def test_a_gate_is_closed_until_it_is_opened_and_closes_by_itself(lease, clock):
    assert lease.is_closed
    lease.open(until=15.0)
    assert not lease.is_closed
    clock.seconds = 15.0
    assert lease.is_closed
    lease.open(until=30.0)
    lease.close()
    assert lease.is_closed


def test_a_gate_that_was_stopped_is_never_opened_again(lease):
    """A signal may come in the very moment in which it is opened."""
    lease.stop()
    lease.open(until=15.0)
    assert lease.is_closed


def test_who_waits_at_a_gate_that_closes_hands_the_row_back(lease, clock):
    lease.open(until=10.0)
    with pytest.raises(SendAborted):
        lease.pause(3600)
    assert clock.seconds <= 10.5


@pytest.mark.parametrize("seconds", [0.0, 0.2, 10.0])
def test_who_has_waited_does_not_go_through_a_closed_gate(lease, clock, seconds):
    lease.open(until=seconds)
    with pytest.raises(SendAborted):
        lease.pause(seconds)


def test_who_waits_goes_through_an_open_gate(lease, clock):
    lease.open(until=10.0)
    lease.pause(9.0)
    assert clock.seconds == 9.0


def rows(count):
    return [Sendable(number, str(number), {}) for number in range(count)]


def answers(pool):
    found = []
    while pool.in_flight:
        found += pool.answers(5)
    return {answer.row.number: answer.came for answer in found}


def test_every_row_comes_back_with_its_ticket_or_its_error(lease):
    lease.open(until=1.0)

    def send(row):
        if row.number % 2:
            raise KeyboardInterrupt
        return CreatedTicket(row.number + 1)

    pool = WorkerPool(send, 4, lease)
    for row in rows(50):
        pool.send(row)
    came = answers(pool)
    pool.dismiss()
    assert {number: type(one) for number, one in came.items()} == {
        number: KeyboardInterrupt if number % 2 else CreatedTicket for number in range(50)
    }


def test_rows_are_handed_back_unsent_while_the_gate_is_closed(lease):
    pool = WorkerPool(lambda row: pytest.fail("was sent"), 2, lease)
    for row in rows(9):
        pool.send(row)
    assert {type(one) for one in answers(pool).values()} == {SendAborted}
    pool.dismiss()


def test_no_more_are_sent_at_once_than_the_size_and_all_threads_end(lease):
    lease.open(until=1.0)
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
    assert len(answers(pool)) == 30
    assert max(most) == 3
    pool.dismiss()
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
    assert set(threading.enumerate()) <= before


def test_no_answer_is_lost_when_the_one_who_takes_them_is_interrupted(lease, monkeypatch):
    """Before Airflow 3, a task that is told to stop gets an error wherever it is."""
    lease.open(until=1.0)
    pool = WorkerPool(lambda row: CreatedTicket(1), 1, lease)
    pool.send(*rows(1))

    def interrupted(seconds):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("airflow_provider_usedesk.batch.worker_pool.time.sleep", interrupted)
        with pytest.raises(KeyboardInterrupt):
            next(pool.answers(30))
    assert [answer.came for answer in pool.answers(1)] == [CreatedTicket(1)]
    pool.dismiss()
