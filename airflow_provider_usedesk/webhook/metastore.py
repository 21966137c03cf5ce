"""Webhooks in Airflow's own database: as asset events, and in the asset state store."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import reduce
from itertools import groupby
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import SQLAlchemyError

from airflow_provider_usedesk.assets import asset_uri
from airflow_provider_usedesk.compat.asset_state_db import (
    AssetStateTable,
    add_asset_events,
    lock_asset,
    transaction,
    values_in_events,
)
from airflow_provider_usedesk.compat.version import HAS_STATE_STORES
from airflow_provider_usedesk.delivery.reports import (
    SEEN_EVENTS,
    DeliveryReport,
    as_state,
    reports_in,
    state_key,
    with_report,
)
from airflow_provider_usedesk.listeners.stored_keys import CleanUp
from airflow_provider_usedesk.webhook.events import (
    REPEATED_WITHIN,
    WebhookEvent,
    asset_event_extra,
)

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

log = logging.getLogger(__name__)

MAX_PENDING = 10_000
MAX_BATCH = 500
LOCK_TIMEOUT = 10
# Without a state store, repetitions are found among the asset events of this time.
EVENT_RETENTION = timedelta(days=1)


@dataclass(frozen=True)
class PendingWebhook:
    """
    A webhook that is not yet in the database.

    :param uri: URI of the asset that it belongs to
    :param conn_id: id of the connection that received it
    :param event: the event
    :param received_at: when it was received
    :param stored: done when the database has committed it, or failed to
    """

    uri: str
    conn_id: str
    event: WebhookEvent
    received_at: datetime
    stored: Future[None] = field(default_factory=Future)

    @property
    def extra(self) -> dict[str, Any]:
        return asset_event_extra(self.event, self.conn_id, self.received_at.isoformat())


class MetastoreStore:
    """
    Store webhooks in Airflow's database: one transaction for all that are pending.

    :param now: returns the current time
    """

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._pending: queue.Queue[PendingWebhook] = queue.Queue(MAX_PENDING)
        self._lock = threading.Lock()
        self._writer: threading.Thread | None = None
        self._clean_up = CleanUp()

    async def save(self, conn_id: str, event: WebhookEvent) -> None:
        """
        Store an event; return when its transaction is committed.

        :param conn_id: id of the connection that received it
        :param event: the event
        :raises queue.Full: if too many webhooks are pending
        :raises Exception: if the transaction failed, the error of the database
        """
        self._start_writer()
        webhook = PendingWebhook(asset_uri(conn_id, event.kind), conn_id, event, self._now())
        self._pending.put_nowait(webhook)
        await asyncio.wrap_future(webhook.stored)

    def _start_writer(self) -> None:
        """Start the thread with the first webhook, because servers fork after the import."""
        with self._lock:
            if self._writer is None:
                self._writer = threading.Thread(target=self._run, name="usedesk-webhooks", daemon=True)
                self._writer.start()

    def _run(self) -> None:
        while True:
            batch = [self._pending.get()]
            with suppress(queue.Empty):
                while len(batch) < MAX_BATCH:
                    batch.append(self._pending.get_nowait())
            self._write([webhook for webhook in batch if not webhook.stored.cancelled()])

    def _write(self, batch: Sequence[PendingWebhook]) -> None:
        try:
            self._write_with_retry(batch)
        except Exception as error:
            log.debug("Webhooks could not be stored.", exc_info=True)
            _complete(batch, error)
        else:
            _complete(batch, None)

    def _write_with_retry(self, batch: Sequence[PendingWebhook]) -> None:
        try:
            self._write_once(batch)
        except SQLAlchemyError:
            # Two transactions can block each other; by now the other one has ended.
            self._write_once(batch)

    def _write_once(self, batch: Sequence[PendingWebhook]) -> None:
        now = self._now()
        with transaction(LOCK_TIMEOUT) as session:
            for uri, webhooks in _by_uri(batch):
                store_webhooks(session, uri, list(webhooks), now)
            if HAS_STATE_STORES:
                self._clean_up.run(session, now)


def store_webhooks(session: Session, uri: str, webhooks: Sequence[PendingWebhook], now: datetime) -> None:
    """
    Store the webhooks of one asset, each event once.

    :param session: the transaction
    :param uri: URI of the asset
    :param webhooks: the webhooks, in the order in which they were received
    :param now: the current time
    """
    # Locked, because several API servers may read and write the state of the asset.
    asset = lock_asset(session, uri)
    if asset is None:
        log.info("Ignored %d webhooks, because no Dag and no task uses the asset %s.", len(webhooks), uri)
        return
    unique = _one_per_event(webhooks)
    if HAS_STATE_STORES:
        state = AssetStateTable(session, asset.id, now)
        new = _mark_as_seen(state, unique, now)
        _store_reports(state, [one for one in unique if one in new or one.event.can_recur])
    else:
        new = _not_in_events(session, asset.id, unique, now)
    if new:
        add_asset_events(session, asset, [webhook.extra for webhook in new])


def _one_per_event(webhooks: Iterable[PendingWebhook]) -> Collection[PendingWebhook]:
    first: dict[str, PendingWebhook] = {}
    for webhook in webhooks:
        first.setdefault(webhook.event.event_id, webhook)
    return first.values()


def _mark_as_seen(
    state: AssetStateTable, webhooks: Collection[PendingWebhook], now: datetime
) -> list[PendingWebhook]:
    """Store the ids of events that are new, and return these."""
    seen = state.get_many(_seen_key(webhook) for webhook in webhooks)
    new = [one for one in webhooks if not one.event.was_stored(seen.get(_seen_key(one)), now)]
    state.set_many({_seen_key(webhook): now.isoformat() for webhook in new})
    return new


def _seen_key(webhook: PendingWebhook) -> str:
    return SEEN_EVENTS + webhook.event.event_id


def _not_in_events(
    session: Session, asset_id: int, webhooks: Collection[PendingWebhook], now: datetime
) -> list[PendingWebhook]:
    seen: set[str] = set()
    for can_recur, period in ((False, EVENT_RETENTION), (True, REPEATED_WITHIN)):
        ids = [one.event.event_id for one in webhooks if one.event.can_recur == can_recur]
        seen |= values_in_events(session, asset_id, "event_id", ids, now - period) if ids else set()
    return [webhook for webhook in webhooks if webhook.event.event_id not in seen]


def _store_reports(state: AssetStateTable, webhooks: Sequence[PendingWebhook]) -> None:
    """Store delivery reports where the sensors and operators that wait for a message read them."""
    new: dict[str, list[DeliveryReport]] = {}
    for webhook in webhooks:
        facts = webhook.event.facts
        if webhook.event.kind == "delivery" and facts["ticket_id"] is not None:
            received_at = webhook.received_at.isoformat()
            report = DeliveryReport(facts["delivery_status"], facts["comment_id"], received_at)
            new.setdefault(state_key(facts["ticket_id"]), []).append(report)
    known = state.get_many(new)
    state.set_many(
        {
            key: as_state(reduce(with_report, reports, reports_in(known.get(key))))
            for key, reports in new.items()
        }
    )


def _by_uri(batch: Sequence[PendingWebhook]) -> Iterator[tuple[str, Iterable[PendingWebhook]]]:
    # Always in the same order: two transactions that lock several assets must not block each other.
    return groupby(sorted(batch, key=lambda webhook: webhook.uri), key=lambda webhook: webhook.uri)


def _complete(batch: Sequence[PendingWebhook], error: Exception | None) -> None:
    for webhook in batch:
        if webhook.stored.set_running_or_notify_cancel():
            if error is None:
                webhook.stored.set_result(None)
            else:
                webhook.stored.set_exception(error)
