"""New and changed tickets as events: each one once, whatever dies meanwhile."""

from __future__ import annotations

import asyncio
import json
import random
from datetime import UTC, datetime, timedelta

import pytest

pytest.importorskip("airflow.sdk", reason="assets are watched on Airflow 3 only")

from airflow_provider_usedesk.api.errors import UsedeskRateLimited, UsedeskUnavailable
from airflow_provider_usedesk.api.records import TicketRow
from airflow_provider_usedesk.polling import ticket_feed
from airflow_provider_usedesk.polling.cursor_store import CURSORS, MARKERS, marker_key
from airflow_provider_usedesk.polling.event_cursor import (
    MARKER_RETENTION,
    MAX_CURSOR_AGE,
    OVERLAP,
    EventCursor,
    Listing,
    markers_needed_since,
)
from airflow_provider_usedesk.polling.ticket_events import event_id_of, payload_of
from airflow_provider_usedesk.triggers import ticket_events
from airflow_provider_usedesk.triggers.ticket_events import TicketEventsTrigger

START = datetime(2026, 11, 24, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LAG = timedelta(seconds=90)


class World:
    """A Usedesk whose list lags behind, and an Airflow whose triggerer may die."""

    def __init__(self):
        self.now = START
        self.made = {}
        self.state = {}
        self.outbox = []
        self.stored = []
        self.lists = 0

    def make(self, ticket_id):
        self.made[ticket_id] = self.now

    def store_all(self):
        """What the triggerer's other process does: the events and their notes, in one transaction."""
        for payload in self.outbox:
            self.stored.append(payload["ticket_id"])
            self.state[marker_key(payload["usedesk_conn_id"], payload["event_id"])] = self.now.isoformat()
        self.outbox.clear()
        needed_since = markers_needed_since([self.state[key] for key in self.keys(CURSORS)], self.now)
        for key in self.keys(MARKERS):
            if datetime.fromisoformat(self.state[key]) < needed_since:
                del self.state[key]

    def keys(self, beginning):
        return [key for key in self.state if key.startswith(beginning)]

    def rows(self, since):
        # Whole minutes only, as the filter of the real list.
        since = since.replace(second=0, microsecond=0)
        seen = [one for one, at in self.made.items() if since <= at <= self.now - LAG]
        return tuple(TicketRow(id=one, tags=("a",), channel_id=1) for one in seen)

    async def listing(self, since):
        self.lists += 1
        return Listing(since, self.now, self.rows(since))

    def close(self):
        pass

    async def aget(self, key):
        value = self.state.get(key)
        return json.loads(json.dumps(value))

    async def aset(self, key, value):
        self.state[key] = json.loads(json.dumps(value))


class Stores:
    """What Airflow gives a trigger that serves two assets."""

    def __init__(self, world):
        self._by_name = {"asset": world}
        self._by_uri = {}


def trigger_in(world, monkeypatch, **given):
    def feed(self):
        return world

    monkeypatch.setattr(TicketEventsTrigger, "_feed", feed)
    monkeypatch.setattr(ticket_events, "_now", lambda: world.now)
    trigger = TicketEventsTrigger(**given)
    trigger.asset_state_store = Stores(world)
    return trigger


async def live(world, trigger, minutes, each_minute=lambda: None):
    """Let a triggerer live for some polls, one a minute; it stores what it fired a moment later."""

    async def polls():
        until = world.now - OVERLAP
        for _ in range(minutes):
            each_minute()
            poll = await world.listing(until - OVERLAP)
            until = poll.at
            yield poll
            world.store_all()
            world.now += MINUTE

    async for event in trigger.filter_shared_stream(polls()):
        world.outbox.append(event.payload)


def lives(world, trigger, minutes, each_minute=lambda: None):
    asyncio.run(live(world, trigger, minutes, each_minute))


def test_it_begins_with_what_happens_after_its_start(monkeypatch):
    world = World()
    world.now -= 3 * MINUTE
    world.make(1)
    world.now = START
    trigger = trigger_in(world, monkeypatch)
    lives(world, trigger, 2)
    world.make(2)
    lives(world, trigger, 8)
    assert world.stored == [2]


def test_a_ticket_that_the_list_shows_late_is_fired_once(monkeypatch):
    world = World()
    trigger = trigger_in(world, monkeypatch)
    ids = iter(range(1, 100))
    lives(world, trigger, 1)
    lives(world, trigger, 20, lambda: world.make(next(ids)))
    assert world.stored == sorted(set(world.stored))
    assert len(world.stored) >= 17


def test_what_happened_while_nobody_watched_is_fired_afterwards(monkeypatch):
    world = World()
    trigger = trigger_in(world, monkeypatch)
    lives(world, trigger, 3)
    for ticket in range(1, 60):
        world.now += timedelta(hours=1)
        world.make(ticket)
    before = world.lists
    lives(world, trigger, 5)
    assert world.stored == list(range(1, 60))
    assert world.lists == before + 5 + 1


@pytest.mark.parametrize("seed", range(60))
def test_nothing_is_lost_or_fired_twice_wherever_the_triggerer_dies(monkeypatch, seed):
    chance = random.Random(seed)
    world = World()
    ids = iter(range(1, 10_000))

    def make_some():
        for _ in range(chance.randrange(3)):
            world.make(next(ids))

    class DeathError(BaseException):
        pass

    real_set, real_get, real_store = world.aset, world.aget, world.store_all

    def maybe_die():
        if chance.random() < 0.04:
            raise DeathError

    async def deadly_set(key, value):
        maybe_die()
        await real_set(key, value)
        maybe_die()

    async def deadly_get(key):
        maybe_die()
        return await real_get(key)

    def deadly_store():
        maybe_die()
        real_store()
        maybe_die()

    lives(world, trigger_in(world, monkeypatch), 2)
    world.aset, world.aget, world.store_all = deadly_set, deadly_get, deadly_store
    for _ in range(40):
        try:
            lives(world, trigger_in(world, monkeypatch), chance.randrange(1, 12), make_some)
        except DeathError:
            # What was fired and not yet stored died, too.
            world.outbox.clear()
            world.now += MINUTE * chance.choice([0, 1, 7, 40])
            make_some()
    world.aset, world.aget, world.store_all = real_set, real_get, real_store
    lives(world, trigger_in(world, monkeypatch), 10)
    assert sorted(world.stored) == sorted(world.made)


def test_two_watchers_of_an_asset_have_positions_of_their_own(monkeypatch):
    world = World()
    one, other = (trigger_in(world, monkeypatch, tag=tag) for tag in ("a", "b"))
    lives(world, one, 1)
    lives(world, other, 1)
    assert len(world.keys(CURSORS)) == 2


def test_tickets_of_two_accounts_with_the_same_id_are_two_events(monkeypatch):
    world = World()
    one, other = (trigger_in(world, monkeypatch, usedesk_conn_id=name) for name in ("one", "other"))
    lives(world, one, 1)
    lives(world, other, 1)
    world.make(1)
    lives(world, one, 5)
    lives(world, other, 5)
    assert world.stored == [1, 1]


def test_another_interval_goes_on_from_the_same_position(monkeypatch):
    world = World()
    lives(world, trigger_in(world, monkeypatch, poll_interval=60), 1)
    world.make(1)
    world.now += timedelta(hours=1)
    lives(world, trigger_in(world, monkeypatch, poll_interval=30), 1)
    assert world.stored == [1]


def test_the_position_and_the_notes_keep_up_where_each_poll_has_an_event(monkeypatch):
    world = World()
    ids = iter(range(1, 10_000))
    lives(world, trigger_in(world, monkeypatch), 120, lambda: world.make(next(ids)))
    [place] = world.keys(CURSORS)
    assert datetime.fromisoformat(world.state[place]["at"]) > world.now - 5 * MINUTE
    assert len(world.stored) > 100
    assert len(world.keys(MARKERS)) < 40


def test_a_shared_list_that_reaches_back_to_forgotten_events_fires_none_again(monkeypatch):
    world = World()
    ids = iter(range(1, 10_000))
    trigger = trigger_in(world, monkeypatch)
    lives(world, trigger, 120, lambda: world.make(next(ids)))
    before = list(world.stored)

    async def polls():
        yield await world.listing(START)

    async def fired():
        return [event async for event in trigger.filter_shared_stream(polls())]

    assert {event.payload["ticket_id"] for event in asyncio.run(fired())}.isdisjoint(before)


def test_notes_are_needed_as_far_back_as_the_watcher_that_is_last():
    def since(*states):
        return START - markers_needed_since(states, START)

    def position(age):
        return {"at": (START - age).isoformat()}

    assert timedelta(hours=1) < since(position(MINUTE), position(timedelta(hours=1))) < timedelta(hours=2)
    assert (
        since(position(2 * MARKER_RETENTION))
        == since()
        == since(position(MINUTE), "unreadable")
        == MARKER_RETENTION
    )


def test_memory_and_state_do_not_grow(monkeypatch):
    world = World()
    ids = iter(range(1, 10_000))
    for _ in range(300):
        world.now -= timedelta(seconds=1)
        world.make(next(ids))
    world.now = START
    trigger = trigger_in(world, monkeypatch)
    lives(world, trigger, 1)
    [place] = world.keys(CURSORS)
    assert len(world.state[place]["left_out"]) > 100
    lives(world, trigger, 30, lambda: world.make(next(ids)))
    assert world.state[place]["left_out"] == []


def test_a_position_of_long_ago_is_not_gone_back_to():
    state = {"at": (START - timedelta(days=90)).isoformat(), "left_out": []}
    assert EventCursor.from_state(state, START).listed_until == START - MAX_CURSOR_AGE


def test_an_event_that_is_not_known_to_be_stored_holds_the_position_for_a_while(monkeypatch):
    world = World()
    world.store_all = lambda: None
    trigger = trigger_in(world, monkeypatch)
    lives(world, trigger, 1)
    [place] = world.keys(CURSORS)
    world.make(1)
    lives(world, trigger, 6)
    held = world.state[place]["at"]
    assert [payload["ticket_id"] for payload in world.outbox] == [1]
    assert datetime.fromisoformat(held) < world.now - 2 * MINUTE
    lives(world, trigger, 20)
    assert datetime.fromisoformat(world.state[place]["at"]) > datetime.fromisoformat(held)


def test_the_state_store_is_asked_no_more_than_it_must_be(monkeypatch):
    world = World()
    store_all, world.store_all = world.store_all, lambda: None
    asked = []

    async def aget(key):
        asked.append(key)
        return world.state.get(key)

    trigger = trigger_in(world, monkeypatch)
    lives(world, trigger, 1)
    for ticket_id in range(50):
        world.make(ticket_id)
    world.now += 3 * MINUTE
    world.aget = aget
    lives(world, trigger, 3)
    # The position, each event before it is fired, and at each poll the one that is stored next.
    assert len(asked) == 1 + 50 + 3
    store_all()
    asked.clear()
    lives(world, trigger, 3)
    assert len(asked) == 1 + 50


def test_a_list_that_was_asked_for_earlier_does_not_move_the_position_back():
    cursor = EventCursor(START)
    cursor.advance_to(START - MINUTE)
    assert cursor.listed_until == START


def test_a_long_row_of_events_is_waited_for_as_long_as_it_is_being_stored():
    cursor = EventCursor(START)
    for event_id in ("new/1", "new/2"):
        cursor.add_fired(event_id, START)
    cursor.confirm("new/1", START + 9 * MINUTE)
    assert not cursor.is_overdue("new/2", START + 18 * MINUTE)
    assert cursor.is_overdue("new/2", START + 20 * MINUTE)


def test_a_ticket_that_was_never_changed_has_an_event_of_its_making():
    row = TicketRow(id=1, created_at="2026-11-24 12:00:00")
    assert event_id_of("updated", row) == "updated/1/2026-11-24 12:00:00"


def test_before_3_3_it_begins_anew_with_each_start(monkeypatch):
    world = World()
    trigger = trigger_in(world, monkeypatch)
    trigger.asset_state_store = None
    lives(world, trigger, 2)
    world.make(1)
    world.now += 3 * MINUTE
    lives(world, trigger, 4)
    assert world.stored == []
    ids = iter(range(2, 100))
    lives(world, trigger, 8, lambda: world.make(next(ids)))
    assert world.stored[:3] == [2, 3, 4]


@pytest.mark.parametrize(
    ("filters", "matches"),
    [
        ({}, True),
        ({"tag": "refund"}, True),
        ({"tag": ["vip", "refund"]}, True),
        ({"tag": "vip"}, False),
        ({"channel_id": "683", "status": "new"}, True),
        ({"channel_id": 683, "status": ["open", 2]}, False),
        ({"group_id": 11, "assignee_id": 2156, "client_id": 5}, True),
        ({"assignee_id": 2157}, False),
        ({"type": "question", "priority": ["urgent", "extreme"]}, True),
        ({"priority": "low"}, False),
    ],
)
def test_a_ticket_must_have_one_value_of_each_filter(filters, matches):
    row = TicketRow(
        id=1,
        tags=("refund", "x"),
        channel_id=683,
        status=8,
        group_id=11,
        assignee_id=2156,
        client_id=5,
        type="question",
        priority="urgent",
    )
    assert TicketEventsTrigger(**filters)._filter.accepts(row) is matches


def test_all_faults_are_named_at_once():
    with pytest.raises(ValueError, match="events: .*; poll_interval: .*; tag: .*; status: .*; group_id: "):
        TicketEventsTrigger(events="old", poll_interval=0, tag=[], status="no", group_id="x")


def test_the_payload_holds_nothing_that_a_person_wrote_but_tags():
    row = TicketRow(id=1, subject="Ivan", tags=("refund",), status=8, last_updated_at="2026-11-24 12:00:00")
    payload = payload_of("updated", "usedesk_default", row)
    assert "Ivan" not in json.dumps(payload)
    assert payload["event_id"] == "updated/1/2026-11-24 12:00:00"
    assert (payload["ticket_id"], payload["status_name"], payload["tags"]) == (1, "new", ["refund"])


def test_it_is_the_same_trigger_after_the_database():
    trigger = TicketEventsTrigger(tag={"b", "a"}, status=["solved", 1], channel_id=7, poll_interval=5)
    path, given = trigger.serialize()
    assert path.endswith("TicketEventsTrigger")
    again = TicketEventsTrigger(**json.loads(json.dumps(given)))
    assert again.serialize() == trigger.serialize()
    assert again._cursor_key == trigger._cursor_key
    assert again.shared_stream_key() == trigger.shared_stream_key()
    other = TicketEventsTrigger(usedesk_conn_id="other", tag="a", poll_interval=5)
    assert other.shared_stream_key() != trigger.shared_stream_key()


class Client:
    def __init__(self):
        self.asked = []

    def ticket_pages(self, **filters):
        self.asked.append(filters)
        yield [TicketRow(id=3), TicketRow(id=2)]
        yield [TicketRow(id=1)]


def test_a_list_reads_all_pages_newest_first_and_gives_the_oldest_first():
    client = Client()
    assert [row.id for row in ticket_feed.list_tickets(client, "new", START)] == [1, 2, 3]
    assert [row.id for row in ticket_feed.list_tickets(client, "updated", START)] == [1, 2, 3]
    assert ticket_feed.list_tickets(client, "new", START, lambda: True) == ()
    assert client.asked[:2] == [
        {"created_after": START, "sort": "id", "order": "desc"},
        {"updated_after": START, "sort": "last_updated_at", "order": "desc"},
    ]


def test_a_feed_goes_on_after_errors_from_where_the_last_list_ended(caplog):
    answers = [(), UsedeskUnavailable("gone"), UsedeskRateLimited("slow", retry_after=99.0), RuntimeError, ()]
    asked, slept, now = [], [], [START]

    class Thread:
        async def call(self, settings, ask, events, since, is_over):
            asked.append(since)
            now[0] += MINUTE
            answer = answers[len(asked) - 1]
            if answer != ():
                raise answer
            return answer

    async def settings():
        return None

    async def sleep(seconds):
        slept.append(seconds)

    async def two():
        feed = ticket_feed.TicketFeed("new", settings, lambda: now[0], sleep)
        feed._thread = Thread()
        polls = feed.listings(60)
        return [await anext(polls), await anext(polls)]

    first, second = asyncio.run(two())
    assert first.at == START
    assert asked == [START - 2 * OVERLAP] + [START - OVERLAP] * 4
    assert second.since == START - OVERLAP
    assert slept == [60, 60, 99.0, 60]
    assert "UsedeskUnavailable: gone" in caplog.text
