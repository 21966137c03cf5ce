"""The trigger of ticket events against the sandbox, in one process."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from contextlib import aclosing, suppress
from itertools import count

import pytest

pytest.importorskip("airflow.sdk", reason="assets are watched on Airflow 3 only")

from airflow_provider_usedesk import sandbox as faults
from airflow_provider_usedesk.api.client import UsedeskClient
from airflow_provider_usedesk.polling.cursor_store import marker_key
from airflow_provider_usedesk.triggers.ticket_events import TicketEventsTrigger


class Store:
    """The state store of an asset."""

    def __init__(self):
        self.values = {}

    async def aget(self, key):
        return self.values.get(key)

    async def aset(self, key, value):
        self.values[key] = json.loads(json.dumps(value))


class Stores:
    def __init__(self, store):
        self._by_name, self._by_uri = {"asset": store}, {}


class Watcher:
    """A trigger in a triggerer, which stores what it fires."""

    def __init__(self, store, fire=TicketEventsTrigger.run, **given):
        self.trigger = TicketEventsTrigger(poll_interval=1, **given)
        self.trigger.asset_state_store = Stores(store)
        self.store = store
        self.fire = fire
        self.payloads = []

    async def __aenter__(self):
        self.task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *error):
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task

    async def _run(self):
        async with aclosing(self.fire(self.trigger)) as events:
            async for event in events:
                self.payloads.append(event.payload)
                key = marker_key(event.payload["usedesk_conn_id"], event.payload["event_id"])
                self.store.values[key] = "noted"

    async def until(self, is_so):
        async with asyncio.timeout(20):
            while not is_so():
                assert not self.task.done()
                await asyncio.sleep(0.02)

    async def until_it_has_begun(self):
        await self.until(lambda: self.store.values)

    async def until_it_listed(self, sandbox, more=2):
        lists = sandbox.requests("tickets")
        await self.until(lambda: sandbox.requests("tickets") >= lists + more)


@pytest.fixture
def make(usedesk_sandbox):
    def make(**given):
        with UsedeskClient.connect(usedesk_sandbox.token, usedesk_sandbox.url) as client:
            return client.create_ticket(subject="Ivan", message="m", **given).ticket_id

    return make


def test_new_tickets_are_fired_also_those_made_while_it_was_stopped(usedesk_sandbox, make):
    async def scenario():
        store = Store()
        old = make(tag="refund")
        async with Watcher(store, tag="refund") as watcher:
            await watcher.until_it_has_begun()
            made = [make(tag="refund") for _ in range(2)]
            make(tag="other")
            await watcher.until(lambda: len(watcher.payloads) == 2)
        made.append(make(tag="refund"))
        async with Watcher(store, tag="refund") as again:
            await again.until(lambda: again.payloads)
            await again.until_it_listed(usedesk_sandbox)
        assert [one["ticket_id"] for one in watcher.payloads + again.payloads] == made
        assert old not in made
        assert "Ivan" not in json.dumps(watcher.payloads)

    asyncio.run(scenario())


def test_each_change_is_fired_with_what_the_ticket_is_then(usedesk_sandbox, make):
    async def scenario():
        async with Watcher(Store(), events="updated", status=["new", "solved"]) as watcher:
            await watcher.until_it_has_begun()
            ticket_id = make()
            await watcher.until(lambda: len(watcher.payloads) == 1)
            await watcher.until_it_listed(usedesk_sandbox)
            usedesk_sandbox.update(ticket_id, status=2)
            await watcher.until(lambda: len(watcher.payloads) == 2)
            usedesk_sandbox.update(ticket_id, status=6)
            await watcher.until_it_listed(usedesk_sandbox)
        assert [one["status_name"] for one in watcher.payloads] == ["new", "solved"]
        assert len({one["event_id"] for one in watcher.payloads}) == 2

    asyncio.run(scenario())


def test_it_goes_on_after_lists_that_failed(usedesk_sandbox, make):
    async def scenario():
        async with Watcher(Store()) as watcher:
            await watcher.until_it_has_begun()
            for fault in (faults.html(502), faults.answer(403), faults.half_answer()):
                usedesk_sandbox.fail(fault, method="tickets")
            ticket_id = make()
            await watcher.until(lambda: watcher.payloads)
        assert [one["ticket_id"] for one in watcher.payloads] == [ticket_id]

    asyncio.run(scenario())


def test_it_goes_on_once_the_connection_is_mended(usedesk_sandbox, make, monkeypatch, caplog):
    async def scenario():
        async with Watcher(Store()) as watcher:
            await watcher.until_it_has_begun()
            monkeypatch.setenv("AIRFLOW_CONN_USEDESK_DEFAULT", '{"conn_type": "usedesk"}')
            ticket_id = make()
            await watcher.until(lambda: "UsedeskBadConnection" in caplog.text)
            monkeypatch.setenv("AIRFLOW_CONN_USEDESK_DEFAULT", usedesk_sandbox.connection_json)
            await watcher.until(lambda: watcher.payloads)
        assert [one["ticket_id"] for one in watcher.payloads] == [ticket_id]

    asyncio.run(scenario())


def test_watchers_share_one_list_and_each_takes_what_it_wants(usedesk_sandbox, make):
    shared_stream = pytest.importorskip(
        "airflow.triggers.shared_stream", reason="nothing is shared before 3.3"
    )

    async def scenario():
        manager, numbers = shared_stream.SharedStreamManager(), count(1)
        lists = defaultdict(set)

        def fire(trigger):
            key = trigger.shared_stream_key()
            stream = manager.subscribe(trigger_id=next(numbers), trigger=trigger, key=key)
            return trigger.filter_shared_stream(noting(stream, lists[trigger.tag]))

        async def noting(stream, moments):
            async for poll in stream:
                moments.add(poll.at)
                yield poll

        async with Watcher(Store(), fire, tag="a") as one, Watcher(Store(), fire, tag="b") as other:
            await one.until_it_has_begun()
            await other.until_it_has_begun()
            made = [make(tag="a"), make(tag="b")]
            await one.until(lambda: one.payloads)
            await other.until(lambda: other.payloads)
            await manager.stop_all()
        assert lists["a"] & lists["b"]
        assert [watcher.payloads[0]["ticket_id"] for watcher in (one, other)] == made
        assert [len(watcher.payloads) for watcher in (one, other)] == [1, 1]

    asyncio.run(scenario())


def test_more_tickets_than_one_page_holds_are_all_fired(usedesk_sandbox, make):
    async def scenario():
        store = Store()
        async with Watcher(store) as watcher:
            await watcher.until_it_has_begun()
        made = [make() for _ in range(230)]
        async with Watcher(store) as watcher:
            await watcher.until(lambda: len(watcher.payloads) >= len(made))
            await watcher.until_it_listed(usedesk_sandbox)
        assert [one["ticket_id"] for one in watcher.payloads] == made

    asyncio.run(scenario())
