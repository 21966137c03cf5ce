"""Webhooks in Airflow's database."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

pytest.importorskip("airflow.sdk", reason="the receiver needs Airflow 3")

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
from sqlalchemy import delete, select
from sqlalchemy.exc import OperationalError

from airflow_provider_usedesk.assets import asset_uri
from airflow_provider_usedesk.delivery.reports import DeliveryReport, reports_in, state_key
from airflow_provider_usedesk.webhook import metastore
from airflow_provider_usedesk.webhook.events import read_event

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CONN, DAG = "store_test", "store_test_dag"
STATES = metastore.AssetStateStoreModel


def report(ticket_id=1, comment_id=7, status="DELIVERED"):
    part = {"delivery_status": status, "comment_id": comment_id, "extras": {"ticket_id": ticket_id}}
    return read_event({"message_status": part})


def ticket(ticket_id):
    return read_event({"ticket": {"id": ticket_id}})


@pytest.fixture
def asset_id(airflow_db):
    """The asset of delivery reports, on which a Dag is scheduled."""
    uri = asset_uri(CONN, "delivery")
    with create_session() as session:
        asset = AssetModel(name=uri, uri=uri, group="asset")
        session.add_all([asset, DagBundleModel(name="tests")])
        session.flush()
        session.add(AssetActive(name=uri, uri=uri))
        session.add(DagModel(dag_id=DAG, is_paused=False, bundle_name="tests"))
        session.flush()
        session.add(DagScheduleAssetReference(asset_id=asset.id, dag_id=DAG))
        made = asset.id
    yield made
    with create_session() as session:
        for model in (AssetDagRunQueue, AssetEvent, STATES, DagScheduleAssetReference):
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
def keep(clock):
    store = metastore.MetastoreStore(clock)

    async def all_of(events):
        return await asyncio.gather(*(store.keep(CONN, one) for one in events), return_exceptions=True)

    return lambda *events: asyncio.run(all_of(events))


def events(asset_id):
    with create_session() as session:
        rows = session.scalars(
            select(AssetEvent).where(AssetEvent.asset_id == asset_id).order_by(AssetEvent.id)
        )
        return [row.extra for row in rows]


def state(asset_id, key):
    with create_session() as session:
        row = session.get(STATES, (asset_id, key))
        return None if row is None else json.loads(row.value)


def queued(asset_id):
    with create_session() as session:
        rows = select(AssetDagRunQueue).where(AssetDagRunQueue.asset_id == asset_id)
        return [(row.target_dag_id, row.created_at) for row in session.scalars(rows)]


def test_a_report_is_an_event_of_its_asset_and_queues_the_dag(asset_id, keep):
    assert keep(report()) == [None]
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


def test_reports_are_remembered_for_who_waits_for_the_message(asset_id, keep, clock):
    keep(report(status="SENT"))
    clock.now += timedelta(seconds=1)
    keep(report(status="DELIVERED"), report(ticket_id=2))
    assert reports_in(state(asset_id, state_key(1))) == (
        DeliveryReport("SENT", 7, NOW.isoformat()),
        DeliveryReport("DELIVERED", 7, clock.now.isoformat()),
    )
    assert len(reports_in(state(asset_id, state_key(2)))) == 1


def test_the_same_report_twice_has_one_effect_at_once_and_later(asset_id, keep):
    assert keep(report(), report(), report()) == [None] * 3
    assert keep(report()) == [None]
    assert len(events(asset_id)) == 1
    assert len(reports_in(state(asset_id, state_key(1)))) == 1


def test_many_at_once_are_all_there_in_their_order(asset_id, keep):
    assert keep(*(report(comment_id=number) for number in range(300))) == [None] * 300
    assert [extra["comment_id"] for extra in events(asset_id)] == list(range(300))


def test_a_queued_dag_takes_the_last_event_too(asset_id, keep):
    keep(report(comment_id=1))
    keep(report(comment_id=2), report(comment_id=3))
    with create_session() as session:
        last = max(session.scalars(select(AssetEvent.timestamp).where(AssetEvent.asset_id == asset_id)).all())
    [(_, moment)] = queued(asset_id)
    assert moment >= last


def test_a_kind_that_no_dag_names_is_accepted_and_told(asset_id, keep, caplog):
    with caplog.at_level("INFO"):
        assert keep(ticket(1)) == [None]
    assert "no Dag and no task names the asset usedesk://store_test/ticket" in caplog.text
    assert events(asset_id) == []


def test_each_asset_manager_that_was_configured_gets_every_event(asset_id, keep, monkeypatch):
    class Broadcasting(metastore.AssetManager):
        got = []

        @classmethod
        def register_asset_change(cls, *, extra=None, **kwargs):
            cls.got.append(extra["comment_id"])
            return super().register_asset_change(extra=extra, **kwargs)

    monkeypatch.setattr(metastore, "asset_manager", Broadcasting())
    keep(report(comment_id=1), report(comment_id=2))
    assert Broadcasting.got == [1, 2]
    assert len(events(asset_id)) == 2


def test_what_the_database_refused_is_not_called_kept_and_leaves_nothing(asset_id, keep, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(metastore.asset_manager, "register_asset_change", broken)
        [error] = keep(report())
    assert isinstance(error, RuntimeError)
    assert events(asset_id) == []
    assert state(asset_id, state_key(1)) is None
    assert keep(report()) == [None]
    assert len(events(asset_id)) == 1


def test_two_that_were_in_each_others_way_once_are_written(asset_id, keep, monkeypatch):
    tries = []
    write = metastore.write

    def locked_once(*args):
        tries.append(args)
        if len(tries) == 1:
            raise OperationalError("", {}, Exception("deadlock"))
        write(*args)

    monkeypatch.setattr(metastore, "write", locked_once)
    assert keep(report()) == [None]
    assert len(events(asset_id)) == 1


def test_what_is_old_is_forgotten_and_what_others_keep_stays(asset_id, keep, clock):
    keep(report())
    with create_session() as session:
        session.add(STATES(asset_id=asset_id, key="cursor", value="1", updated_at=NOW))
    clock.now += timedelta(days=31)
    keep(report(ticket_id=2))
    assert state(asset_id, state_key(1)) is None
    assert state(asset_id, "event/delivery/1/7/DELIVERED") is None
    assert state(asset_id, "cursor") == 1
    assert len(reports_in(state(asset_id, state_key(2)))) == 1


def test_before_3_3_repetitions_are_known_by_the_events(asset_id, keep, monkeypatch):
    monkeypatch.setattr(metastore, "AssetStateStoreModel", None)
    monkeypatch.setattr(metastore, "SEEN_BEFORE_3_3", datetime.now(UTC) - NOW + timedelta(days=1))
    assert keep(report(), report()) == [None, None]
    assert keep(report(), report(comment_id=8)) == [None, None]
    assert [extra["comment_id"] for extra in events(asset_id)] == [7, 8]


def test_a_queue_that_is_full_is_said_at_once(airflow_db, monkeypatch):
    monkeypatch.setattr(metastore, "MAX_WAITING", 1)
    store = metastore.MetastoreStore()
    monkeypatch.setattr(store, "_start", lambda: None)

    async def twice():
        first = asyncio.create_task(store.keep(CONN, report()))
        await asyncio.sleep(0)
        with pytest.raises(metastore.queue.Full):
            await store.keep(CONN, report())
        first.cancel()

    asyncio.run(twice())
