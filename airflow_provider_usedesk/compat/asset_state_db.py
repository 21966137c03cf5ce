"""
The assets of Airflow in its database: their state store and their events.

None of this is a public interface of Airflow. It works in processes of Airflow 3 that reach the database: the
API server, the scheduler and the triggerer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.models.asset import AssetDagRunQueue, AssetEvent, AssetModel, DagScheduleAssetReference
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session
from airflow.utils.types import DagRunType
from sqlalchemy import (
    JSON,
    and_,
    bindparam,
    delete,
    event,
    exists,
    false,
    func,
    insert,
    or_,
    select,
    text,
    true,
    tuple_,
    type_coerce,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import object_session

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

try:
    from airflow.models.asset_state_store import AssetStateStoreModel

    STATES: Any = AssetStateStoreModel.__table__
except ImportError:  # before Airflow 3.3
    STATES = None

QUEUE: Any = AssetDagRunQueue.__table__
# Seconds that the triggerer waits for a lock, on PostgreSQL.
QUEUE_LOCK_TIMEOUT = 10


@dataclass(frozen=True)
class StoredKeys:
    """
    A kind of values in the state stores of assets.

    :param pattern: the keys, as a pattern of SQL
    :param kept: time after the last write after which a value is deleted
    :param uri: beginning of the URI of the assets; default: all assets
    :param value: the values, as a pattern of SQL; default: all
    """

    pattern: str
    kept: timedelta
    uri: str = ""
    value: str = ""

    def is_expired(self, now: datetime) -> Any:
        """Return the condition for values to delete."""
        conditions = [STATES.c.key.like(self.pattern), STATES.c.updated_at < now - self.kept]
        if self.value:
            conditions.append(STATES.c.value.like(self.value))
        if self.uri:
            assets = select(AssetModel.id).where(AssetModel.uri.startswith(self.uri, autoescape=True))
            conditions.append(STATES.c.asset_id.in_(assets))
        return and_(*conditions)


class AssetStateTable:
    """
    The state store of one asset, used in the transaction of the caller (Airflow 3.3 and newer).

    A key that was read is not looked up again when it is written: the caller holds a lock, or accepts the
    error of the database if another transaction wrote the key meanwhile.

    :param connection: session or connection of SQLAlchemy
    :param asset_id: id of the asset in the database
    :param now: time that is stored with each written value
    """

    def __init__(self, connection: Session | Connection, asset_id: int, now: datetime) -> None:
        self._connection = connection
        self._asset_id = asset_id
        self._now = now
        self._exists: dict[str, bool] = {}

    def get(self, key: str) -> Any:
        return self.get_many([key]).get(key)

    def get_many(self, keys: Iterable[str]) -> dict[str, Any]:
        """Return the values of those of the keys that exist, with one query."""
        wanted = set(keys)
        found = self._values(STATES.c.key.in_(wanted)) if wanted else {}
        self._exists.update((key, key in found) for key in wanted)
        return found

    def get_all(self, prefix: str) -> dict[str, Any]:
        """Return all values whose keys begin with the prefix."""
        return self._values(_begins_with(prefix))

    def list(self, prefix: str) -> Iterator[str]:
        yield from self._connection.execute(
            select(STATES.c.key).where(self._mine, _begins_with(prefix))
        ).scalars()

    def set(self, key: str, value: Any) -> None:
        self.set_many({key: value})

    def set_many(self, values: Mapping[str, Any]) -> None:
        """Store JSON values, the new ones and the changed ones with one statement each."""
        self.get_many(values.keys() - self._exists.keys())
        new = [self._row(key, value) for key, value in values.items() if not self._exists[key]]
        changed = [
            {"changed_key": key, "changed_value": json.dumps(value)}
            for key, value in values.items()
            if self._exists[key]
        ]
        if new:
            self._connection.execute(insert(STATES), new)
        if changed:
            self._connection.execute(self._change(), changed)
        self._exists.update(dict.fromkeys(values, True))

    def delete(self, key: str) -> None:
        self._connection.execute(delete(STATES).where(self._mine, STATES.c.key == key))
        self._exists[key] = False

    def delete_older_than(self, prefixes: Sequence[str], before: datetime) -> None:
        """Delete the values last written before a moment, whose keys begin with one of the prefixes."""
        _delete_old(self._connection, self._mine, prefixes, before)
        self._exists.clear()

    @property
    def _mine(self) -> Any:
        return STATES.c.asset_id == self._asset_id

    def _values(self, condition: Any) -> dict[str, Any]:
        rows = self._connection.execute(select(STATES.c.key, STATES.c.value).where(self._mine, condition))
        return {key: json.loads(value) for key, value in rows}

    def _row(self, key: str, value: Any) -> dict[str, Any]:
        return {"asset_id": self._asset_id, "key": key, "value": json.dumps(value), "updated_at": self._now}

    def _change(self) -> Any:
        is_key = STATES.c.key == bindparam("changed_key")
        return (
            update(STATES)
            .where(self._mine, is_key)
            .values(value=bindparam("changed_value"), updated_at=self._now)
        )


@contextmanager
def transaction(lock_timeout: int) -> Iterator[Session]:
    """
    Open a session on Airflow's database: commit at the end, roll back on an error.

    :param lock_timeout: seconds to wait for a lock, on PostgreSQL
    """
    with create_session() as session:
        _limit_lock_wait(session, session.get_bind().dialect.name, lock_timeout)
        yield session


def lock_asset(session: Session, uri: str) -> AssetModel | None:
    """
    Lock an asset until the end of the transaction, and return it.

    :param session: the transaction
    :param uri: URI of the asset
    :return: the asset; None if no active asset has the URI
    """
    return session.scalar(
        select(AssetModel)
        .where(AssetModel.uri == uri, AssetModel.active.has())
        .with_for_update(key_share=True)
    )


def add_asset_events(session: Session, asset: AssetModel, extras: Sequence[dict[str, Any]]) -> None:
    """
    Add events to an asset, and queue the Dags that are scheduled on it.

    :param asset: the asset, locked
    :param extras: ``extra`` of each event, in their order; at least one
    """
    from airflow.assets.manager import asset_manager

    # Locked first, so that the scheduler makes a run of the queue before these events, or after all of them.
    _lock_queue(session, asset.id)
    for extra in _extras_to_register(session, asset, extras):
        asset_manager.register_asset_change(asset=asset, extra=extra, session=session)
    _extend_queue(session, asset.id, datetime.now(UTC))


def queue_for_event(connection: Connection, asset_id: int, moment: datetime) -> None:
    """
    Let the Dags that are scheduled on an asset take an event that was just inserted.

    A queued Dag takes the events up to the moment at which it was queued. Airflow does not queue it again for
    a later event, which would wait for the event after it. Airflow does not queue a paused Dag at all.

    :param connection: a nested transaction in the one that inserts the event, which has locked nothing else
        of the asset
    :param asset_id: id of the asset
    :param moment: the current time, not before the event
    """
    with _limited_lock_wait(connection, QUEUE_LOCK_TIMEOUT):
        # Nobody else queues a Dag for this asset meanwhile: the scheduler could take that before this event.
        connection.execute(select(AssetModel.id).where(AssetModel.id == asset_id).with_for_update())
        _lock_queue(connection, asset_id)
        _extend_queue(connection, asset_id, moment)
        for dag_id in connection.execute(_paused_dags(asset_id)).scalars().all():
            _queue(connection, asset_id, dag_id, moment)


def queue_left_over_events(connection: Connection, dag_id: str, is_ours: Callable[[Any], bool]) -> list[int]:
    """
    Queue a Dag again for events that no run has taken, in the transaction of the scheduler.

    Where the scheduler does not lock the queue (SQLite, and Airflow before 3.3), it can delete an entry
    that was extended after it was read.

    :param connection: of the scheduler, when a run of the Dag starts
    :param dag_id: the Dag
    :param is_ours: decides by the ``extra`` of an event whether it counts
    :return: ids of the assets with such events
    """
    rows = connection.execute(_left_over(dag_id)).all()
    latest = {asset_id: at for asset_id, extra, at in rows if is_ours(extra)}
    # Up to the event and not up to now: the run could pass an event whose transaction is still open.
    return [asset_id for asset_id, at in latest.items() if _queued(connection, asset_id, dag_id, at)]


def values_in_events(
    session: Session, asset_id: int, field: str, values: Sequence[str], since: datetime
) -> set[str]:
    """
    Return those of the values that an event of an asset has in a field of its ``extra``.

    :param asset_id: id of the asset
    :param field: name of the field
    :param values: texts to search for
    :param since: time of the oldest event to search
    """
    # Before Airflow 3.2 the type of the column stores JSON, but has no operator for its fields.
    value = type_coerce(AssetEvent.extra, JSON)[field].as_string()
    has_value = select(value).where(
        AssetEvent.asset_id == asset_id, AssetEvent.timestamp >= since, value.in_(values)
    )
    return set(session.scalars(has_value))


def delete_expired(
    connection: Session | Connection, stored: Sequence[StoredKeys], now: datetime, limit: int
) -> int:
    """
    Delete values that were last written long ago.

    :param connection: the transaction
    :param stored: the kinds of values, and how long each is kept
    :param now: the current time
    :param limit: number of values to delete at most
    :return: number of values deleted
    """
    deleted = 0
    for kind in stored:
        is_expired = kind.is_expired(now)
        found = select(STATES.c.asset_id, STATES.c.key).where(is_expired).limit(limit - deleted)
        keys = [tuple(row) for row in connection.execute(found.order_by(STATES.c.asset_id, STATES.c.key))]
        if keys:
            one_of = tuple_(STATES.c.asset_id, STATES.c.key).in_(keys)
            # Once more whether it is expired: another transaction may have written it meanwhile.
            connection.execute(delete(STATES).where(one_of, is_expired))
        deleted += len(keys)
    return deleted


def connection_of(row: Any) -> Connection | None:
    """
    Return the connection of the session that contains a row of the database; None if none does.

    The scheduler prohibits its session to commit, even a nested transaction. The connection may.
    """
    session = object_session(row)
    return None if session is None else session.connection()


@contextmanager
def savepoint(connection: Connection) -> Iterator[None]:
    """
    Open a nested transaction in one that belongs to Airflow; an error rolls it back alone.

    On SQLite it takes the lock for writing first. Otherwise a savepoint begins a transaction that reads, and
    SQLite refuses every write in it, also those of Airflow, once another process has written.

    :param connection: of the transaction of Airflow
    """
    if connection.dialect.name == "sqlite":
        connection.execute(delete(QUEUE).where(false()))
    with connection.begin_nested():
        yield


def on_asset_event(callback: Callable[[Any, Connection, Any], None]) -> None:
    """
    Call a function for each asset event that this process inserts, in the same transaction.

    A second call with the same function changes nothing.

    :param callback: takes the mapper, the connection and the event, whose ``asset_id`` and ``extra`` are set
    """
    if not event.contains(AssetEvent, "after_insert", callback):
        event.listen(AssetEvent, "after_insert", callback)


@contextmanager
def _limited_lock_wait(connection: Connection, seconds: int) -> Iterator[None]:
    """Limit the wait for locks to this block: the rest of the transaction is not ours."""
    dialect = connection.dialect.name
    _limit_lock_wait(connection, dialect, seconds)
    yield
    # Not after an error, which ends the nested transaction and the limit with it.
    if dialect == "postgresql":
        connection.execute(text("SET LOCAL lock_timeout TO DEFAULT"))


def _limit_lock_wait(connection: Session | Connection, dialect: str, seconds: int) -> None:
    if dialect == "postgresql":
        connection.execute(text(f"SET LOCAL lock_timeout = '{seconds}s'"))


def _lock_queue(connection: Session | Connection, asset_id: int) -> None:
    connection.execute(select(QUEUE).where(QUEUE.c.asset_id == asset_id).with_for_update()).all()


def _extend_queue(connection: Session | Connection, asset_id: int, moment: datetime) -> None:
    """Let the queued Dags take the events up to a moment."""
    is_earlier = QUEUE.c.created_at < moment
    connection.execute(
        update(QUEUE).where(QUEUE.c.asset_id == asset_id, is_earlier).values(created_at=moment)
    )


def _queued(connection: Connection, asset_id: int, dag_id: str, moment: datetime) -> bool:
    """Queue a Dag in a nested transaction; return False if another scheduler did it meanwhile."""
    try:
        with connection.begin_nested():
            _queue(connection, asset_id, dag_id, moment)
    except IntegrityError:
        return False
    return True


def _queue(connection: Session | Connection, asset_id: int, dag_id: str, moment: datetime) -> None:
    connection.execute(insert(QUEUE).values(asset_id=asset_id, target_dag_id=dag_id, created_at=moment))


def _paused_dags(asset_id: int) -> Any:
    """Return the query for the paused Dags that are scheduled on an asset and not queued for it."""
    reference = DagScheduleAssetReference
    return (
        select(reference.dag_id)
        .join(DagModel, DagModel.dag_id == reference.dag_id)
        .where(
            reference.asset_id == asset_id,
            DagModel.is_paused == true(),
            _is_not_partitioned(),
            ~_is_queued(asset_id, reference.dag_id),
        )
    )


def _left_over(dag_id: str) -> Any:
    """Return the query for the events that a Dag has neither taken nor is queued for, oldest first."""
    last_run = (
        select(func.max(DagRun.run_after))
        .where(DagRun.dag_id == dag_id, DagRun.run_type == DagRunType.ASSET_TRIGGERED)
        .scalar_subquery()
    )
    reference = DagScheduleAssetReference
    return (
        select(AssetEvent.asset_id, AssetEvent.extra, AssetEvent.timestamp)
        .join(reference, reference.asset_id == AssetEvent.asset_id)
        .join(DagModel, DagModel.dag_id == reference.dag_id)
        .where(
            reference.dag_id == dag_id,
            _is_not_partitioned(),
            AssetEvent.timestamp > last_run,
            ~_is_queued(AssetEvent.asset_id, dag_id),
        )
        .order_by(AssetEvent.timestamp)
    )


def _is_not_partitioned() -> Any:
    """Return the condition for Dags that the queue is for: not those that are scheduled by partitions."""
    return getattr(DagModel, "timetable_partitioned", false()) == false()  # Airflow 3.2 and newer


def _is_queued(asset_id: Any, dag_id: Any) -> Any:
    return exists().where(QUEUE.c.asset_id == asset_id, QUEUE.c.target_dag_id == dag_id)


def _extras_to_register(
    session: Session, asset: AssetModel, extras: Sequence[dict[str, Any]]
) -> Sequence[dict[str, Any]]:
    """
    Insert all events but the last, and return the one to register.

    Registering the last event queues the Dags, as registering each one would. A configured asset manager of
    another class gets all of them.
    """
    from airflow.assets.manager import AssetManager, asset_manager

    if type(asset_manager) is not AssetManager:
        return extras
    session.add_all(AssetEvent(asset_id=asset.id, extra=extra) for extra in extras[:-1])
    session.flush()
    return extras[-1:]


def _delete_old(
    connection: Session | Connection, of_assets: Any, prefixes: Sequence[str], before: datetime
) -> None:
    has_prefix = or_(*map(_begins_with, prefixes))
    connection.execute(delete(STATES).where(of_assets, STATES.c.updated_at < before, has_prefix))


def _begins_with(prefix: str) -> Any:
    return STATES.c.key.startswith(prefix, autoescape=True)
