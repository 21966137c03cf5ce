"""Tries that end anywhere, again and again: each row gets its ticket, and none gets two."""

from __future__ import annotations

import itertools
import json
import random
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest
from jinja2 import Environment

from airflow_provider_usedesk.api import errors
from airflow_provider_usedesk.api.responses import CreatedTicket
from airflow_provider_usedesk.batch import checkpoint, runner as engine
from airflow_provider_usedesk.batch.checkpoint import Checkpoint
from airflow_provider_usedesk.batch.options import BatchOptions
from airflow_provider_usedesk.batch.row_params import RowParams
from airflow_provider_usedesk.batch.rows import read_rows
from airflow_provider_usedesk.batch.runner import BatchRun, Steps
from airflow_provider_usedesk.batch.summary import NoResults
from airflow_provider_usedesk.batch.worker_pool import SendLease
from airflow_provider_usedesk.idempotency.decision import Absent, Ambiguous, Found

BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)
# Where a try must not end at a wrong place; between these all that is done can be done again.
PLACES = (engine.__file__, checkpoint.__file__)
# By how much a search looks beyond the moments that it is told.
AROUND = timedelta(minutes=5)


class Died(BaseException):
    """The process is gone."""


class Signalled(BaseException):
    """What a handler of a signal raises in the midst of anything: Airflow 2 at SIGTERM, a timeout."""


class Trouble(OSError):
    """The state store does not answer."""


class World:
    """All that outlives a process: the state store, Usedesk, and the time."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.lock = threading.Lock()
        self.kept: dict[str, str] = {}
        self.ids = itertools.count(1001)
        self.tickets: dict[str, list[tuple[int, datetime]]] = {}
        self.seconds = 0.0
        self.held_until = 0.0

    def clock(self) -> float:
        with self.lock:
            self.seconds += 0.05
            return self.seconds

    def now(self) -> datetime:
        return BEGAN + timedelta(seconds=self.seconds)

    def sleep(self, seconds: float) -> None:
        with self.lock:
            self.seconds += seconds


class Process:
    """One try: what it does has no effect any more once it is dead."""

    def __init__(self, world: World, has_trouble: bool) -> None:
        self.world = world
        self.has_trouble = has_trouble
        self.is_dead = False
        self.lease = SendLease(world.clock, world.sleep)
        self.batch: BatchRun | None = None

    def get(self, name):
        self.live()
        return json.loads(self.world.kept.get(name, "null"))

    def set(self, name, value):
        self.live()
        trouble = self.world.chance.random() if self.has_trouble else 1
        if trouble > 0.02:
            self.world.kept[name] = json.dumps(value)
        if trouble < 0.04:
            raise Trouble

    def live(self):
        if self.is_dead:
            raise Died

    def send(self, row):
        world = self.world
        self.lease.pause(max(world.held_until - world.clock(), 0))
        with world.lock:
            self.live()
            what = world.chance.random()
            world.seconds += 0.4
            if what < 0.02:
                world.held_until = world.seconds + world.chance.choice([20, 900])
                raise errors.UsedeskRateLimited("Later.")
            if what < 0.06:
                raise errors.UsedeskOutcomeUnknown("Lost on the way there.")
            world.tickets.setdefault(row.key, []).append((next(world.ids), world.now()))
            if what < 0.12:
                raise errors.UsedeskOutcomeUnknown("Lost on the way back.")
            return CreatedTicket(world.tickets[row.key][0][0])

    def look_up(self, doubts, knows_ticket):
        self.live()
        for doubt in doubts:
            if self.world.chance.random() < 0.1:
                yield doubt.row.number, Ambiguous("Usedesk does not answer")
                continue
            made = self.world.tickets.get(doubt.row.key, [])
            found = [ticket for ticket, at in made if doubt.since - AROUND <= at <= doubt.until + AROUND]
            assert not any(map(knows_ticket, found))
            yield doubt.row.number, Found(CreatedTicket(found[0])) if found else Absent()

    def run(self, rows, rules):
        arguments = RowParams({}, frozenset(), {}, "id", Environment(), {})
        steps = Steps(
            lambda key, params: ({"additional_id": key}, ()),
            self.send,
            self.look_up,
            NoResults(),
            now=self.world.now,
        )
        self.batch = BatchRun(read_rows(rows), arguments, Checkpoint(self), rules, steps, self.lease)
        return self.batch.run()


def interrupted(process, at_line, how, rows, rules):
    """Run until a line of the engine is reached, the so-manieth, and let it end there."""
    lines = itertools.count()

    def at(frame, event, argument):
        if event == "line" and next(lines) == at_line:
            if how == "killed":
                process.is_dead = True
                raise Died
            if how in ("stopped", "told to stop") and process.batch is not None:
                process.batch.stop()
            if how != "told to stop":
                raise Signalled
        return at

    def trace(frame, event, argument):
        return at if frame.f_code.co_filename in PLACES else None

    sys.settrace(trace)
    try:
        process.run(rows, rules)
    except (Died, Signalled, Trouble, errors.UsedeskError):
        pass
    finally:
        sys.settrace(None)
        process.is_dead = True


@pytest.mark.parametrize("seed", range(120))
def test_each_row_gets_one_ticket_wherever_tries_end(seed, monkeypatch):
    monkeypatch.setattr(engine, "TICK", 0.002)
    world = World(seed)
    chance = random.Random(-seed)
    rows = [{"id": number} for number in range(chance.choice([4, 12]))]
    rules = BatchOptions(max_in_flight=chance.choice([1, 4]), validate=chance.choice(["first", "row"]))
    for _ in range(12):
        process = Process(world, has_trouble=chance.random() < 0.3)
        how = chance.choice(["killed", "killed", "stopped", "timed out", "told to stop"])
        interrupted(process, chance.randrange(len(rows) * 60), how, rows, rules)
        world.sleep(chance.choice([0, 300, 90_000]))
    for _ in range(20):
        process = Process(world, has_trouble=False)
        summary = process.run(rows, rules)
        world.sleep(900)
        if not (summary.unknown or summary.left or process.batch.was_cut_short):
            break
    assert summary.sent + summary.skipped == len(rows)
    assert {key: len(made) for key, made in world.tickets.items()} == {str(row["id"]): 1 for row in rows}
