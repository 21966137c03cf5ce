"""SQLite for an Airflow that is thrown away: quick commits, patient writers."""

from __future__ import annotations

import sqlite3
from typing import Any

# Seconds to wait until the others release the database; SQLite's own 5 are few on a busy machine.
LOCK_TIMEOUT = 120
# The API server can wait for itself: a request that has written commits in the event loop, and another one
# blocks the loop until it gets the lock. The shorter the wait, the sooner the first one goes on.
API_SERVER_LOCK_TIMEOUT = 3
DATABASE_LOCKED = "database is locked"


class UnsyncedConnection(sqlite3.Connection):
    """
    A connection that does not wait for the disk.

    A commit holds the lock of the database until the disk has it, on a busy disk for many seconds; then a
    component of Airflow gives up and ends. Only a power failure loses data, and nobody needs it after one.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.execute("PRAGMA synchronous=OFF")


# Airflow imports these by name, from [database] sql_alchemy_connect_args.
CONNECT_ARGS = {"timeout": LOCK_TIMEOUT, "factory": UnsyncedConnection}
API_SERVER_CONNECT_ARGS = {**CONNECT_ARGS, "timeout": API_SERVER_LOCK_TIMEOUT}
