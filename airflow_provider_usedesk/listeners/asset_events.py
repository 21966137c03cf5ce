"""Mark the events of subscriptions as stored, so that no trigger fires them again after a restart."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_usedesk.compat.sdk import hookimpl
from airflow_provider_usedesk.compat.version import HAS_STATE_STORES

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from airflow_provider_usedesk.compat.asset_state_db import AssetStateTable

log = logging.getLogger(__name__)

_last_clean_up: dict[int, date] = {}


@hookimpl
def on_starting(component: Any) -> None:
    """Start with each component of Airflow; the triggerer is the one that inserts events of triggers."""
    if HAS_STATE_STORES:
        from airflow_provider_usedesk.compat.asset_state_db import on_asset_event

        on_asset_event(store_marker)


def store_marker(mapper: Any, connection: Any, asset_event: Any) -> None:
    """
    Store a marker for an event of a subscription, in the transaction that inserts the event.

    :param mapper: not used; SQLAlchemy passes it
    :param connection: connection of the transaction
    :param asset_event: the inserted event, of a subscription or not
    """
    key = _marker_key(asset_event.extra)
    if key is None:
        return
    try:
        # A nested transaction, so that the event is stored even if its marker is not.
        with connection.begin_nested():
            _write_marker(connection, asset_event.asset_id, key, datetime.now(UTC))
    except Exception:
        log.warning(
            "The marker %s could not be stored. Its event is stored, but may be fired again after a restart.",
            key,
            exc_info=True,
        )


def _marker_key(extra: Any) -> str | None:
    """Return the key of the marker; None for events that are not of our subscriptions."""
    from airflow_provider_usedesk.polling.cursor_store import marker_key
    from airflow_provider_usedesk.polling.ticket_events import SOURCE

    payload = extra.get("payload") if isinstance(extra, dict) and extra.get("from_trigger") else None
    if not isinstance(payload, dict) or payload.get("source") != SOURCE:
        return None
    conn_id, event_id = payload.get("usedesk_conn_id"), payload.get("event_id")
    if not isinstance(conn_id, str) or not isinstance(event_id, str):
        return None
    return marker_key(conn_id, event_id)


def _write_marker(connection: Connection, asset_id: int, key: str, now: datetime) -> None:
    from airflow_provider_usedesk.compat.asset_state_db import AssetStateTable

    state = AssetStateTable(connection, asset_id, now)
    if state.get(key) is not None:
        return
    if _is_first_today(asset_id, now):
        _delete_old_markers(state, now)
    state.set(key, now.isoformat())


def _delete_old_markers(state: AssetStateTable, now: datetime) -> None:
    """Delete the markers that no subscription to the asset needs any more."""
    from airflow_provider_usedesk.polling.cursor_store import CURSORS, MARKERS
    from airflow_provider_usedesk.polling.event_cursor import markers_needed_since

    cursors = state.get_all(CURSORS).values()
    state.delete_older_than([MARKERS], before=markers_needed_since(cursors, now))


def _is_first_today(asset_id: int, now: datetime) -> bool:
    """Return whether this is the first marker of an asset since this process began, or since midnight UTC."""
    is_first = _last_clean_up.get(asset_id) != now.date()
    _last_clean_up[asset_id] = now.date()
    return is_first
