"""A receiver that listens, with a store that only notes what it is given."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from contextlib import contextmanager

import pytest

from airflow_provider_usedesk.webhook.auth import Authenticator, read_account

SECRET = "s3cret-s3cret-s3cret-s3cret"
ADDRESS = f"/webhook/usedesk_default/{SECRET}"
REPORT = {
    "message_status": {"delivery_status": "DELIVERED", "comment_id": 7, "extras": {"ticket_id": 30745888}}
}


class Notes:
    """A store that keeps what it is given, or raises what it is told to."""

    def __init__(self):
        self.kept = []
        self.error = None

    async def keep(self, conn_id, event):
        if self.error:
            raise self.error
        self.kept.append((conn_id, event))


@pytest.fixture
def store():
    return Notes()


@pytest.fixture
def authenticator():
    accounts = {"usedesk_default": read_account("token", {"webhook_secret": SECRET})}
    return Authenticator(accounts.get)


@contextmanager
def serving(app):
    """Serve an application on a free port of this machine."""
    import uvicorn

    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False)
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
    """Send one request; return the status and the body of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.request(method, path, data, {"Content-Type": content_type} if content_type else {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()
