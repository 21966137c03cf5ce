"""
Listeners in the triggerer and the scheduler.

Events of subscriptions are marked as stored, so that no trigger fires them again after a restart. And each
event gets into a run at once, although Airflow queues a Dag for the first of several events only.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_usedesk.compat.sdk import hookimpl
from airflow_provider_usedesk.compat.version import HAS_ASSET_EVENTS_IN_TASKS, HAS_STATE_STORES

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from airflow_provider_usedesk.compat.asset_state_db import AssetStateTable

log = logging.getLogger(__name__)

MARKER_CLEAN_UP = timedelta(hours=1)

_last_clean_up: dict[int, datetime] = {}


@hookimpl
def on_starting(component: Any) -> None:
    """Start with each component of Airflow; the triggerer is the one that inserts events of triggers."""
    # Not in the processes of tasks, which have no database.
    if HAS_ASSET_EVENTS_IN_TASKS and type(component).__name__ == "Job":
        _try(_follow_events, "This process cannot follow events of Usedesk. It stores them as any others.")


@hookimpl
def on_dag_run_running(dag_run: Any, msg: str) -> None:
    """
    Queue the Dag of a run that starts for the events that the run did not take, in the scheduler.

    Any run is also the occasion to delete expired values from the state stores of assets.
    """
    if HAS_STATE_STORES:
        _try(
            lambda: _delete_expired(dag_run),
            "Expired values could not be deleted from the state stores of assets.",
        )
    if HAS_ASSET_EVENTS_IN_TASKS:
        _try(
            lambda: _queue_left_over_events(dag_run),
            "Events after the start of a run could not be queued. The next event starts a run with them.",
        )


def _try(act: Callable[[], None], warning: str) -> None:
    """Act, and log any failure: it must not end the work of Airflow around it."""
    try:
        act()
    except Exception:
        log.warning("%s", warning, exc_info=True)


def _follow_events() -> None:
    from airflow_provider_usedesk.compat.asset_state_db import on_asset_event

    on_asset_event(follow_event)


def _delete_expired(dag_run: Any) -> None:
    from airflow_provider_usedesk.compat.asset_state_db import connection_of, savepoint
    from airflow_provider_usedesk.listeners.stored_keys import in_scheduler

    now = datetime.now(UTC)
    connection = connection_of(dag_run) if in_scheduler.is_due(now) else None
    if connection is not None:
        with savepoint(connection):
            in_scheduler.run(connection, now)


def _queue_left_over_events(dag_run: Any) -> None:
    if dag_run.run_type != "asset_triggered":
        return
    from airflow_provider_usedesk.compat.asset_state_db import (
        connection_of,
        queue_left_over_events,
        savepoint,
    )

    connection, dag_id = connection_of(dag_run), dag_run.dag_id
    if connection is None:
        return
    with savepoint(connection):
        assets = queue_left_over_events(connection, dag_id, _is_of_usedesk)
    if assets:
        log.info("Queued %s for events that no run has taken.", dag_id)


def follow_event(mapper: Any, connection: Any, asset_event: Any) -> None:
    """
    Queue the Dags for an event of a subscription, and mark it, in the transaction that inserts the event.

    :param mapper: not used; SQLAlchemy passes it
    :param connection: connection of the transaction
    :param asset_event: the inserted event, of a subscription or not
    """
    _try(
        lambda: _follow(connection, asset_event),
        "An event could not be followed. It is stored; the next event starts a run with it.",
    )


def _follow(connection: Connection, asset_event: Any) -> None:
    key = _marker_key(asset_event.extra)
    if key is None:
        return
    asset_id = asset_event.asset_id
    # First, because it locks more than the marker does.
    _try(
        lambda: _queue_dags(connection, asset_id),
        f"The Dags could not be queued for the event {key}. The next event starts a run with it.",
    )
    if HAS_STATE_STORES:
        _try(
            lambda: _write_marker(connection, asset_id, key, datetime.now(UTC)),
            f"The marker {key} could not be stored. Its event is stored, but may be fired again after a "
            "restart.",
        )


def _queue_dags(connection: Connection, asset_id: int) -> None:
    from airflow_provider_usedesk.compat.asset_state_db import queue_for_event, savepoint

    with savepoint(connection):
        queue_for_event(connection, asset_id, datetime.now(UTC))


def _is_of_usedesk(extra: Any) -> bool:
    """Return whether an event is of a subscription, or of a webhook."""
    is_webhook = isinstance(extra, dict) and {"usedesk_conn_id", "event_id"} <= extra.keys()
    return is_webhook or _marker_key(extra) is not None


def _marker_key(extra: Any) -> str | None:
    """Return the key of the marker; None for events that are not of our subscriptions."""
    payload = extra.get("payload") if isinstance(extra, dict) and extra.get("from_trigger") else None
    if not isinstance(payload, dict):
        return None
    from airflow_provider_usedesk.polling.cursor_store import marker_key
    from airflow_provider_usedesk.polling.ticket_events import SOURCE

    if payload.get("source") != SOURCE:
        return None
    conn_id, event_id = payload.get("usedesk_conn_id"), payload.get("event_id")
    if not isinstance(conn_id, str) or not isinstance(event_id, str):
        return None
    return marker_key(conn_id, event_id)


def _write_marker(connection: Connection, asset_id: int, key: str, now: datetime) -> None:
    from airflow_provider_usedesk.compat.asset_state_db import AssetStateTable, savepoint

    state = AssetStateTable(connection, asset_id, now)
    with savepoint(connection):
        if state.get(key) is not None:
            return
        if _is_clean_up_due(asset_id, now):
            _delete_old_markers(state, now)
        state.set(key, now.isoformat())


def _delete_old_markers(state: AssetStateTable, now: datetime) -> None:
    """Delete the markers that no subscription to the asset needs any more."""
    from airflow_provider_usedesk.polling.cursor_store import CURSORS, MARKERS
    from airflow_provider_usedesk.polling.event_cursor import markers_needed_since

    cursors = state.get_all(CURSORS).values()
    state.delete_older_than([MARKERS], before=markers_needed_since(cursors, now))


def _is_clean_up_due(asset_id: int, now: datetime) -> bool:
    """Return whether this process has not deleted markers of an asset in the last hour."""
    last = _last_clean_up.get(asset_id)
    if last is not None and now - last < MARKER_CLEAN_UP:
        return False
    _last_clean_up[asset_id] = now
    return True
