"""Note which events of watched tickets are stored, so that none is fired a second time."""

from __future__ import annotations

import json
import logging
from datetime import UTC, date, datetime, timedelta
from typing import Any

from airflow.listeners import hookimpl

log = logging.getLogger(__name__)

# Longer than a watcher looks back.
KEPT_FOR = timedelta(days=31)


def note_key(event_id: str) -> str:
    """Name the place of the note in the state store of the asset."""
    return f"fired/{event_id}"


@hookimpl
def on_starting(component: Any) -> None:
    """Begin with the jobs of Airflow, one of which is the triggerer: it stores what triggers fire."""
    install()


def install() -> None:
    """Note events from now on; before Airflow 3.3 there is no place for notes."""
    try:
        from airflow.models.asset import AssetEvent
        from airflow.models.asset_state_store import AssetStateStoreModel  # noqa: F401 (is it there?)
    except ImportError:
        return
    from sqlalchemy import event

    if not event.contains(AssetEvent, "after_insert", note):
        event.listen(AssetEvent, "after_insert", note)


def note(mapper: Any, connection: Any, asset_event: Any) -> None:
    """Note one of our events beside it, in the same transaction; leave all others alone."""
    event_id = _event_id(asset_event.extra)
    if event_id is None:
        return
    try:
        with connection.begin_nested():
            _write_note(connection, asset_event.asset_id, note_key(event_id), datetime.now(UTC))
    except Exception:
        # The event itself must not be lost for want of a note; it may be fired again after a restart.
        log.warning("Event %s could not be noted.", event_id, exc_info=True)


def _event_id(extra: Any) -> str | None:
    from airflow_provider_usedesk.ticket_events import SOURCE

    payload = extra.get("payload") if isinstance(extra, dict) and extra.get("from_trigger") else None
    if not isinstance(payload, dict) or payload.get("source") != SOURCE:
        return None
    event_id = payload.get("event_id")
    return event_id if isinstance(event_id, str) else None


def _write_note(connection: Any, asset_id: int, key: str, now: datetime) -> None:
    from airflow.models.asset_state_store import AssetStateStoreModel as Notes
    from sqlalchemy import delete, insert, select

    if connection.execute(select(Notes.key).where(Notes.asset_id == asset_id, Notes.key == key)).first():
        return
    if _is_new_day(asset_id, now):
        is_note = Notes.key.startswith(note_key(""))
        old = delete(Notes).where(Notes.asset_id == asset_id, is_note, Notes.updated_at < now - KEPT_FOR)
        connection.execute(old)
    values = {"asset_id": asset_id, "key": key, "value": json.dumps(now.isoformat()), "updated_at": now}
    connection.execute(insert(Notes).values(**values))


_days: dict[int, date] = {}


def _is_new_day(asset_id: int, now: datetime) -> bool:
    """Tell whether this is the first note of an asset since this process began, or since midnight."""
    is_new = _days.get(asset_id) != now.date()
    _days[asset_id] = now.date()
    return is_new
