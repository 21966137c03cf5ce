"""
Measure how many tickets a second one process sends to a service that takes its time to answer.

The bound is what the connections allow where nothing but the service takes time: connections / latency. The
ways take turns in one run; the server has a process of its own on the same machine.
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
from airflow_provider_usedesk.batch.checkpoint import Checkpoint, FolderStore
from airflow_provider_usedesk.batch.options import BatchOptions
from airflow_provider_usedesk.batch.row_params import RowParams
from airflow_provider_usedesk.batch.rows import read_rows
from airflow_provider_usedesk.batch.runner import BatchRun, Steps
from airflow_provider_usedesk.batch.sender import MessageSender
from airflow_provider_usedesk.batch.summary import NoResults
from airflow_provider_usedesk.batch.worker_pool import SendLease
from benchmarks._fast_server import serving
from dev.text import say

TOKEN = "benchmark"


@dataclass(frozen=True)
class Task:
    """
    Say what is to be sent.

    :param url: where to
    :param sends: how many tickets
    :param connections: how many at once
    """

    url: str
    sends: int
    connections: int


@dataclass(frozen=True)
class Way:
    """
    Name one way to send tickets.

    :param send: sends them all, and returns when all are answered
    :param share: part of the sends that it is given, where it would take too long for all
    """

    send: Callable[[Task], object]
    share: float = 1.0


@dataclass(frozen=True)
class Run:
    """
    Hold what one run took.

    :param sends: how many tickets were sent
    :param seconds: by the clock
    :param cpu_seconds: of this process
    """

    sends: int
    seconds: float
    cpu_seconds: float


def ticket(number: int) -> dict[str, Any]:
    """Make the parameters of one reminder."""
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
    answer = session.post(f"{task.url}/create/ticket", json=body, timeout=60)
    answer.raise_for_status()
    assert answer.json()["ticket_id"]


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
            async with session.post(f"{task.url}/create/ticket", json=body) as answer:
                answer.raise_for_status()
                assert (await answer.json())["ticket_id"]

    asyncio.run(send_all())


def client_with_threads(task: Task) -> None:
    with UsedeskClient.connect(TOKEN, task.url) as client, ThreadPoolExecutor(task.connections) as pool:
        for _ in pool.map(lambda number: client.create_ticket(**ticket(number)), range(task.sends)):
            pass


def batch(task: Task) -> None:
    """Do all steps of a batch: read, check and render the rows, write the checkpoint, and send."""
    with tempfile.TemporaryDirectory() as folder, UsedeskClient.connect(TOKEN, task.url) as client:
        lease = SendLease()
        messages = MessageSender(client, TICKET, "airflow/dag/run/task{}".format, None, Path, lease)
        arguments = RowParams(
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
        steps = Steps(messages.checked, messages.send, messages.look_up, NoResults())
        rules = BatchOptions(max_in_flight=task.connections)
        run = BatchRun(read_rows(rows), arguments, Checkpoint(FolderStore(Path(folder))), rules, steps, lease)
        assert run.run().sent == task.sends


WAYS = {
    "a loop over one requests.Session": Way(one_after_the_other, share=0.1),
    "threads over one requests.Session": Way(session_with_threads),
    "aiohttp": Way(aiohttp_with_tasks),
    "threads over one UsedeskClient": Way(client_with_threads),
    "a batch, with its checks and its checkpoint": Way(batch),
}


def measure(way: Way, task: Task) -> Run:
    began, began_cpu = time.perf_counter(), time.process_time()
    way.send(task)
    return Run(task.sends, time.perf_counter() - began, time.process_time() - began_cpu)


def rows(runs: dict[str, list[Run]], sends: int, bound: float) -> Iterator[str]:
    """Write a table of medians."""
    yield f"| {sends:,} sends by | seconds | a second | of the bound | CPU ms a send |"
    yield "|---|---:|---:|---:|---:|"
    for name, done in runs.items():
        rate = statistics.median(run.sends / run.seconds for run in done)
        cpu = statistics.median(run.cpu_seconds / run.sends for run in done)
        sent = done[0].sends
        note = "" if sent == sends else f" (reckoned from {sent:,})"
        yield f"| {name}{note} | {sends / rate:.2f} | {rate:.0f} | {rate / bound:.2f} | {cpu * 1000:.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sends", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--latency", type=float, default=0.05, help="seconds to an answer")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    ways = {name: way for name, way in WAYS.items() if name != "aiohttp" or find_spec("aiohttp")}
    runs: dict[str, list[Run]] = {name: [] for name in ways}
    with serving(options.latency) as server:
        for _ in range(options.rounds):
            for name, way in ways.items():
                sends = max(1, int(options.sends * way.share))
                runs[name].append(measure(way, Task(server.url, sends, options.connections)))
        counted = server.counted()
    expected = sum(run.sends for done in runs.values() for run in done)
    assert counted.requests == expected, f"{counted.requests} came in, {expected} were sent"
    bound = options.connections / options.latency
    load = ", ".join(f"{average:.1f}" for average in os.getloadavg())
    say(
        f"{options.connections} connections, {options.latency * 1000:g} ms: at most {bound:.0f} a second. "
        f"Medians of {options.rounds} rounds; {os.cpu_count()} cores, load {load}."
    )
    say("\n".join(rows(runs, options.sends, bound)))
    for name in WAYS.keys() - ways.keys():
        say(f"not installed, left out: {name}")


if __name__ == "__main__":
    main()
