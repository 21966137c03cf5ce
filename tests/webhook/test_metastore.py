"""Webhooks in Airflow's database."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

pytest.importorskip("airflow.sdk", reason="the receiver needs Airflow 3")

from airflow.assets import manager
from airflow.assets.manager import AssetManager
from airflow.models.asset import (
    AssetActive,
    AssetDagRunQueue,
    AssetEvent,
    AssetModel,
    DagScheduleAssetReference,
)
from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.utils.session import create_session
from sqlalchemy import delete, insert, select
from sqlalchemy.exc import OperationalError

from airflow_provider_usedesk.assets import asset_uri
from airflow_provider_usedesk.compat.asset_state_db import STATES
from airflow_provider_usedesk.compat.version import HAS_STATE_STORES
from airflow_provider_usedesk.delivery.reports import DeliveryReport, reports_in, state_key
from airflow_provider_usedesk.webhook import metastore
from airflow_provider_usedesk.webhook.events import read_event

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CONN, DAG = "store_test", "store_test_dag"

needs_state_stores = pytest.mark.skipif(not HAS_STATE_STORES, reason="Airflow has state stores from 3.3 on")


def report(ticket_id=1, comment_id=7, status="DELIVERED"):
    part = {"delivery_status": status, "comment_id": comment_id, "extras": {"ticket_id": ticket_id}}
    return read_event({"message_status": part})


def ticket(ticket_id):
    return read_event({"ticket": {"id": ticket_id}})


def chat(text):
    return read_event({"chat_id": 9, "text": text, "from": "client"})


@pytest.fixture
def asset_id(airflow_db, request):
    """The asset of delivery reports or of another kind, on which a Dag is scheduled."""
    uri = asset_uri(CONN, getattr(request, "param", "delivery"))
    with create_session() as session:
        asset = AssetModel(name=uri, uri=uri, group="asset")
        session.add_all([asset, DagBundleModel(name="tests")])
        session.flush()
        session.add(AssetActive(name=uri, uri=uri))
        session.add(DagModel(dag_id=DAG, is_paused=False, is_stale=False, bundle_name="tests"))
        session.flush()
        session.add(DagScheduleAssetReference(asset_id=asset.id, dag_id=DAG))
        made = asset.id
    yield made
    with create_session() as session:
        if HAS_STATE_STORES:
            session.execute(delete(STATES).where(STATES.c.asset_id == made))
        for model in (AssetDagRunQueue, AssetEvent, DagScheduleAssetReference):
            session.execute(delete(model).where(model.asset_id == made))
        for row in (AssetActive, AssetModel):
            session.execute(delete(row).where(row.uri == uri))
        session.execute(delete(DagModel).where(DagModel.dag_id == DAG))
        session.execute(delete(DagBundleModel).where(DagBundleModel.name == "tests"))


class Clock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def save(clock):
    """Save events at once; return the error of each one, or None."""
    store = metastore.MetastoreStore(clock)

    async def save_all(events):
        return await asyncio.gather(*(store.save(CONN, event) for event in events), return_exceptions=True)

    return lambda *events: asyncio.run(save_all(events))


def events(asset_id):
    with create_session() as session:
        rows = session.scalars(
            select(AssetEvent).where(AssetEvent.asset_id == asset_id).order_by(AssetEvent.id)
        )
        return [row.extra for row in rows]


def state(asset_id, key):
    if not HAS_STATE_STORES:
        return None
    with create_session() as session:
        value = session.scalar(
            select(STATES.c.value).where(STATES.c.asset_id == asset_id, STATES.c.key == key)
        )
        return None if value is None else json.loads(value)


def queued(asset_id):
    with create_session() as session:
        rows = select(AssetDagRunQueue).where(AssetDagRunQueue.asset_id == asset_id)
        return [(row.target_dag_id, row.created_at) for row in session.scalars(rows)]


def test_report_creates_event_and_queues_dag(asset_id, save):
    assert save(report()) == [None]
    assert events(asset_id) == [
        {
            "kind": "delivery",
            "event_id": "delivery/1/7/DELIVERED",
            "usedesk_conn_id": CONN,
            "received_at": NOW.isoformat(),
            "ticket_id": 1,
            "comment_id": 7,
            "delivery_status": "DELIVERED",
        }
    ]
    assert [dag for dag, _ in queued(asset_id)] == [DAG]


@needs_state_stores
def test_reports_are_stored_by_ticket(asset_id, save, clock):
    save(report(status="SENT"))
    clock.now += timedelta(seconds=1)
    save(report(status="DELIVERED"), report(ticket_id=2))
    assert reports_in(state(asset_id, state_key(1))) == (
        DeliveryReport("SENT", 7, NOW.isoformat()),
        DeliveryReport("DELIVERED", 7, clock.now.isoformat()),
    )
    assert len(reports_in(state(asset_id, state_key(2)))) == 1


def test_duplicate_report_has_no_effect(asset_id, save):
    assert save(report(), report(), report()) == [None] * 3
    assert save(report()) == [None]
    assert len(events(asset_id)) == 1


@needs_state_stores
def test_duplicate_report_is_stored_once(asset_id, save):
    save(report(), report())
    save(report())
    assert len(reports_in(state(asset_id, state_key(1)))) == 1


@needs_state_stores
def test_report_without_message_can_be_on_the_next_message(asset_id, save, clock):
    """A repetition arrives at once; later the same report is on another message."""
    save(report(comment_id=None))
    clock.now += timedelta(seconds=5)
    save(report(comment_id=None))
    assert len(events(asset_id)) == 1
    clock.now += timedelta(seconds=6)
    save(report(comment_id=None))
    assert len(events(asset_id)) == 2
    # Whoever sent a message before the last one waits for no earlier report.
    assert reports_in(state(asset_id, state_key(1))) == (
        DeliveryReport("DELIVERED", None, clock.now.isoformat()),
    )


@pytest.mark.parametrize("has_state_stores", [pytest.param(True, marks=needs_state_stores), False])
@pytest.mark.parametrize("asset_id", ["chat"], indirect=True)
def test_client_can_write_the_same_text_again(asset_id, save, clock, monkeypatch, has_state_stores):
    monkeypatch.setattr(metastore, "HAS_STATE_STORES", has_state_stores)
    clock.now = datetime.now(UTC)
    save(chat("yes"), chat("yes"))
    save(chat("yes"), chat("no"))
    assert len(events(asset_id)) == 2
    clock.now += timedelta(seconds=30)
    save(chat("yes"))
    assert len(events(asset_id)) == 3


def test_batch_keeps_order(asset_id, save):
    assert save(*(report(comment_id=number) for number in range(300))) == [None] * 300
    assert [extra["comment_id"] for extra in events(asset_id)] == list(range(300))


def test_queued_dag_includes_last_event(asset_id, save):
    save(report(comment_id=1))
    save(report(comment_id=2), report(comment_id=3))
    with create_session() as session:
        last = max(session.scalars(select(AssetEvent.timestamp).where(AssetEvent.asset_id == asset_id)).all())
    [(_, moment)] = queued(asset_id)
    assert moment >= last


def test_unused_asset_is_ignored(asset_id, save, caplog):
    with caplog.at_level("INFO"):
        assert save(ticket(1)) == [None]
    assert "no Dag and no task uses the asset usedesk://store_test/ticket" in caplog.text
    assert events(asset_id) == []


def test_configured_asset_manager_gets_every_event(asset_id, save, monkeypatch):
    class Broadcasting(AssetManager):
        got = []

        @classmethod
        def register_asset_change(cls, *, extra=None, **kwargs):
            cls.got.append(extra["comment_id"])
            return super().register_asset_change(extra=extra, **kwargs)

    monkeypatch.setattr(manager, "asset_manager", Broadcasting())
    save(report(comment_id=1), report(comment_id=2))
    assert Broadcasting.got == [1, 2]
    assert len(events(asset_id)) == 2


def test_failed_transaction_rolls_back(asset_id, save, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(manager.asset_manager, "register_asset_change", broken)
        [error] = save(report())
    assert isinstance(error, RuntimeError)
    assert events(asset_id) == []
    assert state(asset_id, state_key(1)) is None
    assert save(report()) == [None]
    assert len(events(asset_id)) == 1


def test_failed_transaction_fails_each_pending_webhook(asset_id, save, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(manager.asset_manager, "register_asset_change", broken)
        errors = save(report(comment_id=1), report(comment_id=2), report(comment_id=2))
    assert [type(error) for error in errors] == [RuntimeError] * 3
    assert events(asset_id) == []
    assert save(report(comment_id=1), report(comment_id=2)) == [None, None]
    assert [extra["comment_id"] for extra in events(asset_id)] == [1, 2]


def test_deadlock_is_retried_once(asset_id, save, monkeypatch):
    attempts = []
    store_webhooks = metastore.store_webhooks

    def locked_once(*args):
        attempts.append(args)
        if len(attempts) == 1:
            raise OperationalError("", {}, Exception("deadlock"))
        store_webhooks(*args)

    monkeypatch.setattr(metastore, "store_webhooks", locked_once)
    assert save(report()) == [None]
    assert len(events(asset_id)) == 1


@needs_state_stores
def test_clean_up_deletes_own_keys(asset_id, save, clock):
    save(report())
    with create_session() as session:
        row = {"asset_id": asset_id, "key": "cursor", "value": "1", "updated_at": NOW}
        session.execute(insert(STATES).values(row))
    clock.now += timedelta(days=31)
    save(report(ticket_id=2))
    assert state(asset_id, state_key(1)) is None
    assert state(asset_id, "webhook/delivery/1/7/DELIVERED") is None
    assert state(asset_id, "cursor") == 1
    assert len(reports_in(state(asset_id, state_key(2)))) == 1


def test_report_without_message_before_3_3(asset_id, save, clock, monkeypatch):
    monkeypatch.setattr(metastore, "HAS_STATE_STORES", False)
    clock.now = datetime.now(UTC)
    save(report(comment_id=None))
    save(report(comment_id=None))
    assert len(events(asset_id)) == 1
    clock.now += timedelta(seconds=30)
    save(report(comment_id=None))
    assert len(events(asset_id)) == 2


def test_events_detect_duplicates_before_3_3(asset_id, save, monkeypatch):
    monkeypatch.setattr(metastore, "HAS_STATE_STORES", False)
    monkeypatch.setattr(metastore, "EVENT_RETENTION", datetime.now(UTC) - NOW + timedelta(days=1))
    assert save(report(), report()) == [None, None]
    assert save(report(), report(comment_id=8)) == [None, None]
    assert [extra["comment_id"] for extra in events(asset_id)] == [7, 8]


def test_full_queue_raises_error(airflow_db, monkeypatch):
    monkeypatch.setattr(metastore, "MAX_PENDING", 1)
    store = metastore.MetastoreStore()
    monkeypatch.setattr(store, "_start_writer", lambda: None)

    async def twice():
        first = asyncio.create_task(store.save(CONN, report()))
        await asyncio.sleep(0)
        with pytest.raises(metastore.queue.Full):
            await store.save(CONN, report())
        first.cancel()

    asyncio.run(twice())
