"""SQLite for an Airflow that is thrown away: quick commits, patient writers."""

from __future__ import annotations

import sqlite3
from typing import Any

# Seconds to wait until the others release the database; SQLite's own 5 are few on a busy machine.
LOCK_TIMEOUT = 120
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


# Airflow imports this by its name, from [database] sql_alchemy_connect_args.
CONNECT_ARGS = {"timeout": LOCK_TIMEOUT, "factory": UnsyncedConnection}
