"""Events of watched tickets, noted beside them in Airflow's database."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

pytest.importorskip("airflow.models.asset_state_store", reason="there is a place for notes from 3.3 on")

from airflow.models.asset import AssetEvent, AssetModel
from airflow.models.asset_state_store import AssetStateStoreModel
from airflow.utils.session import create_session
from sqlalchemy import delete, event, select, update

from airflow_provider_usedesk.listeners import asset_events
from airflow_provider_usedesk.plugin import UsedeskPlugin

OURS = {
    "from_trigger": True,
    "payload": {"source": "usedesk", "usedesk_conn_id": "main", "event_id": "new/5"},
}


@pytest.fixture
def asset_id(airflow_db):
    asset_events.on_starting(None)
    with create_session() as session:
        asset = AssetModel(name="noted", uri="noted", group="asset")
        session.add(asset)
        session.flush()
        made = asset.id
    yield made
    event.remove(AssetEvent, "after_insert", asset_events.note)
    with create_session() as session:
        for model in (AssetEvent, AssetStateStoreModel):
            session.execute(delete(model).where(model.asset_id == made))
        session.execute(delete(AssetModel).where(AssetModel.id == made))


def store(asset_id, extra):
    with create_session() as session:
        session.add(AssetEvent(asset_id=asset_id, extra=extra))


def stored(asset_id):
    with create_session() as session:
        notes = session.scalars(
            select(AssetStateStoreModel.key).where(AssetStateStoreModel.asset_id == asset_id)
        ).all()
        events = session.scalars(select(AssetEvent.id).where(AssetEvent.asset_id == asset_id)).all()
        return len(events), notes


def test_our_event_is_noted_beside_it(asset_id):
    store(asset_id, OURS)
    assert stored(asset_id) == (1, ["fired/main/new/5"])


def test_the_note_goes_with_the_event_that_was_not_stored(asset_id):
    with create_session() as session:
        session.add(AssetEvent(asset_id=asset_id, extra=OURS))
        session.flush()
        session.rollback()
    assert stored(asset_id) == (0, [])


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"payload": OURS["payload"]},
        {"from_trigger": True, "payload": "text"},
        {"from_trigger": True, "payload": {**OURS["payload"], "source": "other"}},
        {"from_trigger": True, "payload": {**OURS["payload"], "usedesk_conn_id": None}},
        {"from_trigger": True, "payload": {**OURS["payload"], "event_id": None}},
    ],
)
def test_events_of_others_are_left_alone(asset_id, extra):
    store(asset_id, extra)
    assert stored(asset_id) == (1, [])


def test_an_event_that_is_there_twice_is_noted_once(asset_id):
    store(asset_id, OURS)
    store(asset_id, OURS)
    assert stored(asset_id) == (2, ["fired/main/new/5"])


def test_an_event_is_stored_also_where_it_cannot_be_noted(asset_id, monkeypatch, caplog):
    def broken(connection, *args):
        connection.exec_driver_sql("INSERT INTO nowhere VALUES (1)")

    monkeypatch.setattr(asset_events, "_write_note", broken)
    store(asset_id, OURS)
    assert stored(asset_id) == (1, [])
    assert "The event of fired/main/new/5 could not be noted." in caplog.text


@pytest.mark.parametrize(("position", "remain"), [(timedelta(days=1), ["5"]), (timedelta(hours=1), [])])
def test_notes_go_once_the_position_is_far_past_them(asset_id, monkeypatch, position, remain):
    store(asset_id, OURS)
    now = datetime.now(UTC)
    with create_session() as session:
        session.execute(update(AssetStateStoreModel).values(updated_at=now - timedelta(hours=5)))
        at = {"at": (now - position).isoformat(), "left_out": []}
        session.add(AssetStateStoreModel(asset_id=asset_id, key="watcher/x", value=json.dumps(at)))
    monkeypatch.setattr(asset_events, "_days", {})
    store(asset_id, {**OURS, "payload": {**OURS["payload"], "event_id": "new/6"}})
    events, keys = stored(asset_id)
    assert (events, sorted(keys)) == (2, [*(f"fired/main/new/{one}" for one in [*remain, "6"]), "watcher/x"])


def test_the_plugin_brings_the_listener(airflow_db):
    assert asset_events in UsedeskPlugin.listeners
