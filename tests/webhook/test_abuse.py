"""Hostile and broken requests to the receiver over real sockets: none has an effect."""

from __future__ import annotations

import http.client
import json
import os
import random
import re
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from urllib.parse import urlencode

import psutil
import pytest

pytest.importorskip("airflow.sdk", reason="the receiver needs Airflow 3")

from airflow_provider_usedesk.assets import KINDS
from airflow_provider_usedesk.sandbox.webhook_sender import form_fields
from tests.webhook.conftest import SECRET, post

PATH = f"/usedesk/webhook/usedesk_default/{SECRET}"
CONNECTION = json.dumps({"conn_type": "usedesk", "password": "token", "extra": {"webhook_secret": SECRET}})
BODY_TIMEOUT = 2
SERVER = f"""
from airflow.models.asset import AssetActive, AssetModel
from airflow.utils.session import create_session
with create_session() as session:
    for kind in {KINDS!r}:
        uri = f"usedesk://usedesk_default/{{kind}}"
        # Another test may have created it in the database of the session.
        if not session.query(AssetModel).filter_by(name=uri, uri=uri).first():
            session.add(AssetModel(name=uri, uri=uri, group="asset"))
            session.flush()
        session.merge(AssetActive(name=uri, uri=uri))
import socket, uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from airflow_provider_usedesk.plugin import receive_webhooks
from airflow_provider_usedesk.webhook import app
app.DEFAULT_LIMITS = app.Limits(seconds={BODY_TIMEOUT})
listener = socket.create_server(("127.0.0.1", 0))
print("PORT", listener.getsockname()[1], flush=True)
receiver = Starlette(routes=[Mount("/usedesk", receive_webhooks)])
uvicorn.Server(uvicorn.Config(receiver, log_level="info", timeout_keep_alive=600)).run([listener])
"""
EVIL = {
    "script": "<script>alert(1)</script>",
    "image": "<img src=x onerror=alert(1)>",
    "template": "{{ 7 * 7 }}",
    "template-loop": "{% for x in ().__class__.__base__.__subclasses__() %}{% endfor %}",
    "jndi": "${jndi:ldap://127.0.0.1/a}",
    "sql": "'; DROP TABLE asset_event; --",
    "path": "../../../../etc/passwd",
    "control": "\x00\x1b[31m\r\nX-Injected: 1",
    "surrogates": "\u202e\ud83d\ude00",
    "digits": "9" * 400,
}


class Server:
    """
    The receiver in a process of its own, with a SQLite database.

    :param home: folder for Airflow, which has a copy of a new database
    """

    def __init__(self, home):
        self.home = home
        self.log = home / "server.log"
        env = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        env |= {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW_CONN_USEDESK_DEFAULT": CONNECTION,
        }
        with self.log.open("wb") as log:
            command = [sys.executable, "-c", SERVER]
            self.process = subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT)
        self.port = self._port()

    def _port(self):
        deadline = time.monotonic() + 120
        while not (found := re.search(r"PORT (\d+)", self.printed())):
            assert self.process.poll() is None, self.printed()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        return int(found[1])

    def printed(self):
        return self.log.read_text(errors="replace")

    def events(self):
        with closing(sqlite3.connect(self.home / "airflow.db", timeout=30)) as database:
            return [json.loads(extra) for (extra,) in database.execute("SELECT extra FROM asset_event")]

    def megabytes(self):
        return psutil.Process(self.process.pid).memory_info().rss / 2**20


@pytest.fixture(scope="module")
def server(tmp_path_factory, airflow_db):
    home = tmp_path_factory.mktemp("abuse")
    with closing(sqlite3.connect(airflow_db)) as new, closing(sqlite3.connect(home / "airflow.db")) as copy:
        new.backup(copy)
    running = Server(home)
    yield running
    running.process.terminate()
    running.process.wait(20)


@pytest.fixture(autouse=True)
def no_effect(server):
    """Check after each test: no event, no traceback and no secret in the log; a valid report is stored."""
    before = len(server.events())
    yield
    assert len(server.events()) == before
    number = random.randrange(10**9, 10**12)
    report = {"delivery_status": "DELIVERED", "comment_id": 1, "extras": {"ticket_id": number}}
    assert post(server.port, PATH, {"message_status": report}) == (200, "ok\n")
    assert server.events()[-1]["ticket_id"] == number
    log = server.printed()
    assert "Traceback" not in log
    assert 'HTTP/1.1" 5' not in log
    assert SECRET not in log


