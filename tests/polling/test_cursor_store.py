"""The stored cursor and markers."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from airflow_provider_usedesk.compat.stores import AssetStateStore
from airflow_provider_usedesk.polling.cursor_store import CursorStore, cursor_key, marker_key
from airflow_provider_usedesk.polling.event_cursor import EventCursor
from airflow_provider_usedesk.polling.ticket_events import Filter

START = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Accessor:
    """The state store of one asset."""

    def __init__(self):
        self.values = {}

    async def aget(self, key):
        return self.values.get(key)

    async def aset(self, key, value):
        self.values[key] = value


def load(*accessors):
    return asyncio.run(CursorStore(AssetStateStore(accessors), "main", "cursor/x").load(START))


def save(cursor, *accessors):
    asyncio.run(CursorStore(AssetStateStore(accessors), "main", "cursor/x").save(cursor))


def test_cursor_is_stored_for_each_asset():
    accessors = Accessor(), Accessor()
    save(EventCursor(START), *accessors)
    assert [list(accessor.values) for accessor in accessors] == [["cursor/x"], ["cursor/x"]]
    assert load(Accessor(), accessors[1]) == EventCursor(START)


def test_new_cursor_is_not_stored():
    accessor = Accessor()
    save(EventCursor(), accessor)
    assert accessor.values == {}


def test_without_state_store_nothing_is_stored():
    save(EventCursor(START))
    assert load() == EventCursor()
    assert not CursorStore(AssetStateStore([]), "main", "cursor/x").is_available


def test_stored_event_is_marked():
    accessor = Accessor()
    accessor.values[marker_key("main", "new/1")] = "2026-11-24"
    store = CursorStore(AssetStateStore([accessor]), "main", "cursor/x")
    assert store.is_available
    assert asyncio.run(store.is_marked("new/1"))
    assert not asyncio.run(store.is_marked("new/2"))


def test_keys():
    wanted = Filter({"tag": frozenset({"a", "b"})})
    assert cursor_key("main", "new", wanted).startswith("cursor/")
    assert cursor_key("main", "new", wanted) != cursor_key("other", "new", wanted)
    assert marker_key("main", "new/1") == "marker/main/new/1"
