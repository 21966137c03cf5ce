"""A whole Airflow in the tests: what starts it, and what waits for it."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from airflow_provider_usedesk.api.client import UsedeskClient
from airflow_provider_usedesk.compat.version import (
    AIRFLOW as VERSION,
    HAS_STATE_STORES as HAS_STATE_STORES,
)
from airflow_provider_usedesk.sandbox import Sandbox
from dev import EXAMPLE_DAGS
from dev.local_airflow import LocalAirflow
from dev.postgres import is_installed, postgres

DAGS = Path(__file__).parents[1] / "end_to_end" / "dags"
AIRFLOW = [sys.executable, "-m", "airflow"]
# A triggerer that died is noticed by its missing heartbeat only.
QUICK_TO_NOTICE = {
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "6",
}


# On a busy machine a callback takes longer than the default, after which Airflow ends its process.
LONG_CALLBACKS = {"AIRFLOW__CORE__TASK_SUCCESS_OVERTIME": "600"}
START_SECONDS = 600
SECONDS_OF_A_TICKET = 10


@dataclass(frozen=True)
class TaskOutcome:
    """
    The end of one task.

    :param state: state of the task instance
    :param attempts: number of its last attempt
    :param xcoms: values that it pushed, by key, without those of links
    """

    state: str
    attempts: int
    xcoms: dict[str, Any]


@contextmanager
def local_airflow(
    dags_folder: Path, *, env: Mapping[str, str] | None = None, **options: Any
) -> Iterator[LocalAirflow]:
    """Run a whole Airflow on PostgreSQL, where it can be had; else on SQLite."""
    options = {"env": {**LONG_CALLBACKS, **(env or {})}, "start_timeout": START_SECONDS, **options}
    with ExitStack() as stack:
        database = stack.enter_context(postgres()) if is_installed() else None
        yield stack.enter_context(_whole_airflow()(dags_folder, database=database, **options))


def _whole_airflow() -> type[LocalAirflow]:
    if VERSION >= (3, 0):
        return LocalAirflow
    from tests.support.local_airflow_2 import LocalAirflow2

    return LocalAirflow2


def rows(airflow: LocalAirflow, query: str, **values: Any) -> list[Any]:
    """Return the rows of a statement on the database of a whole Airflow; a change is committed."""
    engine = create_engine(airflow.database_url, poolclass=NullPool)
    with engine.begin() as connection:
        result = connection.execute(text(query), values)
        return [tuple(row) for row in result] if result.returns_rows else [()] * result.rowcount


def all_dags(folder: Path) -> Path:
    """Copy the example Dags and the Dags of the tests into one folder; alerts are given more time."""
    shutil.copytree(EXAMPLE_DAGS, folder / "examples")
    for example in (folder / "examples").glob("*_alert.py"):
        text = example.read_text().replace("UsedeskNotifier(one", "UsedeskNotifier(timeout=600, one")
        text = text.replace('kwargs={"one', 'kwargs={"timeout": 600, "one')
        assert "600" in text, f"{example.name} has no notifier that is known here"
        example.write_text(text)
    shutil.copytree(DAGS, folder / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def connect(airflow: Any, conn_id: str, sandbox: Sandbox, **extra: Any) -> None:
    """Create a connection to a local Usedesk."""
    parts = sandbox.connection
    airflow.create_connection(
        conn_id,
        parts["conn_type"],
        host=parts["host"],
        password=parts["password"],
        extra={**parts["extra"], **extra},
    )


def connection_json(sandbox: Sandbox, **extra: Any) -> str:
    """Return a connection to a local Usedesk, for an environment variable."""
    parts = sandbox.connection
    return json.dumps({**parts, "extra": {**parts["extra"], **extra}})


def start(airflow: Any, dag_id: str, conf: Mapping[str, Any] | None = None) -> str:
    """Trigger a Dag and return the id of the run, without waiting for its end."""
    airflow.wait_for_dag(dag_id)
    airflow.unpause(dag_id)
    run_id: str = airflow.trigger(dag_id, conf).run_id
    return run_id


def outcomes(airflow: Any, dag_id: str, run_id: str) -> dict[str, TaskOutcome]:
    """Return the end of each task of a run."""
    found = {}
    for task in airflow.task_instances(dag_id, run_id):
        entries = airflow.xcoms(dag_id, run_id, task.task_id)
        xcoms = {entry.key: entry.value for entry in entries if entry.key != "_link_UsedeskTicketLink"}
        found[task.task_id] = TaskOutcome(task.state, task.try_number, xcoms)
    return found


def until(condition: Callable[[], Any], seconds: float) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.5)


def until_taken_over(sandbox: Sandbox, seconds: float) -> None:
    """Create tickets with the tag of the example ``usedesk_new_ticket`` until its Dag has changed one."""
    began = time.monotonic()
    with UsedeskClient.connect(sandbox.token, sandbox.url) as client:
        made: list[int] = []

        def took_over_a_new_one() -> bool:
            # The first ones may be older than the watcher.
            if time.monotonic() - began > len(made) * SECONDS_OF_A_TICKET:
                made.append(client.create_ticket(subject="s", message="m", tag="refund").ticket_id)
            return "urgent" in [sandbox.ticket(ticket_id).priority for ticket_id in made]

        until(took_over_a_new_one, seconds)


def run_on_airflow_2(
    dag_id: str, env: Mapping[str, str], home: Path, conf: Mapping[str, Any] | None = None
) -> dict[str, TaskOutcome]:
    """Start the scheduler of Airflow 2, run a Dag, and return the end of each task."""
    with running_airflow_2(env, home) as airflow:
        airflow.start(dag_id, conf)
        airflow.wait_for_end(dag_id)
    xcoms: dict[str, dict[str, Any]] = {}
    for task, key, value in _rows(home, "SELECT task_id, key, value FROM xcom"):
        xcoms.setdefault(task, {})[key] = json.loads(value)
    return {
        task: TaskOutcome(state, attempts, xcoms.get(task, {}))
        for task, state, attempts in _rows(home, "SELECT task_id, state, try_number FROM task_instance")
    }


@dataclass(frozen=True)
class Airflow2:
    """
    The scheduler of Airflow 2, and its commands.

    :param home: its folder
    :param env: its environment
    """

    home: Path
    env: Mapping[str, str]

    def start(self, dag_id: str, conf: Mapping[str, Any] | None = None) -> None:
        """Trigger a Dag as soon as its file is parsed."""
        trigger = [*AIRFLOW, "dags", "trigger", dag_id, "--conf", json.dumps(conf or {})]
        until(lambda: _succeeds(trigger, self.env), 300)

    def clear(self, dag_id: str) -> None:
        """Clear all tasks of a Dag."""
        assert _succeeds([*AIRFLOW, "tasks", "clear", "--yes", dag_id], self.env)

    def wait_for_end(self, dag_id: str) -> str:
        """Wait until the only run of a Dag has ended, and return its state."""
        query = f"SELECT state FROM dag_run WHERE dag_id = '{dag_id}' AND state IN ('success', 'failed')"
        until(lambda: _rows(self.home, query), 1800)
        [[state]] = _rows(self.home, query)
        return state


@contextmanager
def running_airflow_2(env: Mapping[str, str], home: Path) -> Iterator[Airflow2]:
    """Start the scheduler of Airflow 2."""
    settings = {**_outer_environment(), **env, **_settings_of_airflow_2(home)}
    subprocess.run([*AIRFLOW, "db", "migrate"], env=settings, check=True, capture_output=True)
    with _running([*AIRFLOW, "scheduler", "--skip-serve-logs"], settings, home / "scheduler.log"):
        yield Airflow2(home, settings)


def _outer_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}


def _settings_of_airflow_2(home: Path) -> dict[str, str]:
    return {
        "AIRFLOW_HOME": str(home),
        "TMPDIR": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS": "dev.sqlite.CONNECT_ARGS",
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        # Before Airflow 3 a killed task is noticed by its missing heartbeat only.
        "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "1",
        "AIRFLOW__SCHEDULER__SCHEDULER_ZOMBIE_TASK_THRESHOLD": "10",
        "AIRFLOW__SCHEDULER__ZOMBIE_DETECTION_INTERVAL": "3",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(Path.cwd()),
    }


def _succeeds(command: list[str], env: Mapping[str, str]) -> bool:
    return subprocess.run(command, env=env, capture_output=True, check=False).returncode == 0


@contextmanager
def _running(command: list[str], env: Mapping[str, str], log: Path) -> Iterator[None]:
    with log.open("w") as out, subprocess.Popen(command, env=env, stdout=out, stderr=out) as process:
        try:
            yield
        finally:
            process.terminate()


def _rows(home: Path, query: str) -> list[Any]:
    with sqlite3.connect(home / "airflow.db", timeout=120) as database:
        return database.execute(query).fetchall()
