"""Where the cursor of a subscription and the markers of stored events are stored."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_provider_usedesk.polling.event_cursor import EventCursor

if TYPE_CHECKING:
    from airflow_provider_usedesk.compat.stores import AssetStateStore
    from airflow_provider_usedesk.polling.ticket_events import Events, Filter

CURSORS = "cursor/"
"""The prefix of the keys of cursors in the state store of an asset."""
CURSOR_NAME = 16
"""The length of the rest of such a key."""
MARKERS = "marker/"
"""The prefix of the keys of markers, one for each stored event."""


def cursor_key(usedesk_conn_id: str, events: Events, wanted: Filter) -> str:
    """Return the key of a cursor: the same for the same subscription, whatever its interval."""
    values = {name: sorted(values, key=str) for name, values in wanted.wanted.items()}
    subscription = json.dumps([usedesk_conn_id, events, values], sort_keys=True)
    return f"{CURSORS}{hashlib.sha256(subscription.encode()).hexdigest()[:CURSOR_NAME]}"


def marker_key(usedesk_conn_id: str, event_id: str) -> str:
    """Return the key of the marker of a stored event; tickets of two accounts can have the same id."""
    return f"{MARKERS}{usedesk_conn_id}/{event_id}"


class CursorStore:
    """
    The stored cursor of one subscription, and the markers of its events.

    :param store: the state store of the assets of the subscription; empty before Airflow 3.3
    :param usedesk_conn_id: Airflow Connection of type usedesk
    :param key: the key of the cursor
    """

    def __init__(self, store: AssetStateStore, usedesk_conn_id: str, key: str) -> None:
        self._store = store
        self._usedesk_conn_id = usedesk_conn_id
        self._key = key

    @property
    def is_available(self) -> bool:
        """Whether this Airflow can store anything."""
        return bool(self._store)

    async def load(self, now: datetime) -> EventCursor:
        """Return the stored cursor; a new one where none is stored."""
        return EventCursor.from_state(await self._store.aget(self._key), now)

    async def save(self, cursor: EventCursor) -> None:
        if (state := cursor.as_state()) is not None:
            await self._store.aset(self._key, state)

    async def is_marked(self, event_id: str) -> bool:
        """Return whether Airflow has stored an event."""
        return await self._store.aget(marker_key(self._usedesk_conn_id, event_id)) is not None
