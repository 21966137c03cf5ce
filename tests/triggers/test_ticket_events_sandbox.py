"""The trigger of ticket events against the sandbox, with short pauses between the lists."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from contextlib import aclosing
from functools import partial
from itertools import count

import pytest

pytest.importorskip("airflow.sdk", reason="asset watchers exist on Airflow 3 only")

from airflow_provider_usedesk import sandbox as faults
from airflow_provider_usedesk.polling import ticket_feed
from airflow_provider_usedesk.polling.cursor_store import marker_key
from airflow_provider_usedesk.polling.ticket_feed import TicketFeed
from airflow_provider_usedesk.triggers.ticket_events import TicketEventsTrigger
from tests.support.tickets import cancel, until


class Store:
    """The state store of an asset."""

    def __init__(self):
        self.values = {}

    async def aget(self, key):
        return self.values.get(key)

    async def aset(self, key, value):
        self.values[key] = json.loads(json.dumps(value))


class Accessors:
    """What Airflow gives a trigger for its assets."""

    def __init__(self, store):
        self._by_name, self._by_uri = {"asset": store}, {}


class Triggerer:
    """A trigger in a triggerer, which stores what it fires."""

    def __init__(self, store, fire=TicketEventsTrigger.run, **options):
        self.trigger = TicketEventsTrigger(poll_interval=1, **options)
        self.trigger.asset_state_store = Accessors(store)
        self.store = store
        self.fire = fire
        self.payloads = []

    async def __aenter__(self):
        self.task = asyncio.create_task(self._run())
        await self.until(lambda: self.store.values)
        return self

    async def __aexit__(self, *error):
        await cancel(self.task)

    async def _run(self):
        async with aclosing(self.fire(self.trigger)) as events:
            async for event in events:
                self.payloads.append(event.payload)
                key = marker_key(event.payload["usedesk_conn_id"], event.payload["event_id"])
                self.store.values[key] = "stored"

    async def until(self, is_true):
        await until(is_true, self.task)
        assert not self.task.done()

    async def until_it_lists(self, sandbox, more=2):
        lists = sandbox.requests("tickets")
        await self.until(lambda: sandbox.requests("tickets") >= lists + more)

    @property
    def ticket_ids(self):
        return [payload["ticket_id"] for payload in self.payloads]


class Clock:
    """The clock of the sandbox, which a test can set forward."""

    def __init__(self):
        self.ahead = 0

    def __call__(self):
        return time.time() + self.ahead


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def usedesk_sandbox(clock, monkeypatch):
    with faults.Sandbox(listing_lag=0, clock=clock) as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_USEDESK_DEFAULT", sandbox.connection_json)
        yield sandbox


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    """A second of the feed takes 20 ms."""
    feed = partial(TicketFeed, sleep=lambda seconds: asyncio.sleep(seconds / 50))
    monkeypatch.setattr(ticket_feed, "TicketFeed", feed)


def test_fires_also_for_tickets_of_a_stop(usedesk_sandbox, make_ticket):
    async def scenario():
        store = Store()
        old = make_ticket(tag="refund", subject="Ivan")
        async with Triggerer(store, tag="refund") as first:
            made = [make_ticket(tag="refund", subject="Ivan") for _ in range(2)]
            make_ticket(tag="other")
            await first.until(lambda: len(first.payloads) == 2)
        made.append(make_ticket(tag="refund"))
        async with Triggerer(store, tag="refund") as second:
            await second.until(lambda: second.payloads)
            await second.until_it_lists(usedesk_sandbox)
        assert first.ticket_ids + second.ticket_ids == made
        assert old not in made
        assert "Ivan" not in json.dumps(first.payloads)

    asyncio.run(scenario())


def test_case_of_a_tag_makes_no_difference(usedesk_sandbox, make_ticket):
    async def scenario():
        async with Triggerer(Store(), tag=" Refund") as triggerer:
            made = [make_ticket(tag="refund"), make_ticket(tag="REFUND")]
            await triggerer.until(lambda: len(triggerer.payloads) == 2)
        assert triggerer.ticket_ids == made
        assert [payload["tags"] for payload in triggerer.payloads] == [["refund"], ["REFUND"]]

    asyncio.run(scenario())


def test_each_change_fires(usedesk_sandbox, make_ticket, clock):
    async def scenario():
        async with Triggerer(Store(), events="updated", status=["new", "solved"]) as triggerer:
            ticket_id = make_ticket()
            await triggerer.until(lambda: len(triggerer.payloads) == 1)
            await triggerer.until_it_lists(usedesk_sandbox)
            clock.ahead += 1  # Usedesk's own times have whole seconds
            usedesk_sandbox.update(ticket_id, status=2)
            await triggerer.until(lambda: len(triggerer.payloads) == 2)
            clock.ahead += 1
            usedesk_sandbox.update(ticket_id, status=6)
            await triggerer.until_it_lists(usedesk_sandbox)
        assert [payload["status_name"] for payload in triggerer.payloads] == ["new", "solved"]
        assert len({payload["event_id"] for payload in triggerer.payloads}) == 2

    asyncio.run(scenario())


def test_failed_lists_are_repeated(usedesk_sandbox, make_ticket, no_sandbox_retries):
    async def scenario():
        async with Triggerer(Store()) as triggerer:
            for fault in (faults.html(502), faults.answer(403), faults.half_answer()):
                usedesk_sandbox.fail(fault, method="tickets")
            ticket_id = make_ticket()
            await triggerer.until(lambda: triggerer.payloads)
        assert triggerer.ticket_ids == [ticket_id]

    asyncio.run(scenario())


def test_repaired_connection_is_used(usedesk_sandbox, make_ticket, monkeypatch, caplog):
    async def scenario():
        async with Triggerer(Store()) as triggerer:
            monkeypatch.setenv("AIRFLOW_CONN_USEDESK_DEFAULT", '{"conn_type": "usedesk"}')
            ticket_id = make_ticket()
            await triggerer.until(lambda: "UsedeskBadConnection" in caplog.text)
            monkeypatch.setenv("AIRFLOW_CONN_USEDESK_DEFAULT", usedesk_sandbox.connection_json)
            await triggerer.until(lambda: triggerer.payloads)
        assert triggerer.ticket_ids == [ticket_id]

    asyncio.run(scenario())


def test_triggers_share_one_list(usedesk_sandbox, make_ticket):
    shared_stream = pytest.importorskip("airflow.triggers.shared_stream", reason="new in Airflow 3.3")

    async def scenario():
        manager, numbers = shared_stream.SharedStreamManager(), count(1)
        lists = defaultdict(set)

        def fire(trigger):
            key = trigger.shared_stream_key()
            stream = manager.subscribe(trigger_id=next(numbers), trigger=trigger, key=key)
            return trigger.filter_shared_stream(recorded(stream, lists[trigger.tag]))

        async def recorded(stream, moments):
            async for listing in stream:
                moments.add(listing.at)
                yield listing

        async with Triggerer(Store(), fire, tag="a") as one, Triggerer(Store(), fire, tag="b") as other:
            made = [make_ticket(tag="a"), make_ticket(tag="b")]
            await one.until(lambda: one.payloads)
            await other.until(lambda: other.payloads)
            await manager.stop_all()
        assert lists["a"] & lists["b"]
        assert [one.ticket_ids, other.ticket_ids] == [[made[0]], [made[1]]]

    asyncio.run(scenario())


def test_all_pages_are_fired(usedesk_sandbox, make_ticket):
    async def scenario():
        store = Store()
        async with Triggerer(store):
            pass
        made = [make_ticket() for _ in range(230)]
        async with Triggerer(store) as triggerer:
            await triggerer.until(lambda: len(triggerer.payloads) >= len(made))
            await triggerer.until_it_lists(usedesk_sandbox)
        assert triggerer.ticket_ids == made

    asyncio.run(scenario())
