"""Markers of subscription events, stored in Airflow's database together with the events."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

pytest.importorskip("airflow.models.asset_state_store", reason="Airflow has a state store from 3.3 on")

from airflow.models.asset import AssetEvent, AssetModel
from airflow.models.asset_state_store import AssetStateStoreModel
from airflow.utils.session import create_session
from sqlalchemy import delete, event, select, update

from airflow_provider_usedesk.listeners import asset_events
from airflow_provider_usedesk.plugin import UsedeskPlugin
from airflow_provider_usedesk.polling.cursor_store import CURSORS, MARKERS

EXTRA = {
    "from_trigger": True,
    "payload": {"source": "usedesk", "usedesk_conn_id": "main", "event_id": "new/5"},
}
MARKER = f"{MARKERS}main/new/5"


@pytest.fixture
def asset_id(airflow_db):
    asset_events.on_starting(None)
    with create_session() as session:
        asset = AssetModel(name="listened", uri="listened", group="asset")
        session.add(asset)
        session.flush()
        made = asset.id
    yield made
    event.remove(AssetEvent, "after_insert", asset_events.store_marker)
    with create_session() as session:
        for model in (AssetEvent, AssetStateStoreModel):
            session.execute(delete(model).where(model.asset_id == made))
        session.execute(delete(AssetModel).where(AssetModel.id == made))


def insert_event(asset_id, extra):
    with create_session() as session:
        session.add(AssetEvent(asset_id=asset_id, extra=extra))


def stored(asset_id):
    """Return the number of events and the keys of the state store."""
    with create_session() as session:
        keys = session.scalars(
            select(AssetStateStoreModel.key).where(AssetStateStoreModel.asset_id == asset_id)
        ).all()
        events = session.scalars(select(AssetEvent.id).where(AssetEvent.asset_id == asset_id)).all()
        return len(events), keys


def test_subscription_event_gets_marker(asset_id):
    insert_event(asset_id, EXTRA)
    assert stored(asset_id) == (1, [MARKER])


def test_marker_rolls_back_with_event(asset_id):
    with create_session() as session:
        session.add(AssetEvent(asset_id=asset_id, extra=EXTRA))
        session.flush()
        session.rollback()
    assert stored(asset_id) == (0, [])


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"payload": EXTRA["payload"]},
        {"from_trigger": True, "payload": "text"},
        {"from_trigger": True, "payload": {**EXTRA["payload"], "source": "other"}},
        {"from_trigger": True, "payload": {**EXTRA["payload"], "usedesk_conn_id": None}},
        {"from_trigger": True, "payload": {**EXTRA["payload"], "event_id": None}},
    ],
)
def test_other_events_get_no_marker(asset_id, extra):
    insert_event(asset_id, extra)
    assert stored(asset_id) == (1, [])


def test_duplicate_event_keeps_one_marker(asset_id):
    insert_event(asset_id, EXTRA)
    insert_event(asset_id, EXTRA)
    assert stored(asset_id) == (2, [MARKER])


def test_event_survives_failed_marker(asset_id, monkeypatch, caplog):
    def broken(connection, *args):
        connection.exec_driver_sql("INSERT INTO nowhere VALUES (1)")

    monkeypatch.setattr(asset_events, "_write_marker", broken)
    insert_event(asset_id, EXTRA)
    assert stored(asset_id) == (1, [])
    assert f"The marker {MARKER} could not be stored." in caplog.text


@pytest.mark.parametrize(("age", "remain"), [(timedelta(days=1), ["5"]), (timedelta(hours=1), [])])
def test_old_markers_are_deleted(asset_id, monkeypatch, age, remain):
    """A marker is deleted when the cursor of every subscription is far behind it."""
    insert_event(asset_id, EXTRA)
    now, cursor = datetime.now(UTC), f"{CURSORS}x"
    with create_session() as session:
        session.execute(update(AssetStateStoreModel).values(updated_at=now - timedelta(hours=5)))
        value = json.dumps({"at": (now - age).isoformat(), "left_out": []})
        session.add(AssetStateStoreModel(asset_id=asset_id, key=cursor, value=value))
    monkeypatch.setattr(asset_events, "_last_clean_up", {})
    insert_event(asset_id, {**EXTRA, "payload": {**EXTRA["payload"], "event_id": "new/6"}})
    events, keys = stored(asset_id)
    expected = [*(f"{MARKERS}main/new/{number}" for number in [*remain, "6"]), cursor]
    assert (events, sorted(keys)) == (2, sorted(expected))


def test_plugin_registers_listener(airflow_db):
    assert asset_events in UsedeskPlugin.listeners
