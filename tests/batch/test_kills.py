"""Attempts that end after any line, again and again: each row gets one ticket."""

from __future__ import annotations

import itertools
import random
import sys
import threading
from datetime import timedelta

import pytest
from jinja2 import Environment

from airflow_provider_usedesk.api import errors
from airflow_provider_usedesk.api.responses import CreatedTicket
from airflow_provider_usedesk.batch import (
    checkpoint_part,
    checkpoint_values,
    checkpoint_writer,
    folder_checkpoint,
    row_states,
    run_state,
    runner,
    send_loop,
    state_checkpoint,
    unknown_outcomes,
)
from airflow_provider_usedesk.batch.batch_io import BatchIO
from airflow_provider_usedesk.batch.clock import Clock
from airflow_provider_usedesk.batch.folder_checkpoint import FolderCheckpoint
from airflow_provider_usedesk.batch.options import BatchOptions
from airflow_provider_usedesk.batch.result_file import NoResultFile
from airflow_provider_usedesk.batch.row_params import RowParams
from airflow_provider_usedesk.batch.rows import read_rows
from airflow_provider_usedesk.batch.runner import BatchRun
from airflow_provider_usedesk.batch.send_lease import SendLease
from airflow_provider_usedesk.batch.state_checkpoint import StateCheckpoint
from airflow_provider_usedesk.compat.stores import MemoryStore
from airflow_provider_usedesk.idempotency.decision import Absent, Ambiguous, Found
from tests.support.batch import NOON

# The modules in which an attempt may end after any line.
PLACES = {
    module.__file__
    for module in (
        checkpoint_part,
        checkpoint_values,
        checkpoint_writer,
        folder_checkpoint,
        row_states,
        run_state,
        runner,
        send_loop,
        state_checkpoint,
        unknown_outcomes,
    )
}
# How far a search looks beyond the time of the row.
TOLERANCE = timedelta(minutes=5)
QUICK_SEEDS = range(60)
MORE_SEEDS = range(60, 600)


class Died(BaseException):
    """The process is gone."""


class Signalled(BaseException):
    """What a signal handler raises anywhere: Airflow 2 at SIGTERM, or a timeout."""


class StoreFailed(OSError):
    """The state store does not respond."""


class World(Clock):
    """All that outlives a process: the state store, Usedesk, and the time."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.lock = threading.Lock()
        self.store = MemoryStore()
        self.ids = itertools.count(1001)
        self.tickets: dict[str, list[tuple[int, object]]] = {}
        self.seconds = 0.0
        self.refused_until = 0.0

    def monotonic(self):
        with self.lock:
            self.seconds += 0.05
            return self.seconds

    def now(self):
        return NOON + timedelta(seconds=self.seconds)

    def sleep(self, seconds):
        with self.lock:
            self.seconds += seconds

    def wait(self, event, seconds):
        return event.wait(0.002)


class Process:
    """One attempt; what it does has no effect any more after its death."""

    def __init__(self, world: World, store_fails: bool, checkpoint_class: type = StateCheckpoint) -> None:
        self.world = world
        self.checkpoint_class = checkpoint_class
        self.store_fails = store_fails
        self.is_dead = False
        self.lease = SendLease(world)
        self.batch: BatchRun | None = None

    def get(self, key):
        self.check_alive()
        return self.world.store.get(key)

    def set(self, key, value):
        self.check_alive()
        number = self.world.random.random() if self.store_fails else 1
        # It fails before the write, or after it.
        if number > 0.02:
            self.world.store.set(key, value)
        if number < 0.04:
            raise StoreFailed

    def list(self, prefix):
        self.check_alive()
        return self.world.store.list(prefix)

    def check_alive(self):
        if self.is_dead:
            raise Died

    def send(self, row):
        world = self.world
        self.lease.pause(max(world.refused_until - world.monotonic(), 0))
        with world.lock:
            self.check_alive()
            number = world.random.random()
            world.seconds += 0.4
            if number < 0.02:
                world.refused_until = world.seconds + world.random.choice([20, 900])
                raise errors.UsedeskRateLimited("Later.")
            if number < 0.06:
                raise errors.UsedeskOutcomeUnknown("Lost before it arrived.")
            world.tickets.setdefault(row.key, []).append((next(world.ids), world.now()))
            if number < 0.12:
                raise errors.UsedeskOutcomeUnknown("The response was lost.")
            return CreatedTicket(world.tickets[row.key][0][0])

    def look_up(self, outcomes, has_ticket):
        self.check_alive()
        for outcome in outcomes:
            if self.world.random.random() < 0.1:
                yield outcome.row.number, Ambiguous("Usedesk does not respond")
                continue
            since, until = outcome.since - TOLERANCE, outcome.until + TOLERANCE
            made = self.world.tickets.get(outcome.row.key, [])
            found = [ticket for ticket, at in made if since <= at <= until]
            assert not any(map(has_ticket, found))
            yield outcome.row.number, Found(CreatedTicket(found[0])) if found else Absent()

    def run(self, rows, options):
        row_params = RowParams({}, frozenset(), {}, "id", Environment(), {})
        io = BatchIO(
            lambda key, params: ({"additional_id": key}, ()), self.send, self.look_up, NoResultFile()
        )
        self.batch = BatchRun(
            read_rows(rows), row_params, self.checkpoint_class(self), options, io, self.lease
        )
        return self.batch.run()


def interrupt(process, line_number, how, rows, options):
    """Run an attempt, and interrupt it at one of its lines."""
    lines = itertools.count()

    def trace_line(frame, event, argument):
        if event == "line" and next(lines) == line_number:
            if how == "killed":
                process.is_dead = True
                raise Died
            if how in ("stopped and signalled", "stopped") and process.batch is not None:
                process.batch.stop()
            if how != "stopped":
                raise Signalled
        return trace_line

    def trace(frame, event, argument):
        return trace_line if frame.f_code.co_filename in PLACES else None

    sys.settrace(trace)
    try:
        process.run(rows, options)
    except (Died, Signalled, StoreFailed, errors.UsedeskError):
        pass
    finally:
        sys.settrace(None)
        process.is_dead = True


KINDS = pytest.mark.parametrize("kind", [StateCheckpoint, FolderCheckpoint])


@KINDS
@pytest.mark.parametrize("seed", QUICK_SEEDS)
def test_each_row_gets_one_ticket(seed, kind):
    check_each_row_gets_one_ticket(seed, kind)


@KINDS
@pytest.mark.slow
@pytest.mark.parametrize("seed", MORE_SEEDS)
def test_each_row_gets_one_ticket_with_more_seeds(seed, kind):
    check_each_row_gets_one_ticket(seed, kind)


def check_each_row_gets_one_ticket(seed, kind):
    world = World(seed)
    chance = random.Random(-seed)
    rows = [{"id": number} for number in range(chance.choice([4, 12]))]
    options = BatchOptions(max_in_flight=chance.choice([1, 4]), validate=chance.choice(["first", "row"]))
    for _ in range(12):
        process = Process(world, chance.random() < 0.3, kind)
        how = chance.choice(["killed", "killed", "stopped and signalled", "signalled", "stopped"])
        interrupt(process, chance.randrange(len(rows) * 80), how, rows, options)
        world.sleep(chance.choice([0, 300, 90_000]))
    for _ in range(20):
        process = Process(world, False, kind)
        summary = process.run(rows, options)
        world.sleep(900)
        if not (summary.unknown or summary.left or process.batch.was_cut_short):
            break
    assert summary.sent + summary.skipped == len(rows)
    assert {key: len(made) for key, made in world.tickets.items()} == {str(row["id"]): 1 for row in rows}
