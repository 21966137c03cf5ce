"""
A cheap server that responds to every POST with a new ticket id after a fixed time.

It runs in its own process and stops with its parent: ``with serving(0.05) as server: …``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from urllib.request import urlopen

BACKLOG = 1024


@dataclass(frozen=True)
class FastServer:
    """
    A running server.

    :param url: its URL, without a path
    """

    url: str

    def counted(self) -> Counted:
        """Return the counters of the server."""
        with urlopen(f"{self.url}/counted", timeout=10) as response:
            return Counted(**json.load(response))


@dataclass
class Counted:
    """
    The counters of a server.

    :param requests: requests received
    :param connections: connections accepted
    :param at_once: highest number of requests without a response at one time
    """

    requests: int = 0
    connections: int = 0
    at_once: int = 0


@contextmanager
def serving(latency: float = 0.0) -> Iterator[FastServer]:
    """
    Run a server in another process.

    :param latency: seconds from the last byte of a request to the first of its response
    """
    command = [sys.executable, __file__, "--latency", str(latency)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield FastServer(f"http://127.0.0.1:{int(process.stdout.readline())}")
        finally:
            process.stdin.close()


class Exchange(asyncio.Protocol):
    """
    One connection, whose requests get their responses one after the other.

    :param counted: the counters to update
    :param ids: the ticket ids to return
    :param waiting: the connections with a request without a response
    :param latency: seconds before each response
    """

    _transport: asyncio.Transport

    def __init__(self, counted: Counted, ids: Iterator[int], waiting: set[Exchange], latency: float) -> None:
        self._counted = counted
        self._ids = ids
        self._waiting = waiting
        self._latency = latency
        self._read = bytearray()
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._counted.connections += 1

    def connection_lost(self, error: Exception | None) -> None:
        self._waiting.discard(self)

    def data_received(self, data: bytes) -> None:
        self._read += data
        head_end = self._read.find(b"\r\n\r\n")
        if head_end < 0 or len(self._read) < head_end + 4 + _length(self._read[:head_end]):
            return
        is_post = self._read.startswith(b"POST ")
        self._read.clear()
        if is_post:
            self._handle_post()
        else:
            self._respond(json.dumps(vars(self._counted)))

    def _handle_post(self) -> None:
        self._counted.requests += 1
        self._waiting.add(self)
        self._counted.at_once = max(self._counted.at_once, len(self._waiting))
        body = f'{{"status":"success","ticket_id":{next(self._ids)}}}'
        if self._latency:
            self._loop.call_later(self._latency, self._respond, body)
        else:
            self._respond(body)

    def _respond(self, body: str) -> None:
        self._waiting.discard(self)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._transport.write((head + body).encode())


def _length(head: bytes | bytearray) -> int:
    _, found, rest = bytes(head).lower().partition(b"\r\ncontent-length:")
    return int(rest.split(b"\r\n", 1)[0]) if found else 0


async def serve(latency: float) -> None:
    """Write the port to standard output, and serve until standard input ends."""
    loop = asyncio.get_running_loop()
    counted, ids = Counted(), count(1)
    waiting: set[Exchange] = set()
    server = await loop.create_server(
        lambda: Exchange(counted, ids, waiting, latency), "127.0.0.1", 0, backlog=BACKLOG
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds")
    asyncio.run(serve(parser.parse_args().latency))
