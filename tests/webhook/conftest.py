"""A receiver on a real socket, and a store in memory."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from contextlib import contextmanager

import pytest

from airflow_provider_usedesk.webhook.auth import Authenticator, read_secrets

SECRET = "s3cret-s3cret-s3cret-s3cret"
ADDRESS = f"/webhook/usedesk_default/{SECRET}"
REPORT = {
    "message_status": {"delivery_status": "DELIVERED", "comment_id": 7, "extras": {"ticket_id": 30745888}}
}


class MemoryStore:
    """A store that keeps events in memory, or raises an error."""

    def __init__(self):
        self.saved = []
        self.error = None

    async def save(self, conn_id, event):
        if self.error:
            raise self.error
        self.saved.append((conn_id, event))


@pytest.fixture
def store():
    return MemoryStore()


@pytest.fixture
def authenticator():
    return Authenticator({"usedesk_default": read_secrets("token", {"webhook_secret": SECRET})}.get)


@pytest.fixture(scope="session")
def shared_server():
    """One server for all tests; its application is changed by each of them."""

    async def current(scope, receive, send):
        await current.app(scope, receive, send)

    with serving(current) as port:
        yield current, port


@pytest.fixture
def serve(shared_server):
    """Serve an application; return the port."""
    current, port = shared_server

    def serve(app):
        current.app = app
        return port

    return serve


@contextmanager
def serving(app, **options):
    """Serve an application on a free port of this machine, with further options of uvicorn."""
    import uvicorn

    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, **options)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.005)
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def post(port, path, body=b"", content_type="application/json", method="POST"):
    """Send one request; return the status and the body of the response."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.request(method, path, data, {"Content-Type": content_type} if content_type else {})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


async def respond(app, path, body):
    """Pass one request to an application in the running loop; return the status of the response."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": json.dumps(body).encode()}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": []}
    await app(scope, receive, send)
    return sent[0]["status"]
