"""A PostgreSQL server for a test or a benchmark, from Debian's package."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dev.local_airflow import free_port


def is_installed() -> bool:
    """Return whether PostgreSQL is installed."""
    return _binaries() is not None


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """Run a PostgreSQL server in a folder; yield its URL for SQLAlchemy."""
    binaries, port = _binaries(), free_port()
    if binaries is None:
        raise RuntimeError("PostgreSQL is not installed.")
    # PostgreSQL does not run as root.
    user = "postgres" if os.geteuid() == 0 else None
    folder.chmod(0o755)
    home = folder / "postgres"
    home.mkdir()
    if user:
        os.chown(home, pwd.getpwnam(user).pw_uid, -1)
    data = home / "data"
    run = {"check": True, "user": user, "cwd": home, "stdout": subprocess.DEVNULL}
    subprocess.run([binaries / "initdb", "-D", data, "-A", "trust", "-U", "airflow"], **run)  # type: ignore[call-overload]
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={home}"
    control = [binaries / "pg_ctl", "-D", data, "-w", "-l", home / "log"]
    subprocess.run([*control, "-o", options, "start"], **run)  # type: ignore[call-overload]
    try:
        yield f"postgresql+psycopg2://airflow@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*control, "-m", "fast", "stop"], **run)  # type: ignore[call-overload]


def _binaries() -> Path | None:
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
