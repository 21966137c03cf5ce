"""
Measure one batch on a whole Airflow with PostgreSQL, and compare it with a mapped task for each message.

Each row of the table is a Dag run on a real scheduler, with a server that responds after 50 ms. The time is
from the start to the end of the run. Few mapped tasks run; the time of more is extrapolated.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Iterator
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

from benchmarks._fast_server import FastServer, serving
from dev.airflow_client import AirflowClient
from dev.local_airflow import LocalAirflow
from dev.postgres import is_installed, postgres
from dev.text import say

DAGS = """
import json, os
from datetime import datetime

from airflow.providers.http.operators.http import HttpOperator
from airflow.sdk import DAG

from airflow_provider_usedesk.operators.batch import CreateTicketBatchOperator
from airflow_provider_usedesk.operators.ticket import CreateTicketOperator

def ticket(number):
    return {
        "subject": f"Invoice {number} is overdue",
        "message": "Please pay it until Friday.",
        "client_phone": f"7900{number:07d}",
    }

def tickets(count):
    return [ticket(number) for number in range(count)]

MAPPED, ROWS = int(os.environ["MAPPED"]), int(os.environ["ROWS"])
ARGS = {"start_date": datetime(2026, 1, 1), "schedule": None, "max_active_tasks": 32}

with DAG("mapped_http", **ARGS):
    HttpOperator.partial(
        task_id="send",
        endpoint="create/ticket",
        headers={"Content-Type": "application/json"},
    ).expand(data=[json.dumps({"api_token": "token", **one}) for one in tickets(MAPPED)])

with DAG("mapped_usedesk", **ARGS):
    CreateTicketOperator.partial(task_id="send").expand_kwargs(tickets(MAPPED))

with DAG("batch", **ARGS):
    CreateTicketBatchOperator(
        task_id="send",
        recipients=lambda: ({"id": number, **ticket(number)} for number in range(ROWS)),
        row_key="id",
        max_in_flight=32,
    )
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mapped", type=int, default=60, help="mapped tasks of each kind")
    parser.add_argument("--rows", type=int, default=1000, help="rows of the batch")
    parser.add_argument("--latency", type=float, default=0.05, help="seconds to a response")
    options = parser.parse_args()
    if not is_installed() or find_spec("airflow.providers.http") is None:
        say("Skipped: this needs PostgreSQL (Debian's package) and apache-airflow-providers-http.")
        return
    with tempfile.TemporaryDirectory(prefix="mapped-tasks-") as name, serving(options.latency) as server:
        folder = Path(name)
        (folder / "dags").mkdir()
        (folder / "dags" / "benchmark.py").write_text(DAGS)
        with postgres() as database:
            env = environment(server, database, options.mapped, options.rows)
            with LocalAirflow(folder / "dags", env=env) as airflow:
                say(f"{os.cpu_count()} cores, shared by scheduler, API server, PostgreSQL and tasks.")
                say("\n".join(rows(airflow, server, options.mapped, options.rows)))


def environment(server: FastServer, database: str, mapped: int, count: int) -> dict[str, str]:
    usedesk = {"conn_type": "usedesk", "host": server.url, "password": "token"}
    host, _, port = server.url.removeprefix("http://").partition(":")
    return {
        "MAPPED": str(mapped),
        "ROWS": str(count),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
        "AIRFLOW__CORE__PARALLELISM": "32",
        "AIRFLOW_CONN_USEDESK_DEFAULT": json.dumps(usedesk),
        "AIRFLOW_CONN_HTTP_DEFAULT": json.dumps({"conn_type": "http", "host": host, "port": int(port)}),
    }


def rows(airflow: AirflowClient, server: FastServer, mapped: int, count: int) -> Iterator[str]:
    """Run each Dag; yield a table of the times."""
    yield f"| {count:,} messages by | messages run | seconds | seconds for {count:,} | times the batch |"
    yield "|---|---:|---:|---:|---:|"
    batch = seconds_of(airflow, server, "batch", count)
    for title, dag_id in (
        ("mapped HttpOperator", "mapped_http"),
        ("mapped CreateTicketOperator", "mapped_usedesk"),
    ):
        seconds = seconds_of(airflow, server, dag_id, mapped)
        whole = seconds / mapped * count
        yield f"| {title} | {mapped} | {seconds:.1f} | {whole:.0f} | {whole / batch:.0f} |"
    yield f"| one CreateTicketBatchOperator | {count:,} | {batch:.1f} | {batch:.1f} | 1 |"


def seconds_of(airflow: AirflowClient, server: FastServer, dag_id: str, messages: int) -> float:
    """Run a Dag; return the seconds from its start to its end."""
    before = server.counted().requests
    run = airflow.run(dag_id, timeout=1800)
    assert run.state == "success", f"{dag_id}: {run.state}"
    assert server.counted().requests - before == messages
    found = airflow.call("GET", f"/dags/{dag_id}/dagRuns/{run.run_id}")
    start, end = (datetime.fromisoformat(found[name]) for name in ("start_date", "end_date"))
    return (end - start).total_seconds()


if __name__ == "__main__":
    main()
