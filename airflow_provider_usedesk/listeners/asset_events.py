"""Note which events of watched tickets are stored, so that none is fired a second time."""

from __future__ import annotations

import json
import logging
from datetime import UTC, date, datetime
from typing import Any

from airflow.listeners import hookimpl

log = logging.getLogger(__name__)


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
    key = _key(asset_event.extra)
    if key is None:
        return
    try:
        with connection.begin_nested():
            _write_note(connection, asset_event.asset_id, key, datetime.now(UTC))
    except Exception:
        # The event itself must not be lost for want of a note; it may be fired again after a restart.
        log.warning("The event of %s could not be noted.", key, exc_info=True)


def _key(extra: Any) -> str | None:
    from airflow_provider_usedesk.polling.ticket_events import SOURCE, marker_key

    payload = extra.get("payload") if isinstance(extra, dict) and extra.get("from_trigger") else None
    if not isinstance(payload, dict) or payload.get("source") != SOURCE:
        return None
    connection, event_id = payload.get("usedesk_conn_id"), payload.get("event_id")
    if not isinstance(connection, str) or not isinstance(event_id, str):
        return None
    return marker_key(connection, event_id)


def _write_note(connection: Any, asset_id: int, key: str, now: datetime) -> None:
    from airflow.models.asset_state_store import AssetStateStoreModel as Notes
    from sqlalchemy import insert, select

    if connection.execute(select(Notes.key).where(Notes.asset_id == asset_id, Notes.key == key)).first():
        return
    if _is_new_day(asset_id, now):
        _drop_old_notes(connection, asset_id, now)
    values = {"asset_id": asset_id, "key": key, "value": json.dumps(now.isoformat()), "updated_at": now}
    connection.execute(insert(Notes).values(**values))


def _drop_old_notes(connection: Any, asset_id: int, now: datetime) -> None:
    """Drop the notes that all watchers of the asset have left behind."""
    from airflow.models.asset_state_store import AssetStateStoreModel as Notes
    from sqlalchemy import delete, select

    from airflow_provider_usedesk.polling.ticket_events import CURSORS, MARKERS, markers_needed_since

    are_positions = (Notes.asset_id == asset_id) & Notes.key.startswith(CURSORS)
    positions = connection.execute(select(Notes.value).where(are_positions)).scalars()
    needed_since = markers_needed_since([json.loads(position) for position in positions], now)
    are_notes = (Notes.asset_id == asset_id) & Notes.key.startswith(MARKERS)
    connection.execute(delete(Notes).where(are_notes, Notes.updated_at < needed_since))


_days: dict[int, date] = {}


def _is_new_day(asset_id: int, now: datetime) -> bool:
    """Tell whether this is the first note of an asset since this process began, or since midnight."""
    is_new = _days.get(asset_id) != now.date()
    _days[asset_id] = now.date()
    return is_new
