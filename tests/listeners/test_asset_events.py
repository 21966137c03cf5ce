"""Events of subscriptions in Airflow's database: their markers, and the runs that they get into."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

pytest.importorskip("airflow.sdk", reason="Airflow 2 has no asset watchers")

from airflow.assets.manager import asset_manager
from airflow.models.asset import AssetDagRunQueue, AssetEvent, AssetModel, DagScheduleAssetReference
from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session
from airflow.utils.sqlalchemy import prohibit_commit
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from sqlalchemy import create_engine, delete, event, false, insert, select, text, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Engine
from sqlalchemy.orm import object_session

from airflow_provider_usedesk.compat import asset_state_db
from airflow_provider_usedesk.compat.asset_state_db import STATES
from airflow_provider_usedesk.compat.version import HAS_STATE_STORES
from airflow_provider_usedesk.listeners import asset_events, stored_keys
from airflow_provider_usedesk.plugin import UsedeskPlugin
from airflow_provider_usedesk.polling.cursor_store import CURSORS, MARKERS
from tests.support.version import HAS_PARTITIONED_DAGS

EXTRA = {
    "from_trigger": True,
    "payload": {"source": "usedesk", "usedesk_conn_id": "main", "event_id": "new/5"},
}
MARKER = f"{MARKERS}main/new/5"
STORED_MARKERS = [MARKER] * HAS_STATE_STORES
DAG = "listening"


needs_state_stores = pytest.mark.skipif(not HAS_STATE_STORES, reason="Airflow has state stores from 3.3 on")


class Job:
    """A component of Airflow that has a database."""


@pytest.fixture
def asset_id(airflow_db):
    asset_events.on_starting(Job())
    with create_session() as session:
        asset = AssetModel(name="listened", uri="listened", group="asset")
        session.add_all([asset, DagBundleModel(name="tests")])
        session.flush()
        made = asset.id
        session.add(DagModel(dag_id=DAG, is_paused=False, is_stale=False, bundle_name="tests"))
        session.flush()
        session.add(DagScheduleAssetReference(asset_id=made, dag_id=DAG))
    yield made
    event.remove(AssetEvent, "after_insert", asset_events.follow_event)
    with create_session() as session:
        if HAS_STATE_STORES:
            session.execute(delete(STATES).where(STATES.c.asset_id == made))
        for model in (AssetDagRunQueue, AssetEvent, DagScheduleAssetReference):
            session.execute(delete(model).where(model.asset_id == made))
        session.execute(delete(AssetModel).where(AssetModel.id == made))
        for model in (DagRun, DagModel):
            session.execute(delete(model).where(model.dag_id == DAG))
        session.execute(delete(DagBundleModel).where(DagBundleModel.name == "tests"))


def insert_event(asset_id, extra):
    with create_session() as session:
        session.add(AssetEvent(asset_id=asset_id, extra=extra))


def stored(asset_id):
    """Return the number of events and the keys of the state store."""
    with create_session() as session:
        events = session.scalars(select(AssetEvent.id).where(AssetEvent.asset_id == asset_id)).all()
        keys = select(STATES.c.key).where(STATES.c.asset_id == asset_id) if HAS_STATE_STORES else None
        return len(events), [] if keys is None else session.scalars(keys).all()


def test_subscription_event_gets_marker(asset_id):
    insert_event(asset_id, EXTRA)
    assert stored(asset_id) == (1, STORED_MARKERS)


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
    assert stored(asset_id) == (2, STORED_MARKERS)


@needs_state_stores
def test_event_survives_failed_marker(asset_id, monkeypatch, caplog):
    def broken(table, *args):
        table._connection.exec_driver_sql("INSERT INTO nowhere VALUES (1)")

    monkeypatch.setattr(asset_state_db.AssetStateTable, "set", broken)
    insert_event(asset_id, EXTRA)
    assert stored(asset_id) == (1, [])
    assert f"The marker {MARKER} could not be stored." in caplog.text


@needs_state_stores
@pytest.mark.parametrize(("age", "remain"), [(timedelta(days=1), ["5"]), (timedelta(hours=1), [])])
def test_old_markers_are_deleted(asset_id, monkeypatch, age, remain):
    """A marker is deleted when the cursor of every subscription is far behind it."""
    insert_event(asset_id, EXTRA)
    now, cursor = datetime.now(UTC), f"{CURSORS}x"
    with create_session() as session:
        session.execute(update(STATES).values(updated_at=now - timedelta(hours=5)))
        value = json.dumps({"at": (now - age).isoformat(), "left_out": []})
        row = {"asset_id": asset_id, "key": cursor, "value": value, "updated_at": now}
        session.execute(insert(STATES).values(row))
    monkeypatch.setattr(asset_events, "_last_clean_up", {})
    insert_event(asset_id, {**EXTRA, "payload": {**EXTRA["payload"], "event_id": "new/6"}})
    events, keys = stored(asset_id)
    expected = [*(f"{MARKERS}main/new/{number}" for number in [*remain, "6"]), cursor]
    assert (events, sorted(keys)) == (2, sorted(expected))


def fire(asset_id, number, conn_id="main"):
    """Store an event as the triggerer does: each in a transaction of its own."""
    payload = {**EXTRA["payload"], "usedesk_conn_id": conn_id, "event_id": f"new/{number}"}
    register(asset_id, {"from_trigger": True, "payload": payload})


def register(asset_id, extra):
    with create_session() as session:
        asset = session.get(AssetModel, asset_id)
        asset_manager.register_asset_change(asset=asset, extra=extra, session=session)


def queued_until(asset_id):
    """Return the moment up to which the queued Dag takes events; None if it is not queued."""
    with create_session() as session:
        return session.scalar(
            select(AssetDagRunQueue.created_at).where(AssetDagRunQueue.asset_id == asset_id)
        )


def event_times(asset_id):
    with create_session() as session:
        query = select(AssetEvent.timestamp).where(AssetEvent.asset_id == asset_id).order_by(AssetEvent.id)
        return session.scalars(query).all()


def start_run(asset_id, takes, is_queued=False):
    """Start a run that took the events up to a moment, as the scheduler does, and empty the queue."""
    with create_session() as session, prohibit_commit(session) as guard:
        if not is_queued:
            session.execute(delete(AssetDagRunQueue).where(AssetDagRunQueue.asset_id == asset_id))
        run = DagRun(
            dag_id=DAG,
            run_id=f"asset_{takes.isoformat()}",
            run_type=DagRunType.ASSET_TRIGGERED,
            run_after=takes,
            state=DagRunState.RUNNING,
            triggered_by=DagRunTriggeredByType.ASSET,
        )
        session.add(run)
        session.flush()
        asset_events.on_dag_run_running(run, "started")
        guard.commit()


def runs():
    with create_session() as session:
        return len(session.scalars(select(DagRun.id).where(DagRun.dag_id == DAG)).all())


def test_queued_dag_takes_each_event(asset_id):
    for number in range(3):
        fire(asset_id, number)
    assert queued_until(asset_id) >= event_times(asset_id)[-1]


def test_event_does_not_move_the_queue_back(asset_id):
    """The clock of another machine can be ahead."""
    fire(asset_id, 1)
    later = datetime.now(UTC) + timedelta(hours=1)
    with create_session() as session:
        session.execute(update(AssetDagRunQueue).values(created_at=later))
    fire(asset_id, 2)
    assert queued_until(asset_id) == later


def test_event_at_the_moment_of_pausing_is_queued(asset_id):
    with create_session() as session:
        session.execute(update(DagModel).where(DagModel.dag_id == DAG).values(is_paused=True))
    for number in range(2):
        fire(asset_id, number)
    assert queued_until(asset_id) >= event_times(asset_id)[-1]


def test_other_events_extend_no_queue(asset_id):
    register(asset_id, {})
    queued = queued_until(asset_id)
    register(asset_id, {})
    assert queued_until(asset_id) == queued < event_times(asset_id)[-1]


def test_event_survives_failed_queue(asset_id, monkeypatch, caplog):
    def broken(connection, *args):
        connection.exec_driver_sql("INSERT INTO nowhere VALUES (1)")

    monkeypatch.setattr(asset_state_db, "queue_for_event", broken)
    fire(asset_id, 5)
    assert stored(asset_id) == (1, STORED_MARKERS)
    assert "could not be queued" in caplog.text


@pytest.mark.parametrize(
    "extra", [EXTRA, {"usedesk_conn_id": "main", "event_id": "delivery/1/2/READ"}], ids=["poll", "webhook"]
)
def test_left_over_event_is_queued_when_the_run_starts(asset_id, extra):
    """The scheduler deleted the entry that a later event had extended."""
    register(asset_id, extra)
    register(asset_id, extra)
    start_run(asset_id, takes=event_times(asset_id)[0])
    assert queued_until(asset_id) == event_times(asset_id)[1]


def test_taken_and_foreign_events_are_not_queued_again(asset_id):
    fire(asset_id, 1)
    start_run(asset_id, takes=event_times(asset_id)[0])
    assert queued_until(asset_id) is None
    register(asset_id, {"from": "elsewhere"})
    start_run(asset_id, takes=event_times(asset_id)[0] + timedelta(microseconds=1))
    assert queued_until(asset_id) is None


@pytest.mark.skipif(not HAS_PARTITIONED_DAGS, reason="partitions came with Airflow 3.2")
def test_dag_scheduled_by_partitions_is_not_queued(asset_id):
    """The queue is not for such Dags; Airflow made a run from an entry there."""
    fire(asset_id, 1)
    with create_session() as session:
        session.execute(update(DagModel).where(DagModel.dag_id == DAG).values(timetable_partitioned=True))
    start_run(asset_id, takes=event_times(asset_id)[0] - timedelta(seconds=1))
    assert queued_until(asset_id) is None


def test_other_scheduler_queued_the_dag_meanwhile(asset_id, monkeypatch, caplog):
    monkeypatch.setattr(asset_state_db, "_is_queued", lambda *ids: false())
    fire(asset_id, 1)
    queued = queued_until(asset_id)
    start_run(asset_id, takes=event_times(asset_id)[0] - timedelta(seconds=1), is_queued=True)
    assert (queued_until(asset_id), runs()) == (queued, 1)
    assert "could not be queued" not in caplog.text


def no_such_table(*args):
    return text("SELECT 1 FROM nowhere")


@pytest.mark.parametrize(
    ("place", "name", "broken"),
    [
        (asset_events, "_is_of_usedesk", lambda extra: 1 / 0),
        (asset_state_db, "_left_over", no_such_table),
        pytest.param(
            stored_keys,
            "delete_expired",
            lambda connection, *args: connection.execute(no_such_table()),
            marks=needs_state_stores,
        ),
    ],
)
def test_failing_listener_does_not_break_the_session_of_the_scheduler(
    asset_id, monkeypatch, caplog, place, name, broken
):
    monkeypatch.setattr(stored_keys, "in_scheduler", stored_keys.CleanUp())
    monkeypatch.setattr(place, name, broken)
    fire(asset_id, 1)
    start_run(asset_id, takes=event_times(asset_id)[0] - timedelta(seconds=1))
    assert runs() == 1
    assert "could not be" in caplog.text


def test_other_writer_does_not_break_the_session_of_the_scheduler(asset_id, airflow_db, monkeypatch, caplog):
    """SQLite refuses every write of a transaction that has read before another process wrote."""
    fire(asset_id, 1)
    fire(asset_id, 2)
    taken, left = event_times(asset_id)
    with create_session() as session:
        session.execute(delete(AssetDagRunQueue).where(AssetDagRunQueue.asset_id == asset_id))
        session.add(
            DagRun(
                dag_id=DAG,
                run_id="queued",
                run_type=DagRunType.ASSET_TRIGGERED,
                run_after=taken,
                state=DagRunState.QUEUED,
                triggered_by=DagRunTriggeredByType.ASSET,
            )
        )
    left_over = asset_state_db._left_over
    refused = []

    def left_over_while_another_writes(dag_id):
        connection = object_session(run).connection()
        connection.execute(select(AssetEvent.id)).all()
        with closing(sqlite3.connect(airflow_db, timeout=0)) as other:
            try:
                other.execute("UPDATE asset SET name = 'renamed'")
                other.commit()
            except sqlite3.OperationalError as error:
                refused.append(str(error))
        return left_over(dag_id)

    monkeypatch.setattr(asset_state_db, "_left_over", left_over_while_another_writes)
    with create_session() as session, prohibit_commit(session) as guard:
        run = session.scalar(select(DagRun).where(DagRun.dag_id == DAG))
        run.set_state(DagRunState.RUNNING)
        asset_events.on_dag_run_running(run, "started")
        guard.commit()
    with create_session() as session:
        assert session.scalar(select(DagRun.state).where(DagRun.dag_id == DAG)) == "running"
    assert queued_until(asset_id) == left
    assert refused == ["database is locked"]
    assert "could not be" not in caplog.text


def test_failing_start_does_not_end_the_component(monkeypatch, caplog):
    monkeypatch.setattr(asset_state_db, "on_asset_event", lambda callback: 1 / 0)
    asset_events.on_starting(Job())
    assert "cannot follow events" in caplog.text


def test_unreadable_event_is_stored(asset_id, monkeypatch, caplog):
    monkeypatch.setattr(asset_events, "_marker_key", lambda extra: 1 / 0)
    insert_event(asset_id, EXTRA)
    assert stored(asset_id) == (1, [])
    assert "could not be followed" in caplog.text


@pytest.fixture
def statements(asset_id):
    """The statements that the listeners send for what does not concern them."""
    sent = []

    def send(connection, cursor, statement, *args):
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", send)
    yield sent
    event.remove(Engine, "before_cursor_execute", send)


def test_other_events_and_runs_cost_no_statement(asset_id, statements, monkeypatch):
    clean_up = stored_keys.CleanUp()
    monkeypatch.setattr(stored_keys, "in_scheduler", clean_up)
    with create_session() as session:
        if HAS_STATE_STORES:
            clean_up.run(session, datetime.now(UTC))
        run = DagRun(dag_id=DAG, run_id="manual", run_type=DagRunType.MANUAL, state=DagRunState.RUNNING)
        connection = session.connection()
        statements.clear()
        session.add(run)
        asset_events.on_dag_run_running(run, "started")
        other = AssetEvent(asset_id=asset_id, extra={"from_trigger": True, "payload": {"source": "other"}})
        asset_events.follow_event(None, connection, other)
        assert statements == []
        session.expunge(run)


class PostgresConnection:
    """Records the statements."""

    dialect = postgresql.dialect()

    def __init__(self):
        self.statements = []

    def execute(self, statement):
        self.statements.append(str(statement))
        return create_engine("sqlite://").connect().execute(text("SELECT 1 WHERE 1 = 0"))


def test_lock_timeout_ends_with_our_statements():
    """Airflow's own statements of the same transaction wait for locks as long as they did."""
    connection = PostgresConnection()
    asset_state_db.queue_for_event(connection, 1, datetime.now(UTC))
    first, *_, last = connection.statements
    assert (first, last) == ("SET LOCAL lock_timeout = '10s'", "SET LOCAL lock_timeout TO DEFAULT")


