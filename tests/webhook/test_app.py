"""The responses of the receiver."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import socket
import threading
from urllib.parse import urlencode

import pytest

pytest.importorskip("airflow.sdk", reason="the receiver needs Airflow 3")

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.routing import Mount

from airflow_provider_usedesk.webhook import app as app_module
from airflow_provider_usedesk.webhook.app import StoreError, build_app, hide_secrets
from airflow_provider_usedesk.webhook.auth import CACHE_SECONDS, Authenticator, read_secrets
from airflow_provider_usedesk.webhook.body import Limits
from airflow_provider_usedesk.webhook.counts import WARNING_INTERVAL, Counts
from tests.webhook.conftest import ADDRESS, REPORT, SECRET, MemoryStore, post, respond

FORM = "application/x-www-form-urlencoded"
REPORT_FORM = {
    "message_status[delivery_status]": "DELIVERED",
    "message_status[comment_id]": "7",
    "message_status[extras][ticket_id]": "30745888",
}
MULTIPART = (
    "".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in REPORT_FORM.items()
    )
    + '--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhello\r\n--b--\r\n'
).encode()
NOT_FOUND = (404, "not found\n")
NOT_STORED = (503, "The webhook was not stored. Send it again.\n")


@pytest.fixture
def port(serve, authenticator, store):
    return serve(build_app(authenticator, store))


ENCODINGS = {
    "json": (REPORT, "application/json"),
    "json-charset": (REPORT, "application/json; charset=utf-8"),
    "no-type": (REPORT, None),
    "text": (REPORT, "text/plain"),
    "form": (urlencode(REPORT_FORM).encode(), FORM),
    "form-empty-fields": (f"&{urlencode(REPORT_FORM)}&x&".encode(), FORM),
    "multipart": (MULTIPART, "multipart/form-data; boundary=b"),
    "json-bom": (b"\xef\xbb\xbf" + json.dumps(REPORT).encode(), "application/json"),
}


@pytest.mark.parametrize("case", ENCODINGS)
def test_report_is_stored(port, store, case):
    body, content_type = ENCODINGS[case]
    assert post(port, ADDRESS, body, content_type) == (200, "ok\n")
    [(conn_id, event)] = store.saved
    assert conn_id == "usedesk_default"
    assert event.facts == {"ticket_id": 30745888, "comment_id": 7, "delivery_status": "DELIVERED"}


def test_ignored_webhooks_are_counted(port, store, caplog):
    with caplog.at_level(logging.INFO):
        assert post(port, ADDRESS, {"ping": "hush"}) == (200, "ok\n")
        assert post(port, ADDRESS, {"hush": {"hush": "hush"}}) == (200, "ok\n")
        assert post(port, ADDRESS, {"hush": {"hush": "hush"}}) == (200, "ok\n")
    assert store.saved == []
    assert "connection usedesk_default that creates no event: ping, number 1 since" in caplog.text
    assert "connection usedesk_default that creates no event: unknown, number 2 since" in caplog.text
    assert "hush" not in caplog.text


UNKNOWN_PATHS = {
    "root": "/",
    "no-connection": "/webhook",
    "no-secret": "/webhook/usedesk_default",
    "empty-secret": "/webhook/usedesk_default/",
    "wrong-secret": "/webhook/usedesk_default/wrong-wrong-wrong-wrong",
    "wrong-secret-slash": "/webhook/usedesk_default/wrong-wrong-wrong-wrong/",
    "slash": f"{ADDRESS}/",
    "other-connection": f"/webhook/other/{SECRET}",
    "more": f"{ADDRESS}/more",
    "docs": "/docs",
    "openapi": "/openapi.json",
}


@pytest.mark.parametrize("case", UNKNOWN_PATHS)
def test_unknown_address_gets_404(port, store, case):
    assert post(port, UNKNOWN_PATHS[case], REPORT) == NOT_FOUND
    assert store.saved == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods_get_404(port, method):
    assert post(port, ADDRESS, REPORT, method=method) == NOT_FOUND


def test_wrong_body_secret_gets_404(serve, store):
    known = read_secrets("token", {"webhook_secret": SECRET, "application_id": "42"})
    port = serve(build_app(Authenticator({"usedesk_default": known}.get), store))
    assert post(port, ADDRESS, {**REPORT, "secret": "43"}) == NOT_FOUND
    assert store.saved == []
    assert post(port, ADDRESS, {**REPORT, "secret": "42"}) == (200, "ok\n")
    assert post(port, ADDRESS, {**REPORT, "secret": "token"}) == (200, "ok\n")
    assert post(port, ADDRESS, REPORT) == (200, "ok\n")


INVALID_BODIES = {
    "empty-json": (b"", "application/json", "The body is empty."),
    "cut-json": (b"{", "application/json", "The body is not JSON."),
    "json-list": (b"[1]", "application/json", "The body is not a JSON object."),
    "nan": (b'{"a": NaN}', "application/json", "The body is not JSON."),
    "huge-number": (b'{"a": ' + b"9" * 10_000 + b"}", "application/json", "The body is not JSON."),
    "json-utf8": (b'{"a": "\xff"}', "application/json", "The body is not UTF-8."),
    "deep-list": (b"[" * 100_000, "application/json", "The body is nested too deeply."),
    "deep": (b'{"a":' * 40 + b"1" + b"}" * 40, "application/json", "The body is nested too deeply."),
    "very-deep": (b'{"a":' * 5000 + b"1" + b"}" * 5000, "application/json", "The body is nested too deeply."),
    "empty-form": (b"", FORM, "The body is empty."),
    "json-as-form": (
        b' {"ping": 1}',
        FORM,
        "The body is JSON, but its content type is that of a form.",
    ),
    "json-charset": ('{"a": "привет"}'.encode("cp1251"), "application/json", "The body is not UTF-8."),
    "form-utf8": (b"a=%ff", FORM, "The body is not a form."),
    "many-fields": (b"&".join([b"a[]=1"] * 1001), FORM, "The body is not a form."),
    "no-multipart": (b"hello", "multipart/form-data; boundary=b", "The body is not multipart."),
    "no-boundary": (b"hello", "multipart/form-data", "The body is not multipart."),
    "xml": (b"<a/>", "application/xml", "The body is not JSON."),
}


@pytest.mark.parametrize("case", INVALID_BODIES)
def test_invalid_body_gets_400(port, store, case):
    body, content_type, why = INVALID_BODIES[case]
    assert post(port, ADDRESS, body, content_type) == (400, f"{why}\n")
    assert store.saved == []


def test_large_body_gets_413(port, store):
    """With a Content-Length, of which no byte needs to be sent, and without."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sender:
        sender.sendall(f"POST {ADDRESS} HTTP/1.1\r\nHost: x\r\nContent-Length: {2**20 + 1}\r\n\r\n".encode())
        assert sender.recv(100).startswith(b"HTTP/1.1 413")
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sender:
        sender.sendall(f"POST {ADDRESS} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        for _ in range(32):
            sender.sendall(b"8000\r\n" + b" " * 0x8000 + b"\r\n")
        # The last byte is the one too many: a sender that continues may not receive the response.
        sender.sendall(b"1\r\n \r\n")
        assert sender.recv(100).startswith(b"HTTP/1.1 413")
    assert store.saved == []


def test_late_body_gets_408(serve, authenticator, store):
    port = serve(build_app(authenticator, store, Limits(seconds=0.3)))
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sender:
        sender.sendall(f"POST {ADDRESS} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{{".encode())
        assert sender.recv(100).startswith(b"HTTP/1.1 408")
    assert store.saved == []


def test_store_error_gets_503(port, store, caplog):
    store.error = RuntimeError(SECRET)
    assert post(port, ADDRESS, REPORT) == NOT_STORED
    assert "for connection usedesk_default was not stored; the sender" in caplog.text
    assert "the store failed (RuntimeError)." in caplog.text
    assert SECRET not in caplog.text


def test_store_says_why(port, store, caplog):
    store.error = StoreError("Airflow responded with HTTP 401.")
    assert post(port, ADDRESS, REPORT) == NOT_STORED
    assert "Airflow responded with HTTP 401." in caplog.text


def test_slow_store_gets_503(serve, authenticator):
    class SlowStore(MemoryStore):
        async def save(self, conn_id, event):
            await asyncio.sleep(30)

    port = serve(build_app(authenticator, SlowStore(), store_timeout=0.1))
    assert post(port, ADDRESS, REPORT) == NOT_STORED


def test_connection_is_read_outside_of_the_loop(serve, store):
    threads = []

    def read(conn_id):
        threads.append(threading.current_thread().name)
        return read_secrets("token", {"webhook_secret": SECRET})

    port = serve(build_app(Authenticator(read, lambda: 0.0), store))
    for _ in range(3):
        assert post(port, ADDRESS, REPORT) == (200, "ok\n")
    [name] = threads
    assert name.startswith("AnyIO")


def test_flood_of_unknown_connections_delays_nobody(store):
    """Neither the threads that other endpoints use, nor a webhook of a connection that has to be read."""
    now, release, read = [0.0], threading.Event(), []

    def slow_read(conn_id):
        read.append(conn_id)
        if conn_id == "usedesk_default":
            return read_secrets("token", {"webhook_secret": SECRET})
        release.wait(30)
        return None

    app = build_app(Authenticator(slow_read, lambda: now[0]), store)

    async def flood():
        assert await respond(app, ADDRESS, REPORT) == 200
        paths = [f"/webhook/{number}/{SECRET}" for number in range(300)]
        requests = [asyncio.create_task(respond(app, path, REPORT)) for path in paths]
        await asyncio.sleep(0.05)
        now[0] = CACHE_SECONDS
        try:
            async with asyncio.timeout(10):
                await run_in_threadpool(int)
                assert await respond(app, ADDRESS, REPORT) == 200
        finally:
            release.set()
        assert set(await asyncio.gather(*requests)) == {404}
        assert await respond(app, ADDRESS, REPORT) == 200

    asyncio.run(flood())
    assert read.count("usedesk_default") == 2
    assert len(read) == 302


@pytest.mark.parametrize("error", [RuntimeError, TimeoutError])
def test_authenticator_error_gets_503(serve, store, caplog, error):
    def broken(conn_id):
        raise error(SECRET)

    port = serve(build_app(Authenticator(broken), store))
    assert post(port, ADDRESS, REPORT) == NOT_STORED
    assert f"the connection could not be read ({error.__name__})." in caplog.text
    assert SECRET not in caplog.text


def test_error_of_the_receiver_gets_503(port, monkeypatch, caplog):
    def broken(content):
        raise KeyError(SECRET)

    monkeypatch.setattr(app_module, "read_event", broken)
    assert post(port, ADDRESS, REPORT) == NOT_STORED
    assert "for connection usedesk_default was not stored" in caplog.text
    assert "the receiver failed to read it (KeyError)." in caplog.text
    assert SECRET not in caplog.text


REFUSALS = {
    "wrong-secret": (
        "/webhook/usedesk_default/wrong-wrong-wrong-wrong",
        REPORT,
        "for connection usedesk_default was refused: The secret in the address is not the webhook secret.",
    ),
    "no-connection": (
        f"/webhook/other/{SECRET}",
        REPORT,
        "for an unknown connection was refused: The address names no connection that has a webhook secret.",
    ),
    "body": (ADDRESS, b"{", "for connection usedesk_default was refused: The body is not JSON."),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusal_is_logged_once_a_minute(serve, authenticator, store, caplog, case):
    path, body, line = REFUSALS[case]
    now = 0.0
    port = serve(build_app(authenticator, store, counts=Counts(lambda: now)))
    for _ in range(3):
        post(port, path, body)
    now = WARNING_INTERVAL
    post(port, path, body)
    first, second = (record.message for record in caplog.records if record.levelname == "WARNING")
    assert first == f"A webhook {line}"
    assert second == f"{first} The same happened to 2 more since the last warning."


def test_health_counts_webhooks(port, store):
    post(port, ADDRESS, REPORT)
    post(port, ADDRESS, {"ping": 1})
    post(port, ADDRESS, b"{")
    post(port, "/webhook/usedesk_default/wrong-wrong-wrong-wrong", REPORT)
    store.error = RuntimeError()
    post(port, ADDRESS, REPORT)
    status, body = post(port, "/health", method="GET")
    assert status == 200
    assert json.loads(body) == {"status": "ok", "stored": 1, "ignored": 1, "refused": 2, "failed": 1}


@pytest.mark.parametrize(
    "path",
    [
        ADDRESS,
        f"{ADDRESS}/more",
        f"/webhook/other/{SECRET}",
        f"/webhook/{SECRET}",
        f"/webhook/{SECRET}/usedesk_default",
        f"/webhooks/usedesk_default/{SECRET}",
        f"/{SECRET}",
        f"//webhook/usedesk_default/{SECRET}",
        f"/webhook/usedesk_default?secret={SECRET}",
        f"/health?secret={SECRET}",
    ],
    ids=lambda path: path.replace(SECRET, "SECRET"),
)
def test_access_log_has_no_secret(serve, authenticator, store, path):
    lines = []
    app = Mount("/usedesk", build_app(authenticator, store))

    async def logging_app(scope, receive, send):
        def line():
            return f"{scope['path']} {scope['raw_path']} {scope['query_string']}"

        async def logging_send(message):
            lines.append(line())
            await send(message)

        await Starlette(routes=[app])(scope, receive, logging_send)
        lines.append(line())

    post(serve(logging_app), f"/usedesk{path}", REPORT)
    assert len(lines) > 1
    for line in lines:
        assert SECRET not in line
        assert re.match("/usedesk/([*]{3}|health) ", line)


def test_crash_leaves_no_secret():
    async def broken(scope, receive, send):
        raise RuntimeError

    scope = {"type": "http", "path": ADDRESS, "raw_path": ADDRESS.encode(), "query_string": SECRET.encode()}
    with pytest.raises(RuntimeError):
        asyncio.run(hide_secrets(broken)(scope, None, None))
    assert SECRET not in str(scope)
