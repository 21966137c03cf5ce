"""The servers of a production stack besides Airflow: PostgreSQL, Redis and object storage, on loopback."""

from __future__ import annotations

import shutil
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from dev.local_airflow import LOOPBACK, free_port
from dev.postgres import create_cluster, is_installed


@dataclass(frozen=True)
class Service:
    """
    A server that can be killed and started again.

    :param name: its name
    :param port: its port
    :param command: what starts it in the foreground
    :param user: the user to run it as; None for this one
    """

    name: str
    port: int
    command: list[str]
    user: str | None = None

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    def is_open(self) -> bool:
        """Return whether the port can be connected to."""
        try:
            socket.create_connection((LOOPBACK, self.port), timeout=1).close()
        except OSError:
            return False
        return True


def missing_packages() -> list[str]:
    """Return the apt packages that are not installed."""
    found = {"postgresql": is_installed(), "redis-server": shutil.which("redis-server")}
    return [package for package, is_there in found.items() if not is_there]


def postgres(home: Path) -> Service:
    """A PostgreSQL with a new database, in a folder that every user can reach."""
    home.mkdir()
    cluster = create_cluster(home)
    return Service("postgres", cluster.port, cluster.command, cluster.user)


def redis(name: str, home: Path) -> Service:
    """A Redis that loses everything when it is killed."""
    port = free_port()
    home.mkdir()
    options = {"port": port, "bind": LOOPBACK, "dir": home, "save": "", "appendonly": "no"}
    arguments = [part for option, value in options.items() for part in (f"--{option}", str(value))]
    return Service(name, port, ["redis-server", *arguments])


def object_storage() -> Service:
    """The S3 of moto."""
    port = free_port()
    return Service("s3", port, [sys.executable, "-m", "moto.server", "-H", LOOPBACK, "-p", str(port)])
