"""
Measure how many delivery reports a second the receiver accepts, and compare it with a bare endpoint.

Starts PostgreSQL (Debian's package), a real API server of Airflow, and a bare FastAPI application that writes
one row for each request. The first part sends at a steady rate and counts the reports in the database. The
second part sends as fast as each server responds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from urllib.request import urlopen

from dev.local_airflow import free_port
from dev.postgres import is_installed, postgres

SECRET = "benchmark-benchmark-benchmark"
CONNECTION = {"conn_type": "usedesk", "password": "token", "extra": {"webhook_secret": SECRET}}
PATH = f"/usedesk/webhook/usedesk_default/{SECRET}"
WORKERS = 32
SETUP = """
from airflow.models.asset import AssetActive, AssetModel, DagScheduleAssetReference
from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.utils.session import create_session
uri = "usedesk://usedesk_default/delivery"
with create_session() as session:
    asset = AssetModel(name=uri, uri=uri, group="asset")
    session.add_all([asset, DagBundleModel(name="b")])
    session.flush()
    session.add_all([AssetActive(name=uri, uri=uri), DagModel(dag_id="d", is_paused=False, bundle_name="b")])
    session.flush()
    session.add(DagScheduleAssetReference(asset_id=asset.id, dag_id="d"))
"""
COUNT = """
from airflow.models.asset import AssetEvent
from airflow.models.asset_state_store import AssetStateStoreModel
from airflow.utils.session import create_session
from sqlalchemy import func, select
with create_session() as session:
    events = session.scalar(select(func.count()).select_from(AssetEvent))
    key = AssetStateStoreModel.key
    states = session.scalar(select(func.count()).where(key.startswith("report/")))
print(events, states)
"""
BARE = """
import json, os
from fastapi import FastAPI, Request
from sqlalchemy import create_engine, text
from starlette.concurrency import run_in_threadpool
engine = create_engine(os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"])
with engine.begin() as connection:
    connection.execute(text("create table if not exists bare (id serial primary key, body json)"))
def write(body):
    with engine.begin() as connection:
        connection.execute(text("insert into bare (body) values (:body)"), {"body": body})
app = FastAPI()
@app.post("/{path:path}")
async def accept(request: Request):
    await run_in_threadpool(write, json.dumps(await request.json()))
"""


@contextmanager
def server(command: list[str], env: dict[str, str], port: int, health: str) -> Iterator[None]:
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(f"http://127.0.0.1:{port}{health}")
            yield
        finally:
            process.terminate()
            process.wait(30)


def wait_for(url: str, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urlopen(url, timeout=5):
                return
        except OSError as error:
            # Any response shows that the server runs.
            if getattr(error, "code", None) is not None:
                return
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


class Load:
    """
    A sender of reports over several connections.

    :param port: port of the receiver
    :param first: id of the first ticket
    """

    def __init__(self, port: int, first: int) -> None:
        self._port = port
        self._numbers = count(first)
        self.accepted = 0
        self.refused = 0
        self.times: list[float] = []

    async def steadily(self, rate: float, seconds: float) -> float:
        """Send at a rate; return the seconds until the last response."""
        due: asyncio.Queue[float | None] = asyncio.Queue()
        workers = [asyncio.create_task(self._send_due(due)) for _ in range(WORKERS)]
        began = time.perf_counter()
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
            due.put_nowait(began + number / rate)
        for _ in workers:
            due.put_nowait(None)
        await asyncio.gather(*workers)
        return time.perf_counter() - began

    async def at_most(self, seconds: float) -> float:
        """Send the next report after each response; return the seconds."""
        began = time.perf_counter()
        await asyncio.gather(*(self._send_until(began + seconds) for _ in range(WORKERS)))
        return time.perf_counter() - began

    async def _send_due(self, due: asyncio.Queue[float | None]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        while (moment := await due.get()) is not None:
            await self._send(reader, writer)
            self.times.append(time.perf_counter() - moment)
        writer.close()

    async def _send_until(self, end: float) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        while (began := time.perf_counter()) < end:
            await self._send(reader, writer)
            self.times.append(time.perf_counter() - began)
        writer.close()

    async def _send(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        extras = {"ticket_id": next(self._numbers)}
        report = {"delivery_status": "DELIVERED", "comment_id": extras["ticket_id"], "extras": extras}
        body = json.dumps({"message_status": report}).encode()
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        head_of_response = await reader.readuntil(b"\r\n\r\n")
        lines = head_of_response.lower().split(b"\r\n")
        [length] = [int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length")]
        await reader.readexactly(length)
        if head_of_response.split(b" ", 2)[1] == b"200":
            self.accepted += 1
        else:
            self.refused += 1

    def row(self, name: str, seconds: float) -> str:
        middle, late = statistics.median(self.times), statistics.quantiles(self.times, n=100)[98]
        rate = f"{self.accepted / seconds:.1f}"
        cells = (name, self.accepted, self.refused, rate, f"{middle * 1000:.0f}", f"{late * 1000:.0f}")
        return f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--seconds", type=float, default=30)
    options = parser.parse_args()
    if not is_installed():
        print("Skipped: this needs PostgreSQL (Debian's package postgresql, or make bench).")
        return
    with tempfile.TemporaryDirectory(prefix="webhook-load-") as folder:
        measure(Path(folder), options.rate, options.seconds)


def measure(folder: Path, rate: float, seconds: float) -> None:
    with postgres() as database:
        env = environment(folder, database)
        python = [sys.executable, "-m"]
        subprocess.run([*python, "airflow", "db", "migrate"], env=env, check=True, stdout=subprocess.DEVNULL)
        subprocess.run([sys.executable, "-c", SETUP], env=env, check=True, stdout=subprocess.DEVNULL)
        ours, bare = free_port(), free_port()
        print(f"{os.cpu_count()} cores, shared by PostgreSQL, the servers and the sender.")
        print(
            "| | accepted (200) | refused | a second | median ms | 99 % ms |\n|---|---:|---:|---:|---:|---:|"
        )
        api = [*python, "airflow", "api-server", "--host", "127.0.0.1", "--port", str(ours)]
        with server(api, env, ours, "/api/v2/monitor/health"):
            steady = Load(ours, 1_000_000)
            print(
                steady.row(
                    f"receiver, {rate:g}/s for {seconds:g} s", asyncio.run(steady.steadily(rate, seconds))
                )
            )
            done = subprocess.run(
                [sys.executable, "-c", COUNT], env=env, check=True, capture_output=True, text=True
            )
            most = Load(ours, 2_000_000)
            print(most.row("receiver, as fast as it responds", asyncio.run(most.at_most(10))))
        (folder / "bare.py").write_text(BARE)
        command = [*python, "uvicorn", "bare:app", "--app-dir", str(folder), "--port", str(bare)]
        with server([*command, "--no-access-log"], env, bare, "/"):
            other = Load(bare, 0)
            print(other.row("bare endpoint, as fast as it responds", asyncio.run(other.at_most(10))))
        events, states = done.stdout.split()[-2:]
        print(f"In the database after the steady part: {events} asset events, {states} tickets with reports.")


def environment(folder: Path, database: str) -> dict[str, str]:
    outer = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    return outer | {
        "AIRFLOW_HOME": str(folder / "home"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__HOSTNAME_CALLABLE": "socket.gethostname",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW_CONN_USEDESK_DEFAULT": json.dumps(CONNECTION),
    }


if __name__ == "__main__":
    main()
