"""
Measure how much memory a process needs to send a large file, and compare it with plain requests.

Each sender runs in a new process, with a server that reads the request and discards it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

OURS = """
from airflow_provider_usedesk.api.client import UsedeskClient
client = UsedeskClient.connect("token", {url!r}, timeout=600)
send = lambda path: client.create_ticket(subject="s", message="m", files=[path])
"""
PLAIN = """
import requests
def send(path):
    with open(path, "rb") as file:
        fields = {{"api_token": "token", "subject": "s", "message": "m"}}
        requests.post({url!r} + "/create/ticket", data=fields, files={{"files[]": file}}, timeout=600)
"""
PROBE = """
import resource, sys
{setup}
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
send({small!r})
before = peak()
send({large!r})
print(peak() - before)
"""


class Sink(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        left = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read(min(left, 1 << 20)))
        body = json.dumps({"status": "success", "ticket_id": 1}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


@contextmanager
def serving() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Sink) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def growth(setup: str, url: str, small: Path, large: Path) -> float:
    """Send a small file, then the large one; return the growth of the process in MB."""
    code = PROBE.format(setup=setup.format(url=url), small=str(small), large=str(large))
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, nargs="+", default=[256, 1024])
    with tempfile.TemporaryDirectory() as folder, serving() as url:
        small = Path(folder) / "small.bin"
        small.write_bytes(b"x")
        print("| file | this client grows by | plain requests with files= grows by |")
        print("|---|---:|---:|")
        for size in parser.parse_args().megabytes:
            large = Path(folder) / "large.bin"
            with large.open("wb") as file:
                file.truncate(size << 20)
            ours, plain = (growth(setup, url, small, large) for setup in (OURS, PLAIN))
            print(f"| {size} MB | {ours:.1f} MB | {plain:.1f} MB |", flush=True)


if __name__ == "__main__":
    main()
