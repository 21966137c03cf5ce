"""
Measure how many tickets a second one process sends to a service with a fixed latency.

The bound is the rate if only the service took time: connections / latency. Each round runs all senders; the
server is another process on the same machine.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import requests
from jinja2 import Environment, StrictUndefined
from requests.adapters import HTTPAdapter

from airflow_provider_usedesk.api.client import UsedeskClient
from airflow_provider_usedesk.api.ticket import CREATE_TICKET, TICKET
from airflow_provider_usedesk.batch.batch_io import BatchIO
from airflow_provider_usedesk.batch.folder_checkpoint import FolderCheckpoint
from airflow_provider_usedesk.batch.options import BatchOptions
from airflow_provider_usedesk.batch.result_file import NoResultFile
from airflow_provider_usedesk.batch.row_params import RowParams
from airflow_provider_usedesk.batch.rows import read_rows
from airflow_provider_usedesk.batch.runner import BatchRun
from airflow_provider_usedesk.batch.send_lease import SendLease
from airflow_provider_usedesk.batch.sender import MessageSender, RowCheck
from airflow_provider_usedesk.compat.stores import FolderStore
from benchmarks._fast_server import serving
from dev.text import say

TOKEN = "benchmark"


@dataclass(frozen=True)
class Task:
    """
    The tickets to send.

    :param url: URL of the server
    :param sends: number of tickets
    :param connections: number of connections
    """

    url: str
    sends: int
    connections: int


@dataclass(frozen=True)
class Sender:
    """
    A function that sends tickets.

    :param send: sends them all; returns after the last response
    :param share: share of the tickets that it sends, if all would take too long
    """

    send: Callable[[Task], object]
    share: float = 1.0


@dataclass(frozen=True)
class Run:
    """
    The result of one run.

    :param sends: number of tickets sent
    :param seconds: wall time
    :param cpu_seconds: CPU time of this process
    """

    sends: int
    seconds: float
    cpu_seconds: float


def ticket(number: int) -> dict[str, Any]:
    """Return the parameters of one reminder."""
    return {
        "subject": f"Invoice {number} is overdue",
        "message": f"Dear client, invoice {number} of 12 March is overdue. Please pay it until Friday.",
        "client_phone": str(79_120_000_000 + number),
        "channel_id": 66235,
        "from": "user",
        "user_id": 247423,
        "additional_id": f"invoices__remind__scheduled__2026-03-21__{number}",
    }


def one_after_the_other(task: Task) -> None:
    with requests.Session() as session:
        for number in range(task.sends):
            post(session, task, number)


def session_with_threads(task: Task) -> None:
    with requests.Session() as session, ThreadPoolExecutor(task.connections) as pool:
        session.mount("http://", HTTPAdapter(pool_maxsize=task.connections))
        for _ in pool.map(lambda number: post(session, task, number), range(task.sends)):
            pass


def post(session: requests.Session, task: Task, number: int) -> None:
    body = {"api_token": TOKEN, **ticket(number)}
    response = session.post(f"{task.url}/create/ticket", json=body, timeout=60)
    response.raise_for_status()
    assert response.json()["ticket_id"]


def aiohttp_with_tasks(task: Task) -> None:
    import aiohttp

    async def send_all() -> None:
        numbers = iter(range(task.sends))
        connector = aiohttp.TCPConnector(limit=task.connections)
        async with aiohttp.ClientSession(connector=connector) as session:
            await asyncio.gather(*(send_from(session, numbers) for _ in range(task.connections)))

    async def send_from(session: aiohttp.ClientSession, numbers: Iterator[int]) -> None:
        for number in numbers:
            body = {"api_token": TOKEN, **ticket(number)}
            async with session.post(f"{task.url}/create/ticket", json=body) as response:
                response.raise_for_status()
                assert (await response.json())["ticket_id"]

    asyncio.run(send_all())


def client_with_threads(task: Task) -> None:
    with UsedeskClient.connect(TOKEN, task.url) as client, ThreadPoolExecutor(task.connections) as pool:
        for _ in pool.map(lambda number: client.create_ticket(**ticket(number)), range(task.sends)):
            pass


def batch(task: Task) -> None:
    """Do all steps of a batch: read, check and render the rows, write the checkpoint, and send."""
    with tempfile.TemporaryDirectory() as folder, UsedeskClient.connect(TOKEN, task.url) as client:
        lease = SendLease()
        sender = MessageSender(RowCheck(client, TICKET, "airflow/dag/run/task{}".format, None, Path), lease)
        row_params = RowParams(
            shared={"channel_id": 66235, "from_": "user", "user_id": 247423},
            names=CREATE_TICKET.arguments,
            templates={"subject": "Invoice {{ row.number }} is overdue", "message": ticket(0)["message"]},
            key="number",
            environment=Environment(undefined=StrictUndefined),
            context={},
        )
        rows = (
            {"number": number, "client_phone": ticket(number)["client_phone"]} for number in range(task.sends)
        )
        io = BatchIO(sender.check, sender.send, sender.look_up, NoResultFile())
        options = BatchOptions(max_in_flight=task.connections)
        checkpoint = FolderCheckpoint(FolderStore(Path(folder)))
        run = BatchRun(read_rows(rows), row_params, checkpoint, options, io, lease)
        assert run.run().sent == task.sends


SENDERS = {
    "a loop over one requests.Session": Sender(one_after_the_other, share=0.1),
    "threads over one requests.Session": Sender(session_with_threads),
    "aiohttp": Sender(aiohttp_with_tasks),
    "threads over one UsedeskClient": Sender(client_with_threads),
    "a batch, with its checks and its checkpoint": Sender(batch),
}


def measure(sender: Sender, task: Task) -> Run:
    began, began_cpu = time.perf_counter(), time.process_time()
    sender.send(task)
    return Run(task.sends, time.perf_counter() - began, time.process_time() - began_cpu)


def rows(runs: dict[str, list[Run]], sends: int, bound: float) -> Iterator[str]:
    """Yield a table of medians."""
    yield f"| {sends:,} sends by | seconds | a second | of the bound | CPU ms a send |"
    yield "|---|---:|---:|---:|---:|"
    for name, done in runs.items():
        rate = statistics.median(run.sends / run.seconds for run in done)
        cpu = statistics.median(run.cpu_seconds / run.sends for run in done)
        sent = done[0].sends
        note = "" if sent == sends else f" (extrapolated from {sent:,})"
        yield f"| {name}{note} | {sends / rate:.2f} | {rate:.0f} | {rate / bound:.2f} | {cpu * 1000:.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sends", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--latency", type=float, default=0.05, help="seconds to a response")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    senders = {name: sender for name, sender in SENDERS.items() if name != "aiohttp" or find_spec("aiohttp")}
    runs: dict[str, list[Run]] = {name: [] for name in senders}
    with serving(options.latency) as server:
        for _ in range(options.rounds):
            for name, sender in senders.items():
                sends = max(1, int(options.sends * sender.share))
                runs[name].append(measure(sender, Task(server.url, sends, options.connections)))
        counted = server.counted()
    expected = sum(run.sends for done in runs.values() for run in done)
    assert counted.requests == expected, f"{counted.requests} requests arrived, {expected} were sent"
    bound = options.connections / options.latency
    load = ", ".join(f"{average:.1f}" for average in os.getloadavg())
    say(
        f"{options.connections} connections, {options.latency * 1000:g} ms: at most {bound:.0f} a second. "
        f"Medians of {options.rounds} rounds; {os.cpu_count()} cores, load {load}."
    )
    say("\n".join(rows(runs, options.sends, bound)))
    for name in SENDERS.keys() - senders.keys():
        say(f"not installed, skipped: {name}")


if __name__ == "__main__":
    main()
