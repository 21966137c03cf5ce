"""
Measure how a client with eight threads adapts to the rate limit of a server, in simulated time.

The client is the real one. Time passes only while all threads wait. The server is a function behind the HTTP
session, with a limit of requests per minute and half a second for each request. The script also measures the
real time that one permit costs.
"""

from __future__ import annotations

import argparse
import heapq
import json
import logging
import random
import statistics
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count, groupby
from pathlib import Path
from typing import Any, Literal

import requests
from requests.adapters import BaseAdapter

from airflow_provider_usedesk.api.client import UsedeskClient
from airflow_provider_usedesk.api.errors import UsedeskRateLimited
from airflow_provider_usedesk.api.rate_limit_state import take
from airflow_provider_usedesk.api.rate_limit_stores import FileStore
from airflow_provider_usedesk.api.rate_limiter import MemoryStore, RateLimitStore

URL = "https://help.example/uapi"
MINUTE = 60.0

Window = Literal["sliding", "fixed"]


class VirtualTime:
    """A clock that advances only while all threads sleep; one thread runs at a time, in a fixed order."""

    def __init__(self, threads: int) -> None:
        self.now = 0.0
        self._awake = threads
        self._asleep: list[tuple[float, int, threading.Event]] = []
        self._numbers = count()
        self._lock = threading.Lock()

    def run(self, work: Callable[[], None]) -> None:
        """Run the work in each thread; return when all threads have ended."""

        def live() -> None:
            self.sleep(0)
            try:
                work()
            finally:
                self._leave()

        threads = [threading.Thread(target=live) for _ in range(self._awake)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def sleep(self, seconds: float) -> None:
        woken = threading.Event()
        with self._lock:
            heapq.heappush(self._asleep, (self.now + seconds, next(self._numbers), woken))
        self._leave()
        woken.wait()

    def _leave(self) -> None:
        with self._lock:
            self._awake -= 1
            if not self._awake and self._asleep:
                self.now, _, woken = heapq.heappop(self._asleep)
                self._awake = 1
                woken.set()


@dataclass(frozen=True)
class Scenario:
    """
    The settings of the connection, and the behaviour of the server.

    :param configured: requests per minute of the connection; None for no limit
    :param limit: requests per minute that the server accepts
    :param window: ``sliding`` counts the last 60 seconds, ``fixed`` each minute separately
    :param status: status of a refusal: 429, or 200 with code 121
    :param sends_retry_after: whether a refusal contains ``Retry-After``
    :param jitter: seconds by which the network delay varies
    """

    configured: float | None
    limit: int
    window: Window = "sliding"
    status: int = 429
    sends_retry_after: bool = False
    jitter: float = 0.0


@dataclass
class Server:
    """A server with a limit of requests per minute; stores whether each request was accepted."""

    scenario: Scenario
    accepted: list[bool] = field(default_factory=list)
    ended: float = 0.0
    _recent: deque[float] = field(default_factory=deque)

    def handle(self, now: float) -> tuple[int, dict[str, str], Any]:
        is_fixed = self.scenario.window == "fixed"
        # A tolerance of a millisecond, because sums of floats are inexact.
        oldest = (now + 0.001) // MINUTE * MINUTE if is_fixed else now - MINUTE + 0.001
        while self._recent and self._recent[0] < oldest - (0.001 if is_fixed else 0):
            self._recent.popleft()
        self.accepted.append(len(self._recent) < self.scenario.limit)
        self.ended = now
        if self.accepted[-1]:
            self._recent.append(now)
            return 200, {}, []
        free = oldest + MINUTE if is_fixed else self._recent[0] + MINUTE
        headers = {"Retry-After": str(int(free - now) + 1)} if self.scenario.sends_retry_after else {}
        return self.scenario.status, headers, {"code": 121, "error": "request limit exceeded"}


class Transport(BaseAdapter):
    """The network to the server and back, which takes half a second."""

    def __init__(self, server: Server, time: VirtualTime, dice: random.Random) -> None:
        super().__init__()
        self._server = server
        self._time = time
        self._dice = dice

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        to_server = 0.25 + self._dice.uniform(-0.5, 0.5) * self._server.scenario.jitter
        self._time.sleep(to_server)
        response = requests.Response()
        response.status_code, headers, body = self._server.handle(self._time.now)
        response.headers.update(headers)
        response._content = json.dumps(body).encode()
        self._time.sleep(0.5 - to_server)
        return response

    def close(self) -> None:
        """Close nothing: there is no connection."""


@dataclass(frozen=True)
class Outcome:
    """The result of a scenario."""

    scenario: Scenario
    accepted: int
    refused: int
    longest_run: int
    failed: int
    minutes: float

    @property
    def rate(self) -> float:
        return self.accepted / self.minutes

    @property
    def share_of_limit(self) -> float:
        return self.rate / min(self.scenario.configured or self.scenario.limit, self.scenario.limit)

    @property
    def share_refused(self) -> float:
        return self.refused / (self.accepted + self.refused)


def simulate(scenario: Scenario, requests_wanted: int, threads: int = 8) -> Outcome:
    """Send this number of requests from eight threads; return the counts of the server."""
    time, dice = VirtualTime(threads), random.Random(scenario.limit)
    server = Server(scenario)
    extra = {"requests_per_minute": scenario.configured, "max_wait": 120}
    settings = UsedeskClient.connect("token", URL, **extra).settings
    client = UsedeskClient(settings, sleep=time.sleep, clock=lambda: time.now, jitter=dice.random)
    client._transport._session.mount(URL, Transport(server, time, dice))
    left = iter(range(requests_wanted))
    failed: list[UsedeskRateLimited] = []

    def work() -> None:
        for _ in left:
            try:
                client.groups()
            except UsedeskRateLimited as error:
                failed.append(error)

    time.run(work)
    runs = [len(list(run)) for was_accepted, run in groupby(server.accepted) if not was_accepted]
    return Outcome(
        scenario,
        server.accepted.count(True),
        server.accepted.count(False),
        max(runs, default=0),
        len(failed),
        (server.ended + (MINUTE / min(scenario.configured or scenario.limit, scenario.limit))) / MINUTE,
    )


SCENARIOS = (
    Scenario(150, 150),
    Scenario(150, 150, "fixed"),
    Scenario(150, 150, jitter=0.2),
    Scenario(148, 150, jitter=0.2),
    *(
        Scenario(150, 100, window, status, sends_retry_after)
        for window in ("sliding", "fixed")
        for status in (429, 200)
        for sends_retry_after in (True, False)
    ),
    Scenario(150, 100, "fixed", jitter=0.2),
    Scenario(150, 20, "fixed"),
    Scenario(None, 150, "sliding"),
    Scenario(None, 150, "fixed", sends_retry_after=True),
)


def table(outcomes: Iterable[Outcome]) -> Iterator[str]:
    yield (
        "| configured | limit | window | refusal | accepted | a minute | of the limit | refused "
        "| share | longest run | failed calls |"
    )
    yield "|---:|---:|---|---|---:|---:|---:|---:|---:|---:|---:|"
    for outcome in outcomes:
        scenario = outcome.scenario
        refusal = "429" if scenario.status == 429 else "121 in 200"
        refusal += ", Retry-After" if scenario.sends_retry_after else ""
        window = scenario.window + (", with jitter" if scenario.jitter else "")
        yield (
            f"| {scenario.configured or 'none'} | {scenario.limit} | {window} | {refusal} "
            f"| {outcome.accepted:,} | {outcome.rate:.1f} | {outcome.share_of_limit:.3f} "
            f"| {outcome.refused} | {outcome.share_refused:.2%} | {outcome.longest_run} | {outcome.failed} |"
        )


def cost(store: RateLimitStore, rounds: int = 2000, calls: int = 20) -> float:
    """Return the cost of one permit in microseconds: the median of many short rounds."""

    def measured() -> float:
        began = time.perf_counter()
        for _ in range(calls):
            store.change("account", lambda state, now: take(state, now, 1e-9))
        return (time.perf_counter() - began) / calls * 1_000_000

    return statistics.median(measured() for _ in range(rounds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    wanted = parser.parse_args().requests
    logging.disable(logging.WARNING)
    for line in table(simulate(scenario, wanted) for scenario in SCENARIOS):
        print(line, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        stores: dict[str, RateLimitStore] = {
            "memory": MemoryStore(),
            "file": FileStore(Path(folder) / "rate-limits"),
        }
        for name, store in stores.items():
            print(f"one permit, stored in {name}: {cost(store):.1f} µs")


if __name__ == "__main__":
    main()
