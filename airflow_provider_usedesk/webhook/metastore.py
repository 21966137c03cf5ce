"""
Keep webhooks in Airflow's own database, as asset events and in the asset state store.

Nothing here is a public interface of Airflow: all of it is in this one file.
"""

from __future__ import annotations

import asyncio
import json
import logging
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from airflow.assets.manager import AssetManager, asset_manager
from airflow.models.asset import AssetDagRunQueue, AssetEvent, AssetModel
from airflow.utils.session import create_session
from sqlalchemy import delete, or_, select, text, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from airflow_provider_usedesk.assets import asset_uri
from airflow_provider_usedesk.delivery.reports import (
    OF_TICKETS,
    DeliveryReport,
    as_state,
    reports_in,
    state_key,
)
from airflow_provider_usedesk.webhook.events import EVENTS, WebhookEvent, extra_of

try:
    from airflow.models.asset_state_store import AssetStateStoreModel
except ImportError:  # before 3.3
    AssetStateStoreModel = None  # type: ignore[assignment, misc]

log = logging.getLogger(__name__)

MAX_WAITING = 10_000
MAX_BATCH = 500
KEPT_FOR = timedelta(days=30)
CLEANED_EVERY = timedelta(hours=1)
LOCK_SECONDS = 10
# Without a state store, repetitions are looked for among the asset events of this time.
SEEN_BEFORE_3_3 = timedelta(days=1)


@dataclass(frozen=True)
class Waiting:
    """
    Hold a webhook that waits to be written.

    :param uri: the asset that it belongs to
    :param written: done when the database has it
    """

    uri: str
    conn_id: str
    event: WebhookEvent
    at: datetime
    written: Future[None] = field(default_factory=Future)

    @property
    def extra(self) -> dict[str, Any]:
        return extra_of(self.event, self.conn_id, self.at.isoformat())


class MetastoreStore:
    """
    Keep webhooks in Airflow's database: many that come at once in one transaction.

    :param now: tells the time
    """

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._waiting: queue.Queue[Waiting] = queue.Queue(MAX_WAITING)
        self._lock = threading.Lock()
        self._writer: threading.Thread | None = None
        self._cleaned = datetime.min.replace(tzinfo=UTC)

    async def keep(self, conn_id: str, event: WebhookEvent) -> None:
        self._start()
        waiting = Waiting(asset_uri(conn_id, event.kind), conn_id, event, self._now())
        self._waiting.put_nowait(waiting)
        await asyncio.wrap_future(waiting.written)

    def _start(self) -> None:
        """Start the thread with the first webhook: not before, for servers fork after the import."""
        with self._lock:
            if self._writer is None:
                self._writer = threading.Thread(target=self._run, name="usedesk-webhooks", daemon=True)
                self._writer.start()

    def _run(self) -> None:
        while True:
            batch = [self._waiting.get()]
            with suppress(queue.Empty):
                while len(batch) < MAX_BATCH:
                    batch.append(self._waiting.get_nowait())
            self._write([waiting for waiting in batch if not waiting.written.cancelled()])

    def _write(self, batch: Sequence[Waiting]) -> None:
        try:
            self._write_or_again(batch)
        except Exception as error:
            log.debug("Webhooks could not be written.", exc_info=True)
            _tell(batch, error)
        else:
            _tell(batch, None)

    def _write_or_again(self, batch: Sequence[Waiting]) -> None:
        try:
            self._write_once(batch)
        except SQLAlchemyError:
            # Two that write at once can be in each other's way; by now one of them is done.
            self._write_once(batch)

    def _write_once(self, batch: Sequence[Waiting]) -> None:
        now = self._now()
        with create_session() as session:
            _wait_no_longer_than(session, LOCK_SECONDS)
            for uri, group in _by_uri(batch):
                write(session, uri, list(group), now)
            if now - self._cleaned > CLEANED_EVERY:
                clean(session, now - KEPT_FOR)
                self._cleaned = now


def write(session: Session, uri: str, waiting: Sequence[Waiting], now: datetime) -> None:
    """Write the webhooks of one asset, each one once."""
    # Locked, so that of several API servers one at a time reads what is there and adds to it.
    asset = session.scalar(
        select(AssetModel)
        .where(AssetModel.uri == uri, AssetModel.active.has())
        .with_for_update(key_share=True)
    )
    if asset is None:
        log.info("%d webhooks, but no Dag and no task names the asset %s.", len(waiting), uri)
        return
    fresh = _not_yet_written(session, asset.id, waiting, now)
    if not fresh:
        return
    _remember_reports(session, asset.id, fresh, now)
    _register(session, asset, fresh, now)


