"""The state stores and the events of assets, read in a task or in a trigger."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_usedesk.compat.stores import AssetStateStore

if TYPE_CHECKING:
    from airflow_provider_usedesk.compat.sdk import Asset, BaseTrigger

# Before Airflow 3.3 events are read instead of a state store: one request for all of this time.
EVENTS_REACH = timedelta(days=7)


def asset_store(asset: Asset) -> AssetStateStore:
    """
    Return the state store of any asset, in a task or in a trigger (Airflow 3.3).

    The accessors in the context know neither the inlets of mapped tasks nor an asset whose name comes from a
    template.

    :param asset: the asset, which a Dag must name somewhere
    """
    from airflow.sdk.execution_time.context import AssetStateStoreAccessors

    return _AnySupervisorStore([AssetStateStoreAccessors(inlets=[asset])[asset]])


def trigger_store(trigger: BaseTrigger) -> AssetStateStore:
    """
    Return the state store of all assets that a trigger serves; it is empty before Airflow 3.3.

    :param trigger: a trigger of an asset watcher, which runs in the triggerer
    """
    accessors = getattr(trigger, "asset_state_store", None)
    if accessors is None:
        return AssetStateStore([])
    # A trigger does not know its assets; where it has several, only these two attributes name them.
    return AssetStateStore([*accessors._by_name.values(), *accessors._by_uri.values()])


def recent_events(asset: Asset) -> Iterable[Any]:
    """Return the events of an asset, oldest first; only the last days where Airflow can filter by time."""
    from airflow.sdk.execution_time.context import InletEventsAccessors

    events = InletEventsAccessors([asset])[asset]
    after = (datetime.now(UTC) - EVENTS_REACH).isoformat()
    return events.after(after) if hasattr(events, "after") else events


class _AnySupervisorStore(AssetStateStore):
    """A store that can also be awaited under ``dag.test()``, whose supervisor has no asynchronous calls."""

    async def aget(self, key: str) -> Any:
        try:
            return await super().aget(key)
        except AttributeError:
            return await asyncio.to_thread(self.get, key)
