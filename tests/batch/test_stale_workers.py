"""An earlier attempt that lives on: at whichever store operation it is frozen, no row is sent twice."""

from __future__ import annotations

import itertools
import random
import threading
from collections import Counter
from contextlib import suppress
from datetime import timedelta

import pytest
from jinja2 import Environment

from airflow_provider_usedesk.api.responses import CreatedTicket
from airflow_provider_usedesk.batch.batch_io import BatchIO
from airflow_provider_usedesk.batch.checkpoint import CheckpointTaken, OpenRow
from airflow_provider_usedesk.batch.folder_checkpoint import FolderCheckpoint
from airflow_provider_usedesk.batch.options import BatchOptions
from airflow_provider_usedesk.batch.result_file import NoResultFile
from airflow_provider_usedesk.batch.row_params import RowParams
from airflow_provider_usedesk.batch.row_store import FinishedRow
from airflow_provider_usedesk.batch.rows import read_rows
from airflow_provider_usedesk.batch.runner import BatchRun
from airflow_provider_usedesk.batch.send_lease import SendAborted, SendLease
from airflow_provider_usedesk.batch.send_window import LONGEST_REQUEST, SendWindow
from airflow_provider_usedesk.batch.state_checkpoint import StateCheckpoint
from airflow_provider_usedesk.compat.stores import MemoryStore, StaleAttempt
from airflow_provider_usedesk.idempotency.decision import Absent, Found
from tests.support.batch import NOON, FakeClock

LEASE = timedelta(seconds=SendWindow(1).lease_seconds)
ROW = OpenRow(1, NOON, NOON)


class OrderedStore:
    """The store as one process sees it: each operation waits until it is its turn."""

    def __init__(self, store, name, order):
        self.store = store
        self.name = name
        self.order = order

    def get(self, key):
        with self.order.turn_of(self.name):
            return self.store.get(key)

    def set(self, key, value):
        with self.order.turn_of(self.name):
            self.store.set(key, value)

    def list(self, prefix):
        with self.order.turn_of(self.name):
            return iter(sorted(self.store.list(prefix)))


class Order:
    """The order of the operations of two processes, such as ``xyyx``; those that are not in it come last."""

    def __init__(self, names):
        self.left = list(names)
        self.counts = Counter()
        self.changed = threading.Condition()

    def turn_of(self, name):
        self.changed.acquire()
        self.changed.wait_for(lambda: not self.left or self.left[0] == name, timeout=30)
        self.left = self.left[1:]
        self.counts[name] += 1
        return self

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.changed.notify_all()
        self.changed.release()

    def end(self, name):
        with self.changed:
            self.left = [other for other in self.left if other != name]
            self.changed.notify_all()


