"""A whole Airflow 3 on this machine, for the demo, for trying things in the UI and for end-to-end tests."""

from __future__ import annotations

import base64
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from dev import PROJECT
from dev.airflow_client import AirflowClient, AirflowClientError
from dev.processes import Processes
from dev.sqlite import API_SERVER_LOCK_TIMEOUT, DATABASE_LOCKED, LOCK_TIMEOUT

LOOPBACK = "127.0.0.1"
# The log servers would listen on every address; with one machine the API server reads the files itself.
COMPONENTS = {
    "api-server": ["api-server"],
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
}
HEALTHY_PARTS = frozenset({"metadatabase", "scheduler", "triggerer", "dag_processor"})


class LocalAirflow(AirflowClient):
    """
    Scheduler, API server, Dag processor and triggerer with the LocalExecutor, on SQLite by default.

    What `airflow standalone` starts, bound to 127.0.0.1. Any number can run side by side.
    Use as a context manager; afterwards no process and no temporary directory is left.
    """

    components: Mapping[str, list[str]] = COMPONENTS
    healthy_parts = HEALTHY_PARTS

    def __init__(
        self,
        dags_folder: Path,
        *,
        env: Mapping[str, str] | None = None,
        home: Path | None = None,
        port: int = 0,
        start_timeout: float = 180,
        parse_every: int = 60,
        database: str | None = None,
    ) -> None:
        """
        `home` is kept when given, otherwise a temporary one; `port` 0 takes a free one.

        The files of Dags are read again after `parse_every` seconds, which takes much of a small machine.
        Watchers of assets of a Dag that was paused begin with that. `database` is the URL of another database
        than SQLite, for SQLAlchemy.
        """
        self.port = port or free_port()
        super().__init__(f"http://{LOOPBACK}:{self.port}")
        self.dags_folder = dags_folder.resolve()
        self._extra_env = dict(env or {})
        self._given_home = home
        self._start_timeout = start_timeout
        self._parse_every = parse_every
        self._other_database = database
        self._home: Path | None = None
        self._processes: Processes | None = None

    @property
    def home(self) -> Path:
        if self._home is None:
            raise AirflowClientError("this Airflow was not started")
        return self._home

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def database_url(self) -> str:
        """Return the URL of the database for SQLAlchemy."""
        return self._other_database or f"sqlite:///{self._database}"

    def start(self) -> None:
        if free_port(self.port) != self.port:
            raise AirflowClientError(f"port {self.port} is taken")
        self._home = (self._given_home or Path(tempfile.mkdtemp(prefix="local-airflow-"))).resolve()
        log_dir = self._home / "components"
        log_dir.mkdir(parents=True, exist_ok=True)
        self._temporary.mkdir(exist_ok=True)
        self._processes = Processes(log_dir, remove_when_done=None if self._given_home else self._home)
        try:
            self._start_components(self._processes)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        if self._processes:
            self._processes.stop()

    def kill(self, component: str) -> None:
        """Kill a component; call :meth:`revive` before any other wait."""
        if self._processes is None:
            raise AirflowClientError("this Airflow was not started")
        self._processes.kill(component)

    def revive(self, component: str) -> None:
        if self._processes is None:
            raise AirflowClientError("this Airflow was not started")
        self._start_component(self._processes, component)

    def wait_until_healthy(self, timeout: float) -> None:
        self._wait(self._is_healthy, "Airflow is not healthy", self.component_logs, timeout)

    def check_alive(self) -> None:
        """Raise if a component has ended; one that found the database locked is started again."""
        if self._processes is None:
            raise AirflowClientError("this Airflow was not started")
        for name, code in self._processes.ended().items():
            if name not in self.components:
                continue
            tail = self._processes.tail(name)
            if DATABASE_LOCKED not in tail:
                raise AirflowClientError(f"airflow {name} ended with code {code}:\n{tail}")
            # In production a service manager starts it again; on SQLite this happens on a busy machine.
            self.revive(name)

    def component_logs(self, lines: int = 20) -> str:
        """Return the end of the log of each component."""
        if self._processes is None:
            return ""
        tails = {name: self._processes.tail(name, lines) for name in self.components}
        return "\n".join(f"--- {name}\n{tail}" for name, tail in tails.items())

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment for commands of this Airflow, without the settings of an outer Airflow."""
        outer = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        return outer | self._settings() | self._secrets() | self._extra_env

    def _start_components(self, processes: Processes) -> None:
        env = self.environment
        deadline = time.monotonic() + self._start_timeout
        processes.start("migrate", _airflow("db", "migrate"), env)
        self._wait_for_migration(processes, deadline)
        for name in self.components:
            self._start_component(processes, name)
        self.wait_until_healthy(deadline - time.monotonic())

    def _start_component(self, processes: Processes, name: str) -> None:
        env = self.environment | self._component_settings(name)
        processes.start(name, _airflow(*self.components[name]), env)

    def _component_settings(self, name: str) -> dict[str, str]:
        """Return the settings that one component does not share."""
        if name == "api-server":
            return self._database_settings(API_SERVER_LOCK_TIMEOUT, "API_SERVER_CONNECT_ARGS")
        return {}

    def _wait_for_migration(self, processes: Processes, deadline: float) -> None:
        try:
            code = processes.wait("migrate", deadline - time.monotonic())
        except subprocess.TimeoutExpired as error:
            raise AirflowClientError(
                f"airflow db migrate is not over:\n{processes.tail('migrate')}"
            ) from error
        if code:
            raise AirflowClientError(
                f"airflow db migrate ended with code {code}:\n{processes.tail('migrate')}"
            )

    def _settings(self) -> dict[str, str]:
        return {
            "AIRFLOW_HOME": str(self.home),
            # Files that tasks leave behind are deleted with this Airflow.
            "TMPDIR": str(self._temporary),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags_folder),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "8",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            # The default looks the machine's name up in the DNS, which may be slow or absent.
            "AIRFLOW__CORE__HOSTNAME_CALLABLE": "socket.gethostname",
            **self._database_settings(LOCK_TIMEOUT, "CONNECT_ARGS"),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")])),
            "AIRFLOW__API__HOST": LOOPBACK,
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__BASE_URL": self.url,
            # Airflow 3.0 starts four, each of which takes seconds of a processor.
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": str(self._parse_every),
            "AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "1",
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
            # On a busy machine the API server takes longer than the default of 5 seconds, and the task fails.
            "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "SCARF_ANALYTICS": "false",
            "NO_PROXY": LOOPBACK,
            "no_proxy": LOOPBACK,
        }

    def _database_settings(self, timeout: int, connect_args: str) -> dict[str, str]:
        if self._other_database:
            return {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self._other_database}
        return {
            # The asynchronous engine takes the timeout from the address.
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self._database}?timeout={timeout}",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS": f"dev.sqlite.{connect_args}",
        }

    def _secrets(self) -> dict[str, str]:
        """Return secrets that all components share; they are new unless the home is kept."""
        place = self.home / "secrets"
        if not place.exists():
            place.touch(mode=0o600)
            place.write_text(
                f"{secrets.token_urlsafe(48)}\n{base64.urlsafe_b64encode(os.urandom(32)).decode()}\n"
            )
        signing, fernet = place.read_text().split()
        return {
            "AIRFLOW__API_AUTH__JWT_SECRET": signing,
            "AIRFLOW__API__SECRET_KEY": signing,
            "AIRFLOW__CORE__FERNET_KEY": fernet,
        }

    @property
    def _temporary(self) -> Path:
        return self.home / "tmp"

    @property
    def _database(self) -> Path:
        return self.home / "airflow.db"

    def _is_healthy(self) -> bool:
        try:
            health = self.health()
        except AirflowClientError:
            return False
        return all(health.get(part) == "healthy" for part in self.healthy_parts)


def free_port(wanted: int = 0) -> int:
    """Return `wanted` if that port is free, else any free port."""
    for candidate in (wanted, 0):
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((LOOPBACK, candidate))
            except OSError:
                continue
            port: int = listener.getsockname()[1]
            return port
    raise OSError("no free port on this machine")


def _airflow(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "airflow", *arguments]
