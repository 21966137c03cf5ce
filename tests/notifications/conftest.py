"""A sandbox that the tests of notifications share, empty at the start of each; and broken servers."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager, suppress

import pytest

from airflow_provider_usedesk.sandbox import Sandbox


@pytest.fixture(scope="session")
def shared_sandbox():
    with Sandbox(listing_lag=0) as sandbox:
        yield sandbox


@pytest.fixture
def usedesk_sandbox(shared_sandbox, monkeypatch):
    shared_sandbox.reset()
    monkeypatch.setenv("AIRFLOW_CONN_USEDESK_DEFAULT", shared_sandbox.connection_json)
    return shared_sandbox


@pytest.fixture
def own_sandbox(monkeypatch):
    """A sandbox for one test, which leaves requests behind."""
    with Sandbox(listing_lag=0) as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_USEDESK_DEFAULT", sandbox.connection_json)
        yield sandbox


@pytest.fixture
def dripping(monkeypatch):
    """A server that sends one byte of a header now and then, so that no read times out; its connection."""
    with broken_server(drip) as connection:
        monkeypatch.setenv("AIRFLOW_CONN_USEDESK_DEFAULT", connection)
        yield connection


@pytest.fixture
def silent(monkeypatch):
    """A server that accepts connections and sends nothing; its connection."""
    with broken_server(lambda peer, stopped: stopped.wait()) as connection:
        monkeypatch.setenv("AIRFLOW_CONN_USEDESK_DEFAULT", connection)
        yield connection


def drip(peer, stopped):
    peer.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    while not stopped.wait(0.02):
        peer.sendall(b"x")


@contextmanager
def broken_server(respond):
    """Call a function with each accepted socket, in a thread; yield an Airflow Connection as JSON."""
    stopped = threading.Event()

    def handle(peer):
        with peer, suppress(OSError):
            respond(peer, stopped)

    def serve(listener):
        while not stopped.is_set():
            with suppress(OSError):
                peer, _ = listener.accept()
                threading.Thread(target=handle, args=(peer,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        server = threading.Thread(target=serve, args=(listener,))
        server.start()
        host = f"http://127.0.0.1:{listener.getsockname()[1]}/uapi"
        yield json.dumps({"conn_type": "usedesk", "host": host, "password": "0123456789abcdef-token"})
        stopped.set()
        server.join()