def run_in_order(order, store, **processes):
    """Run two processes in threads, with their store operations in the given order."""
    failures = []

    def run(name, process):
        try:
            process(OrderedStore(store, name, order))
        except Exception as error:
            failures.append(error)
        finally:
            order.end(name)

    threads = [threading.Thread(target=run, args=item) for item in processes.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []


def merges(xs, ys):
    """Yield all orders of so many operations of x and of y."""
    for places in itertools.combinations(range(xs + ys), xs):
        yield "".join("x" if place in places else "y" for place in range(xs + ys))


class Release:
    """
    An attempt that releases a row.

    :param checkpoint: its checkpoint, which is loaded; default: None, it takes the checkpoint over first
    """

    def __init__(self, checkpoint=None):
        self.checkpoint = checkpoint
        self.has_sent = False
        self.looks_up = False

    def __call__(self, store):
        with suppress(CheckpointTaken):
            finished = []
            if self.checkpoint is None:
                checkpoint = FolderCheckpoint(store)
                done = list(checkpoint.load())
                self.looks_up = ROW.digest in {row.digest for row in checkpoint.open}
                assert 7 in {row.digest for row in done}
            else:
                checkpoint, finished = self.checkpoint, [FinishedRow(8, 1008)]
                checkpoint._store = checkpoint._part._store = store
            checkpoint.write(finished, [ROW])
            self.has_sent = True


def new_world():
    """Return a store in which an earlier attempt has sent a row, and that attempt."""
    store = MemoryStore()
    earlier = FolderCheckpoint(store)
    list(earlier.load())
    earlier.write([FinishedRow(7, 1007)], [])
    return store, earlier


def check_order(names, x, y, store):
    run_in_order(Order(names), store, x=x, y=y)
    assert not (x.has_sent and y.has_sent and not (y.looks_up or x.looks_up)), names


class TestFolder:
    def test_release_during_take_over(self):
        store, earlier = new_world()
        order = Order("")
        run_in_order(order, store, y=Release())
        operations = order.counts["y"]
        assert 7 <= operations <= 12
        seen = Counter()
        for names in merges(3, operations):
            store, earlier = new_world()
            x, y = Release(earlier), Release()
            check_order(names, x, y, store)
            seen[x.has_sent, y.looks_up] += 1
        # Each of these happens: the stale attempt sends and is looked up, or sees the newer claim in time.
        assert seen[True, True]
        assert seen[False, False]
        assert seen[False, True]
        assert not seen[True, False]

    def test_two_take_overs(self):
        chance = random.Random(13)
        for _ in range(400):
            names = list("x" * 10 + "y" * 10)
            chance.shuffle(names)
            check_order("".join(names), Release(), Release(), new_world()[0])


class World:
    """The store and Usedesk, which outlive the attempts; only one attempt is current."""

    def __init__(self, kind):
        self.kind = kind
        self.store = MemoryStore()
        self.clock = FakeClock()
        self.tickets = Counter()
        self.looked_up = Counter()
        self.lock = threading.Lock()
        self.current = 0


class Worker:
    """
    One attempt.

    :param world: the world
    :param freeze_at: number of the store operation before which the attempt stops for a while
    :param meanwhile: what happens then
    """

    def __init__(self, world, freeze_at=None, meanwhile=None):
        self.world = world
        self.number = world.current = world.current + 1
        self.freeze_at = freeze_at
        self.meanwhile = meanwhile
        self.operations = 0
        self.lease = SendLease(world.clock)

    def operation(self):
        self.operations += 1
        if self.operations == self.freeze_at:
            self.meanwhile()

    @property
    def is_stale(self):
        """Whether Airflow refuses it; in a folder nobody does."""
        return self.world.kind is StateCheckpoint and self.number != self.world.current

    def get(self, key):
        self.operation()
        return None if self.is_stale else self.world.store.get(key)

    def set(self, key, value):
        self.operation()
        if self.is_stale:
            raise StaleAttempt
        self.world.store.set(key, value)

    def list(self, prefix):
        self.operation()
        return self.world.store.list(prefix)

    def send(self, row):
        with self.world.lock:
            if self.lease.is_closed:
                raise SendAborted
            self.world.tickets[row.key] += 1
            return CreatedTicket(1000 + row.number)

    def look_up(self, outcomes, has_ticket):
        with self.world.lock:
            # The search does not trust an absence before requests of the earlier attempt have ended.
            self.world.clock.seconds += (LEASE + LONGEST_REQUEST).total_seconds()
            tickets = dict(self.world.tickets)
        for outcome in outcomes:
            self.world.looked_up[outcome.row.key] += 1
            found = Found(CreatedTicket(1000 + outcome.row.number))
            yield outcome.row.number, found if tickets.get(outcome.row.key) else Absent()

    def run(self, count):
        rows = [{"id": number} for number in range(count)]
        row_params = RowParams({}, frozenset(), {}, "id", Environment(), {})
        io = BatchIO(
            lambda key, params: ({"additional_id": key}, ()), self.send, self.look_up, NoResultFile()
        )
        options = BatchOptions(max_in_flight=4)
        batch = BatchRun(read_rows(rows), row_params, self.world.kind(self), options, io, self.lease)
        return batch.run()


@pytest.mark.parametrize("freeze_at", range(1, 30))
@pytest.mark.parametrize("kind", [StateCheckpoint, FolderCheckpoint])
def test_thawed_attempt_sends_nothing_twice(kind, freeze_at):
    world = World(kind)
    old = Worker(world, freeze_at, lambda: Worker(world).run(24))
    with suppress(StaleAttempt):
        old.run(24)
    if world.current == 1:
        Worker(world).run(24)
    assert world.tickets == {str(number): 1 for number in range(24)}


@pytest.mark.parametrize("kind", [StateCheckpoint, FolderCheckpoint])
def test_attempt_that_begins_stale_sends_nothing(kind):
    """A stale attempt reads an empty store, which does not mean that nothing was sent."""
    world = World(kind)
    Worker(world).run(24)
    stale = Worker(world)
    world.current += 1
    if kind is StateCheckpoint:
        with pytest.raises(StaleAttempt):
            stale.run(24)
    else:
        assert stale.run(24).skipped == 24
    assert set(world.tickets.values()) == {1}


@pytest.mark.parametrize("kind", [StateCheckpoint, FolderCheckpoint])
def test_slow_write_sends_nothing(kind):
    """The write and the look took longer than the lease, so the rows are written again."""
    world = World(kind)
    worker = Worker(world)
    delays, sent = iter([20.0, 20.0, 20.0]), []

    def set_slowly(key, value):
        world.store.set(key, value)
        if key.endswith("manifest") and value["open"] and (delay := next(delays, 0.0)):
            world.clock.seconds += delay
            world.clock.moment += timedelta(seconds=delay)
            sent.append(world.tickets.total())

    worker.set = set_slowly
    assert worker.run(8).sent == 8
    assert sent == [0, 0, 0]
    assert set(world.tickets.values()) == {1}