DAYS = timedelta(days=1)
CURSOR = f"{CURSORS}{'0' * 16}"
POSITION = {"at": "2026-01-01T00:00:00+00:00", "left_out": []}


@needs_state_stores
@pytest.mark.parametrize(
    ("uri", "key", "value", "age", "stays"),
    [
        ("usedesk://main/delivery", "webhook/delivery/1/2/READ", "x", 6 * DAYS, True),
        ("usedesk://main/delivery", "webhook/delivery/1/2/READ", "x", 8 * DAYS, False),
        ("usedesk://main/delivery", "report/1", {"reports": []}, 29 * DAYS, True),
        ("usedesk://main/delivery", "report/1", {"reports": []}, 31 * DAYS, False),
        ("listened", MARKER, "x", 30 * DAYS, True),
        ("listened", MARKER, "x", 32 * DAYS, False),
        ("listened", f"{MARKERS}main/updated/5/2026", "x", 32 * DAYS, False),
        ("listened", CURSOR, POSITION, 89 * DAYS, True),
        ("listened", CURSOR, POSITION, 91 * DAYS, False),
        # Keys of others.
        ("listened", "report/1", {"reports": []}, 900 * DAYS, True),
        ("listened", "webhook/x", "x", 900 * DAYS, True),
        ("listened", CURSOR, 5, 900 * DAYS, True),
        ("listened", f"{CURSORS}mine", POSITION, 900 * DAYS, True),
        ("listened", f"{MARKERS}mine", "x", 900 * DAYS, True),
    ],
)
def test_stored_keys_expire(asset_id, monkeypatch, uri, key, value, age, stays):
    """The start of any run is the occasion."""
    monkeypatch.setattr(stored_keys, "in_scheduler", stored_keys.CleanUp())
    now = datetime.now(UTC)
    with create_session() as session:
        session.execute(update(AssetModel).where(AssetModel.id == asset_id).values(uri=uri))
        row = {"key": key, "value": json.dumps(value), "updated_at": now - age}
        session.execute(insert(STATES).values(asset_id=asset_id, **row))
    start_run(asset_id, takes=now)
    assert stored(asset_id)[1] == [key] * stays


def test_clean_up_runs_once_an_hour(monkeypatch):
    runs, deleted, now = [], iter([stored_keys.MAX_DELETED, 5, 0]), datetime(2026, 11, 24, tzinfo=UTC)
    monkeypatch.setattr(stored_keys, "delete_expired", lambda *args: runs.append(args[2]) or next(deleted))
    clean_up = stored_keys.CleanUp()
    for minutes in (0, 1, 2, 60, 61):
        clean_up.run(None, now + timedelta(minutes=minutes))
    assert runs == [now + timedelta(minutes=minutes) for minutes in (0, 1, 61)]


def test_task_process_loads_no_database():
    class TaskRunnerMarker: ...

    asset_events.on_starting(TaskRunnerMarker())
    assert not event.contains(AssetEvent, "after_insert", asset_events.follow_event)


def test_plugin_registers_listener(airflow_db):
    assert asset_events in UsedeskPlugin.listeners
