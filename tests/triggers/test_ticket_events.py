"""New and changed tickets as events: each one once, also when the triggerer is killed."""

from __future__ import annotations

import asyncio
import json
import random
from datetime import UTC, datetime, timedelta

import pytest

pytest.importorskip("airflow.sdk", reason="asset watchers exist on Airflow 3 only")

from airflow_provider_usedesk.api.records import TicketRow
from airflow_provider_usedesk.polling.cursor_store import CURSORS, MARKERS, marker_key
from airflow_provider_usedesk.polling.event_cursor import OVERLAP, Listing, markers_needed_since
from airflow_provider_usedesk.triggers import ticket_events
from airflow_provider_usedesk.triggers.ticket_events import TicketEventsTrigger

START = datetime(2026, 11, 24, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LAG = timedelta(seconds=90)


class World:
    """A Usedesk whose list lags behind, and an Airflow that stores events and their markers."""

    def __init__(self):
        self.now = START
        self.tickets = {}
        self.state = {}
        self.outbox = []
        self.stored = []
        self.lists = 0

    def make(self, ticket_id):
        self.tickets[ticket_id] = self.now

    def store_all(self):
        """Store the fired events and their markers in one transaction, as the triggerer's parent does."""
        for payload in self.outbox:
            self.stored.append(payload["ticket_id"])
            self.state[marker_key(payload["usedesk_conn_id"], payload["event_id"])] = self.now.isoformat()
        self.outbox.clear()
        needed_since = markers_needed_since([self.state[key] for key in self.keys(CURSORS)], self.now)
        for key in self.keys(MARKERS):
            if datetime.fromisoformat(self.state[key]) < needed_since:
                del self.state[key]

    def keys(self, prefix):
        return [key for key in self.state if key.startswith(prefix)]

    def cursor_at(self):
        [key] = self.keys(CURSORS)
        return datetime.fromisoformat(self.state[key]["at"])

    async def listing(self, since):
        self.lists += 1
        # The filter of the real list knows whole minutes only.
        begin = since.replace(second=0, microsecond=0)
        listed = [one for one, at in self.tickets.items() if begin <= at <= self.now - LAG]
        rows = tuple(TicketRow(id=one, tags=("a",), channel_id=1) for one in listed)
        return Listing(since, self.now, rows)

    def close(self):
        pass

    async def aget(self, key):
        return json.loads(json.dumps(self.state.get(key)))

    async def aset(self, key, value):
        self.state[key] = json.loads(json.dumps(value))


class Accessors:
    """What Airflow gives a trigger for its assets."""

    def __init__(self, world):
        self._by_name = {"asset": world}
        self._by_uri = {}


@pytest.fixture
def world():
    return World()


@pytest.fixture
def trigger_in(monkeypatch):
    """Make a trigger that lists the tickets of a world and reads its clock."""

    def trigger_in(world, **options):
        monkeypatch.setattr(TicketEventsTrigger, "_feed", lambda self: world)
        monkeypatch.setattr(ticket_events, "_now", lambda: world.now)
        trigger = TicketEventsTrigger(**options)
        trigger.asset_state_store = Accessors(world)
        return trigger

    return trigger_in


def run(world, trigger, polls, each_poll=lambda: None, interval=MINUTE):
    """Run a trigger for some polls; Airflow stores what it fired before the next poll."""

    async def listings():
        until = world.now - OVERLAP
        for _ in range(polls):
            each_poll()
            listing = await world.listing(until - OVERLAP)
            until = listing.at
            yield listing
            world.store_all()
            world.now += interval

    async def fire():
        async for event in trigger.filter_shared_stream(listings()):
            world.outbox.append(event.payload)

    asyncio.run(fire())


def test_begins_after_the_first_list(world, trigger_in, caplog, capsys):
    caplog.set_level("INFO")
    world.now -= 3 * MINUTE
    world.make(1)
    world.now = START
    trigger = trigger_in(world)
    run(world, trigger, 2)
    world.make(2)
    run(world, trigger, 8)
    assert world.stored == [2]
    assert "starting point. Its 1 tickets" in caplog.text + capsys.readouterr().out


def test_late_listed_ticket_fires_once(world, trigger_in):
    trigger, ids = trigger_in(world), iter(range(1, 100))
    run(world, trigger, 1)
    run(world, trigger, 20, lambda: world.make(next(ids)))
    assert world.stored == sorted(set(world.stored))
    assert len(world.stored) >= 17


def test_events_during_a_stop_fire_afterwards(world, trigger_in):
    trigger = trigger_in(world)
    run(world, trigger, 3)
    for ticket in range(1, 60):
        world.now += timedelta(hours=1)
        world.make(ticket)
    before = world.lists
    run(world, trigger, 5)
    assert world.stored == list(range(1, 60))
    assert world.lists == before + 5 + 1


@pytest.mark.parametrize("minutes", [5, 15, 60])
def test_restart_before_the_first_confirmation_fires_no_earlier_ticket(world, trigger_in, minutes):
    world.now -= 3 * MINUTE
    world.make(1)
    world.now = START
    world.make(2)  # the first list does not contain it yet
    interval = minutes * MINUTE
    for polls in (2, 3):
        run(world, trigger_in(world, poll_interval=interval.seconds), polls, interval=interval)
    assert world.stored == [2]


class KilledError(BaseException):
    """The triggerer was killed."""


SEEDS = [pytest.param(seed, marks=[pytest.mark.slow] if seed >= 20 else []) for seed in range(60)]


@pytest.mark.parametrize("seed", SEEDS)
def test_kills_lose_and_repeat_no_event(world, trigger_in, seed):
    chance = random.Random(seed)
    ids = iter(range(1, 10_000))

    def make_some():
        for _ in range(chance.randrange(3)):
            world.make(next(ids))

    aset, aget, store_all = world.aset, world.aget, world.store_all

    def maybe_kill():
        if chance.random() < 0.04:
            raise KilledError

    async def killing_set(key, value):
        maybe_kill()
        await aset(key, value)
        maybe_kill()

    async def killing_get(key):
        maybe_kill()
        return await aget(key)

    def killing_store():
        maybe_kill()
        store_all()
        maybe_kill()

    run(world, trigger_in(world), 2)
    world.aset, world.aget, world.store_all = killing_set, killing_get, killing_store
    for _ in range(40):
        try:
            run(world, trigger_in(world), chance.randrange(1, 12), make_some)
        except KilledError:
            # The kill also ends the process with the events that were fired and not stored.
            world.outbox.clear()
            world.now += MINUTE * chance.choice([0, 1, 7, 40])
            make_some()
    world.aset, world.aget, world.store_all = aset, aget, store_all
    run(world, trigger_in(world), 10)
    assert sorted(world.stored) == sorted(world.tickets)


def test_two_subscriptions_have_two_cursors(world, trigger_in):
    one, other = (trigger_in(world, tag=tag) for tag in ("a", "b"))
    run(world, one, 1)
    run(world, other, 1)
    assert len(world.keys(CURSORS)) == 2


def test_two_accounts_have_two_events(world, trigger_in):
    one, other = (trigger_in(world, usedesk_conn_id=name) for name in ("one", "other"))
    run(world, one, 1)
    run(world, other, 1)
    world.make(1)
    run(world, one, 5)
    run(world, other, 5)
    assert world.stored == [1, 1]


def test_another_interval_keeps_the_cursor(world, trigger_in):
    run(world, trigger_in(world, poll_interval=60), 1)
    world.make(1)
    world.now += timedelta(hours=1)
    run(world, trigger_in(world, poll_interval=30), 1)
    assert world.stored == [1]


def test_earlier_filter_continues_where_it_stopped(world, trigger_in):
    for ticket, tag in enumerate(("a", "b"), 1):
        run(world, trigger_in(world, tag=tag), 1)
        world.make(ticket)
        world.now += timedelta(days=8)
    run(world, trigger_in(world, tag="a"), 1)
    assert world.stored == [1, 2]


def test_cursor_keeps_up_with_frequent_events(world, trigger_in):
    ids = iter(range(1, 10_000))
    run(world, trigger_in(world), 120, lambda: world.make(next(ids)))
    assert world.cursor_at() > world.now - 5 * MINUTE
    assert len(world.stored) > 100
    assert len(world.keys(MARKERS)) < 40


def test_long_shared_list_repeats_no_event(world, trigger_in):
    """It reaches back to events whose markers are deleted."""
    trigger, ids = trigger_in(world), iter(range(1, 10_000))
    run(world, trigger, 120, lambda: world.make(next(ids)))
    before = list(world.stored)

    async def listings():
        yield await world.listing(START)

    async def fired():
        return [event async for event in trigger.filter_shared_stream(listings())]

    assert {event.payload["ticket_id"] for event in asyncio.run(fired())}.isdisjoint(before)


def test_stored_cursor_does_not_grow(world, trigger_in):
    ids = iter(range(1, 10_000))
    for _ in range(300):
        world.now -= timedelta(seconds=1)
        world.make(next(ids))
    world.now = START
    trigger = trigger_in(world)
    run(world, trigger, 1)
    [key] = world.keys(CURSORS)
    assert len(world.state[key]["left_out"]) > 100
    run(world, trigger, 30, lambda: world.make(next(ids)))
    assert world.state[key]["left_out"] == []


def test_unconfirmed_event_stops_the_cursor_for_a_while(world, trigger_in):
    world.store_all = lambda: None
    trigger = trigger_in(world)
    run(world, trigger, 1)
    world.make(1)
    run(world, trigger, 6)
    stopped_at = world.cursor_at()
    assert [payload["ticket_id"] for payload in world.outbox] == [1]
    assert stopped_at < world.now - 2 * MINUTE
    run(world, trigger, 20)
    assert world.cursor_at() > stopped_at


def test_state_store_reads_are_few(world, trigger_in):
    store_all, world.store_all = world.store_all, lambda: None
    keys = []

    async def aget(key):
        keys.append(key)
        return world.state.get(key)

    trigger = trigger_in(world)
    run(world, trigger, 1)
    for ticket_id in range(50):
        world.make(ticket_id)
    world.now += 3 * MINUTE
    world.aget = aget
    run(world, trigger, 3)
    # The cursor, each event before it is fired, and with each poll the event that is stored next.
    assert len(keys) == 1 + 50 + 3
    store_all()
    keys.clear()
    run(world, trigger, 3)
    assert len(keys) == 1 + 50


def test_each_start_begins_anew_before_3_3(world, trigger_in):
    trigger = trigger_in(world)
    trigger.asset_state_store = None
    run(world, trigger, 2)
    world.make(1)
    world.now += 3 * MINUTE
    run(world, trigger, 4)
    assert world.stored == []
    ids = iter(range(2, 100))
    run(world, trigger, 8, lambda: world.make(next(ids)))
    assert world.stored[:3] == [2, 3, 4]


def test_trigger_survives_serialization():
    trigger = TicketEventsTrigger(tag={"b", "a"}, status=["solved", 1], channel_id=7, poll_interval=5)
    path, arguments = trigger.serialize()
    assert path.endswith("TicketEventsTrigger")
    again = TicketEventsTrigger(**json.loads(json.dumps(arguments)))
    assert again.serialize() == trigger.serialize()
    assert again._cursor_key == trigger._cursor_key
    assert again.shared_stream_key() == trigger.shared_stream_key()
    other = TicketEventsTrigger(usedesk_conn_id="other", tag="a", poll_interval=5)
    assert other.shared_stream_key() != trigger.shared_stream_key()


def test_invalid_arguments_are_refused():
    with pytest.raises(ValueError, match="events: .*; poll_interval: .*; tag: "):
        TicketEventsTrigger(events="old", poll_interval=0, tag=[])
