"""Dags that run in the process of the tests, and a mock of Usedesk."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections import defaultdict
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import requests_mock as mocked

from tests.conftest import AIRFLOW_HOME

URL = "https://help.example/uapi"
TOKEN = "0123456789abcdef-token"

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_numbers = count(1)


@pytest.fixture
def connection(monkeypatch):
    """The default connection, to a URL that only a mock serves."""
    extra = {"consistency_delay": 0}
    value = json.dumps({"conn_type": "usedesk", "host": URL, "password": TOKEN, "extra": extra})
    monkeypatch.setenv("AIRFLOW_CONN_USEDESK_DEFAULT", value)


@pytest.fixture
def usedesk(connection):
    """A mock of Usedesk: each ticket gets the next id, and every request is kept."""
    ids = count(1001)
    with mocked.Mocker(real_http=True) as mocker:
        mocker.post(
            f"{URL}/create/ticket",
            json=lambda request, context: {
                "status": "success",
                "ticket_id": next(ids),
                "message_status": "delivered",
            },
        )
        mocker.sent = lambda: [
            request.json() for request in mocker.request_history if "help.example" in request.url
        ]
        yield mocker


@dataclass(frozen=True)
class Run:
    """The states, XComs and rendered fields of one run of a Dag."""

    dag_id: str
    run_id: str
    state: str
    states: dict[tuple[str, int], str]
    xcoms: dict[tuple[str, int], dict[str, Any]]
    rendered: dict[tuple[str, int], dict[str, Any]]
    printed: str


@pytest.fixture(scope="session")
def airflow_db():
    from airflow.utils.db import initdb

    initdb()
    return AIRFLOW_HOME / "airflow.db"


@pytest.fixture
def short_dag_loop(monkeypatch):
    """Let ``dag.test()`` wait 50 ms, not one second, until the next attempt of a task can start."""
    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: sleep(0.05 if seconds == 1 else seconds))


@pytest.fixture
def run_dag(airflow_db, capfd, short_dag_loop):
    """Run the Dag of a Python text, or of a file, as ``dag.test()`` does; it takes the same options."""

    def run(source: str | Path, conf: dict[str, Any] | None = None, **options: Any) -> Run:
        path = AIRFLOW_HOME / "dags" / f"dag_{next(_numbers)}.py"
        path.write_text(source.read_text() if isinstance(source, Path) else source)
        try:
            dag = _load(path)
            _store_anew(dag)
            dag_run = dag.test(run_conf=conf, **options)
        finally:
            path.unlink()
        return _read(airflow_db, dag_run, capfd)

    return run


@pytest.fixture
def left_behind():
    """All that a run printed and stored: the database, the logs, all files in the home of Airflow."""

    def read(run: Run) -> bytes:
        # A compiled Dag has the texts that its source joins.
        files = [path for path in AIRFLOW_HOME.rglob("*") if path.is_file() and path.suffix != ".pyc"]
        return run.printed.encode() + b"".join(path.read_bytes() for path in files)

    return read


def _load(path: Path) -> Any:
    from airflow.models import DagBag

    bag = DagBag(path)
    assert bag.import_errors == {}
    [dag] = bag.dags.values()
    return dag


def _store_anew(dag: Any) -> None:
    """Store the Dag in place of an earlier one with its id, which ``dag.test()`` of 3.0 and 3.1 would run."""
    from airflow_provider_usedesk.compat.version import AIRFLOW

    if not (3, 0) <= AIRFLOW < (3, 2):
        return
    from airflow.models.dag_version import DagVersion
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.serialization.serialized_objects import LazyDeserializedDAG, SerializedDAG

    if DagVersion.get_version(dag.dag_id):
        stored = LazyDeserializedDAG(data=SerializedDAG.to_dict(dag))
        SerializedDagModel.write_dag(stored, bundle_name="dags-folder")


def _read(database: Path, dag_run: Any, capfd: pytest.CaptureFixture[str]) -> Run:
    key = (dag_run.dag_id, dag_run.run_id)
    with sqlite3.connect(database) as rows:

        def select(table: str, columns: str) -> list[Any]:
            query = f"SELECT task_id, map_index, {columns} FROM {table} WHERE dag_id = ? AND run_id = ?"
            return rows.execute(query, key).fetchall()

        xcoms: dict[tuple[str, int], dict[str, Any]] = defaultdict(dict)
        for task, index, name, value in select("xcom", "key, value"):
            xcoms[task, index][name] = _value(value)
        rendered = {
            (task, index): json.loads(fields)
            for task, index, fields in select("rendered_task_instance_fields", "rendered_fields")
        }
        states = {(task, index): state for task, index, state in select("task_instance", "state")}
    printed = _as_logged("".join(capfd.readouterr()))
    return Run(*key, str(dag_run.state.value), states, dict(xcoms), rendered, printed)


def _as_logged(printed: str) -> str:
    """
    Leave out what is printed by ``dag.test()`` of Airflow 3.0 alone, not logged by a task.

    These are colours, messages at DEBUG, the boxes with the local variables of each frame, and the line
    breaks within the text of an exception.
    """
    lines = _COLOUR.sub("", printed).splitlines(keepends=True)
    logged = "".join(line for line in lines if "[debug " not in line and not line.startswith("│ │"))
    return logged.replace(" \n", " ")


def _value(stored: Any) -> Any:
    # The column has a numeric affinity: SQLite gives a JSON number back as a number.
    value = json.loads(stored) if isinstance(stored, (str, bytes)) else stored
    return json.loads(value) if isinstance(value, str) and value.startswith(('"', "[", "{")) else value