CASES = {
    "no secret": ("/usedesk/webhook/usedesk_default", b"{}", 404),
    "empty secret": ("/usedesk/webhook/usedesk_default/", b"{}", 404),
    "wrong secret": ("/usedesk/webhook/usedesk_default/wrong-wrong-wrong-wrong", b"{}", 404),
    "part of the secret": (PATH[:-1], b"{}", 404),
    "wrong connection": (f"/usedesk/webhook/other/{SECRET}", b"{}", 404),
    "connection with a quote": (f"/usedesk/webhook/%27%20or%201=1/{SECRET}", b"{}", 404),
    "path upwards": (f"/usedesk/webhook/../../usedesk_default/{SECRET}", b"{}", 404),
    "wrong secret and 10 MB": ("/usedesk/webhook/usedesk_default/wrong-wrong-wrong-wrong", b" " * 10**7, 404),
    "10 MB": (PATH, b" " * 10**7, 413),
    "no body": (PATH, b"", 400),
    "deep JSON": (PATH, b'{"ticket":' * 50_000 + b"1" + b"}" * 50_000, 400),
    "deep lists": (PATH, b"[" * 500_000 + b"]" * 500_000, 400),
    "bad UTF-8": (PATH, b'{"ticket": {"id": 1, "subject": "\xff\xfe"}}', 400),
    "half of a JSON": (PATH, b'{"ticket": {"id": 1', 400),
    "huge number": (PATH, b'{"ticket": {"id": ' + b"9" * 100_000 + b"}}", 400),
}


@pytest.mark.parametrize("case", CASES)
def test_hostile_request_is_rejected(server, case):
    path, body, status = CASES[case]
    try:
        assert post(server.port, path, body)[0] == status
    except (BrokenPipeError, ConnectionResetError):
        # The server responded and closed the connection before all of it was sent.
        assert len(body) > 10**6


@pytest.mark.parametrize(
    "content_type",
    [
        "application/xml",
        "text/html",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "application/x-www-form-urlencoded",
        "application/json; charset=utf-16",
    ],
    ids=["xml", "html", "no-boundary", "empty-boundary", "form", "utf-16"],
)
def test_wrong_content_type_gets_one_line(server, content_type):
    status, body = post(server.port, PATH, b'<?xml version="1.0"?><ticket id="1"/>', content_type)
    assert status in (200, 400)
    assert body.count("\n") == 1


def test_trickling_body_times_out(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as sender:
        sender.sendall(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n".encode())
        began = time.monotonic()
        sender.settimeout(0.5)
        while True:
            try:
                response = sender.recv(100)
                break
            except TimeoutError:
                sender.sendall(b" ")
                assert time.monotonic() - began < 30
    assert response.startswith(b"HTTP/1.1 408")


def fields(evil):
    """Yield a body of every kind, with a hostile value in every field."""
    person = {"id": evil, "name": evil, "emails": [evil], "phones": [{"phone": evil}]}
    rest = {"client": person, "custom_fields": [{"id": evil, "name": evil, "value": evil}], evil: evil}
    names = ("id", "ticket_id", "subject", "message", "from", "type", "status_id", "additional_id", "rating")
    part = dict.fromkeys(names, evil)
    for kind in ("ticket", "comment", "trigger", "csi"):
        yield {kind: part, **rest}
    yield {"message_status": {"delivery_status": evil, "comment_id": evil, "extras": {"ticket_id": evil}}}
    yield {"chat_id": evil, "text": evil, "from": evil, "platform": evil, "ticket": part, **rest}
    yield {"secret": evil, "ping": evil}


@pytest.mark.parametrize("name", EVIL)
def test_hostile_field_has_no_effect(server, name):
    for body in fields(EVIL[name]):
        assert post(server.port, PATH, body) == (200, "ok\n")
        form = urlencode(list(form_fields(body)), errors="replace").encode()
        assert post(server.port, PATH, form, "application/x-www-form-urlencoded") == (200, "ok\n")


def test_random_bodies_have_no_effect(server):
    assert post_random_bodies(server.port, random.Random(20261128), 300) <= {200, 400}


@pytest.mark.slow
def test_ten_thousand_bodies_keep_memory_flat(server):
    chance, statuses, sizes = random.Random(20261124), set(), []
    for _ in range(10):
        statuses |= post_random_bodies(server.port, chance, 1000)
        sizes.append(server.megabytes())
    assert statuses <= {200, 400}
    print(f"MB after each thousand: {[round(size) for size in sizes]}")
    assert sizes[-1] - sizes[1] < 16


def post_random_bodies(port, chance, count):
    """Post bodies over one connection; return the statuses of the responses."""
    statuses = set()
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        for _ in range(count):
            content_type = chance.choice(
                [
                    "application/json",
                    "application/x-www-form-urlencoded",
                    "multipart/form-data; boundary=b",
                    "",
                ]
            )
            connection.request("POST", PATH, random_body(chance), {"Content-Type": content_type})
            response = connection.getresponse()
            assert response.read().count(b"\n") == 1
            statuses.add(response.status)
    return statuses


def random_body(chance):
    """Return noise, or a webhook that was cut or changed; none has a valid id."""
    choice = chance.random()
    if choice < 0.3:
        return chance.randbytes(chance.randrange(1, 400))
    if choice < 0.5:
        text = "".join(chance.choices('{}[]",:0123456789ab\\u%&=\x00é ', k=chance.randrange(1, 200)))
        return text.encode()
    body = json.dumps(chance.choice(list(fields(chance.choice(list(EVIL.values())))))).encode()
    if choice < 0.8:
        place = chance.randrange(len(body))
        return body[:place] + chance.randbytes(chance.randrange(3)) + body[place + chance.randrange(5) :]
    return body
