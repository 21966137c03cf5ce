"""The state stores of assets in triggers and under ``dag.test()``."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from airflow_provider_usedesk.assets import usedesk_asset
from airflow_provider_usedesk.compat.asset_state import asset_store, trigger_store
from airflow_provider_usedesk.compat.version import HAS_STATE_STORES


class Accessor:
    def __init__(self, **values):
        self.values = values

    async def aget(self, key):
        return self.values.get(key)

    async def aset(self, key, value):
        self.values[key] = value


def test_trigger_store_covers_all_assets():
    named, by_uri = Accessor(), Accessor(b=2)
    accessors = SimpleNamespace(_by_name={"one": named}, _by_uri={"two": by_uri})
    store = trigger_store(SimpleNamespace(asset_state_store=accessors))
    asyncio.run(store.aset("a", 1))
    assert (named.values["a"], by_uri.values["a"]) == (1, 1)
    assert asyncio.run(store.aget("b")) == 2


@pytest.mark.parametrize("trigger", [SimpleNamespace(), SimpleNamespace(asset_state_store=None)])
def test_trigger_store_is_empty_before_3_3(trigger):
    assert not trigger_store(trigger)


@pytest.mark.skipif(not HAS_STATE_STORES, reason="Airflow has state stores from 3.3 on")
def test_synchronous_supervisor_can_be_awaited(monkeypatch):
    """The supervisor of ``dag.test()`` has no asynchronous calls."""
    from airflow.sdk.execution_time.context import AssetStateStoreAccessor

    async def aget(self, key, default=None):
        raise AttributeError("asend")

    monkeypatch.setattr(AssetStateStoreAccessor, "aget", aget)
    monkeypatch.setattr(AssetStateStoreAccessor, "get", lambda self, key, default=None: f"value of {key}")
    store = asset_store(usedesk_asset("usedesk_default", "delivery"))
    assert asyncio.run(store.aget("report/77")) == "value of report/77"