def clean(session: Session, before: datetime) -> None:
    """Forget webhooks that nobody repeats any more, and reports that nobody waits for any more."""
    if AssetStateStoreModel is None:
        return
    ours = select(AssetModel.id).where(AssetModel.uri.startswith("usedesk://", autoescape=True))
    key = AssetStateStoreModel.key
    session.execute(
        delete(AssetStateStoreModel).where(
            AssetStateStoreModel.asset_id.in_(ours),
            AssetStateStoreModel.updated_at < before,
            or_(key.startswith(EVENTS), key.startswith(OF_TICKETS)),
        ),
        execution_options={"synchronize_session": False},
    )


def _not_yet_written(
    session: Session, asset_id: int, waiting: Sequence[Waiting], now: datetime
) -> list[Waiting]:
    first: dict[str, Waiting] = {}
    for one in waiting:
        first.setdefault(one.event.event_id, one)
    if AssetStateStoreModel is None:
        known = _ids_of_events(session, asset_id, list(first), now - SEEN_BEFORE_3_3)
    else:
        rows = _states(session, asset_id, [EVENTS + event_id for event_id in first])
        known = {row.key.removeprefix(EVENTS) for row in rows}
    fresh = [one for event_id, one in first.items() if event_id not in known]
    if AssetStateStoreModel is not None:
        session.add_all(_state(asset_id, EVENTS + one.event.event_id, one.conn_id, now) for one in fresh)
    return fresh


def _ids_of_events(session: Session, asset_id: int, event_ids: Sequence[str], since: datetime) -> set[str]:
    event_id = AssetEvent.extra["event_id"].as_string()
    found = select(event_id).where(
        AssetEvent.asset_id == asset_id, AssetEvent.timestamp >= since, event_id.in_(event_ids)
    )
    return set(session.scalars(found))


def _remember_reports(session: Session, asset_id: int, fresh: Sequence[Waiting], now: datetime) -> None:
    """Note delivery reports where those look who wait for a message."""
    if AssetStateStoreModel is None:
        return
    came: dict[str, list[DeliveryReport]] = {}
    for one in fresh:
        facts = one.event.facts
        if one.event.kind == "delivery" and facts["ticket_id"] is not None:
            report = DeliveryReport(facts["delivery_status"], facts["comment_id"], one.at.isoformat())
            came.setdefault(state_key(facts["ticket_id"]), []).append(report)
    known = {row.key: row for row in _states(session, asset_id, list(came))}
    for key, reports in came.items():
        row = known.get(key)
        if row is None:
            session.add(_state(asset_id, key, as_state(reports), now))
        else:
            row.value = json.dumps(as_state([*reports_in(json.loads(row.value)), *reports]))
            row.updated_at = now


def _register(session: Session, asset: AssetModel, fresh: Sequence[Waiting], now: datetime) -> None:
    # Locked first: the scheduler makes a run of the queue before these events, or after all of them.
    queued = select(AssetDagRunQueue).where(AssetDagRunQueue.asset_id == asset.id).with_for_update()
    session.scalars(queued).all()
    for one in _registered_in_one(session, asset, fresh):
        asset_manager.register_asset_change(asset=asset, extra=one.extra, session=session)
    # A Dag that is queued takes the events up to this moment; those behind it would wait for another.
    session.execute(
        update(AssetDagRunQueue)
        .where(AssetDagRunQueue.asset_id == asset.id)
        .values(created_at=datetime.now(UTC)),
        execution_options={"synchronize_session": False},
    )


def _registered_in_one(session: Session, asset: AssetModel, fresh: Sequence[Waiting]) -> Sequence[Waiting]:
    """
    Add the events of many webhooks, and return the last of them.

    Registering that one queues the Dags, which is all that registering each would do. Where another manager
    of assets was configured, it gets all of them.
    """
    if type(asset_manager) is not AssetManager:
        return fresh
    session.add_all(AssetEvent(asset_id=asset.id, extra=one.extra) for one in fresh[:-1])
    session.flush()
    return fresh[-1:]


def _states(session: Session, asset_id: int, keys: Sequence[str]) -> Iterable[AssetStateStoreModel]:
    rows = select(AssetStateStoreModel).where(
        AssetStateStoreModel.asset_id == asset_id, AssetStateStoreModel.key.in_(keys)
    )
    return session.scalars(rows)


def _state(asset_id: int, key: str, value: Any, now: datetime) -> AssetStateStoreModel:
    return AssetStateStoreModel(asset_id=asset_id, key=key, value=json.dumps(value), updated_at=now)


def _by_uri(batch: Sequence[Waiting]) -> Iterator[tuple[str, Iterable[Waiting]]]:
    # Always in the same order: two that lock several assets must not wait for each other.
    return groupby(sorted(batch, key=lambda one: one.uri), key=lambda one: one.uri)


def _wait_no_longer_than(session: Session, seconds: int) -> None:
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text(f"SET LOCAL lock_timeout = '{seconds}s'"))


def _tell(batch: Sequence[Waiting], error: Exception | None) -> None:
    for waiting in batch:
        if waiting.written.set_running_or_notify_cancel():
            if error is None:
                waiting.written.set_result(None)
            else:
                waiting.written.set_exception(error)
