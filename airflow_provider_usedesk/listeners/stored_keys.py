"""What this package stores in the state stores of assets, and for how long; Airflow deletes nothing there."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from airflow_provider_usedesk.compat.asset_state_db import StoredKeys, delete_expired
from airflow_provider_usedesk.delivery.reports import REPORTS, SEEN_EVENTS
from airflow_provider_usedesk.polling.cursor_store import CURSOR_NAME, CURSORS, MARKERS
from airflow_provider_usedesk.polling.event_cursor import MARKER_RETENTION

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

OUR_ASSETS = "usedesk://"
# The assets of watchers belong to users, whose own keys must stay: the patterns match ours only.
STORED_KEYS = (
    StoredKeys(f"{SEEN_EVENTS}%", timedelta(days=7), OUR_ASSETS),
    StoredKeys(f"{REPORTS}%", timedelta(days=30), OUR_ASSETS),
    StoredKeys(f"{MARKERS}%/new/%", MARKER_RETENTION),
    StoredKeys(f"{MARKERS}%/updated/%", MARKER_RETENTION),
    # Longer than a cursor counts, so that a subscription does not begin anew after a long pause.
    StoredKeys(f"{CURSORS}{'_' * CURSOR_NAME}", timedelta(days=90), value='{"at": %'),
)
INTERVAL = timedelta(hours=1)
# A first clean-up after an upgrade must not hold up the scheduler.
MAX_DELETED = 1000


class CleanUp:
    """Deletes expired values once an hour in this process, and in parts when there are many."""

    def __init__(self) -> None:
        self._due: datetime | None = None

    def is_due(self, now: datetime) -> bool:
        """Return whether the last clean-up was not in the last hour, or was not complete."""
        return self._due is None or now >= self._due

    def run(self, connection: Session | Connection, now: datetime) -> None:
        """
        Delete expired values, unless that was done in the last hour.

        :param connection: the transaction
        :param now: the current time
        """
        if not self.is_due(now):
            return
        self._due = now + INTERVAL
        if delete_expired(connection, STORED_KEYS, now, MAX_DELETED) == MAX_DELETED:
            self._due = now


in_scheduler = CleanUp()
