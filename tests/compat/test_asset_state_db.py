"""The state store of an asset, in a transaction on Airflow's database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

pytest.importorskip("airflow.sdk", reason="Airflow 2 stores datasets elsewhere")

from airflow.models.asset import AssetEvent, AssetModel
from airflow.utils.session import create_session
from sqlalchemy import event

from airflow_provider_usedesk.compat.asset_state_db import (
    AssetStateTable,
    StoredKeys,
    delete_expired,
    transaction,
    values_in_events,
)
from airflow_provider_usedesk.compat.version import HAS_STATE_STORES

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
OLD = NOW - timedelta(days=2)

needs_state_stores = pytest.mark.skipif(not HAS_STATE_STORES, reason="Airflow has state stores from 3.3 on")


@pytest.fixture
def session(airflow_db):
    """A session whose changes are rolled back."""
    with create_session() as session:
        yield session
        session.rollback()


@pytest.fixture
def table_of(session):
    def make(name, now=NOW):
        asset = session.query(AssetModel).filter_by(name=name).one_or_none()
        if asset is None:
            asset = AssetModel(name=name, uri=f"test://{name}", group="asset")
            session.add(asset)
            session.flush()
        return AssetStateTable(session, asset.id, now)

    return make


@pytest.fixture
def statements(session):
    """The SQL statements of the session."""
    listed = []

    def add(conn, cursor, statement, parameters, context, executemany):
        listed.append(statement.split()[0])

    event.listen(session.get_bind(), "before_cursor_execute", add)
    yield listed
    event.remove(session.get_bind(), "before_cursor_execute", add)


@needs_state_stores
def test_values_are_stored_as_json(table_of):
    table_of("one").set("a", {"b": [1, None]})
    assert table_of("one").get("a") == {"b": [1, None]}
    assert table_of("other").get("a") is None


@needs_state_stores
def test_set_replaces_value(table_of):
    table = table_of("one")
    table.set("a", 1)
    table.set("a", 2)
    table_of("one").set("a", 3)
    assert table_of("one").get("a") == 3


@needs_state_stores
def test_delete_removes_value(table_of):
    table = table_of("one")
    table.delete("a")
    table.set("a", 1)
    table.delete("a")
    assert table.get("a") is None
    table.set("a", 2)
    assert table.get("a") == 2


@needs_state_stores
def test_prefix_is_literal(table_of):
    table = table_of("one")
    table.set_many({"a_/1": 1, "a_/2": 2, "ab/3": 3})
    assert sorted(table.list("a_/")) == ["a_/1", "a_/2"]
    assert table.get_all("a_/") == {"a_/1": 1, "a_/2": 2}


@needs_state_stores
def test_batch_takes_three_statements(table_of, statements):
    table = table_of("one")
    table.set("old", 0)
    statements.clear()
    table.get_many(f"new/{number}" for number in range(100))
    table.set_many({"old": 1} | {f"new/{number}": number for number in range(100)})
    assert statements == ["SELECT", "INSERT", "UPDATE"]
    assert table_of("one").get("old") == 1


@needs_state_stores
def test_old_values_of_prefixes_are_deleted(table_of):
    table_of("one", OLD).set_many({"a/1": 1, "b/1": 1, "c/1": 1})
    table = table_of("one")
    table.set("a/2", 2)
    table.delete_older_than(["a/", "b/"], before=NOW)
    assert sorted(table.list("")) == ["a/2", "c/1"]


@needs_state_stores
def test_expired_values_of_several_assets_are_deleted(session, table_of):
    for name in ("mine-1", "mine-2", "other"):
        table_of(name, OLD).set("a/1", 1)
        table_of(name).set("a/2", 2)
    kind = StoredKeys("a/%", timedelta(days=1), uri="test://mine")
    assert delete_expired(session, [kind], NOW, limit=9) == 2
    assert [table_of(name).get("a/1") for name in ("mine-1", "mine-2", "other")] == [None, None, 1]
    assert [table_of(name).get("a/2") for name in ("mine-1", "mine-2", "other")] == [2, 2, 2]


@needs_state_stores
def test_expired_values_are_deleted_in_parts(session, table_of):
    table_of("mine", OLD).set_many({"a/1": 1, "a/2": 2, "b/1": 3})
    kinds = [StoredKeys("a/%", timedelta(days=1)), StoredKeys("b/%", timedelta(days=1), value="3%")]
    assert [delete_expired(session, kinds, NOW, limit=2) for _ in range(3)] == [2, 1, 0]


def test_values_in_events(session):
    asset = AssetModel(name="events", uri="test://events", group="asset")
    session.add(asset)
    session.flush()
    for extra in ({"id": "old"}, {"id": "a'b"}, {"id": None}, {"other": "c"}, {}):
        moment = OLD if extra.get("id") == "old" else NOW
        session.add(AssetEvent(asset_id=asset.id, extra=extra, timestamp=moment))
    session.flush()
    wanted = ["old", "a'b", "c"]
    assert values_in_events(session, asset.id, "id", wanted, since=NOW) == {"a'b"}
    assert values_in_events(session, asset.id + 1, "id", wanted, since=OLD) == set()


def test_error_rolls_back(airflow_db):
    def fail():
        with transaction(lock_timeout=1) as session:
            session.add(AssetModel(name="failed", uri="test://failed", group="asset"))
            session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with transaction(lock_timeout=1) as session:
        assert session.query(AssetModel).filter_by(name="failed").count() == 0
