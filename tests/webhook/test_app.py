"""What the receiver answers."""

from __future__ import annotations

import asyncio
import logging
import socket
from urllib.parse import urlencode

import pytest

pytest.importorskip("airflow.sdk", reason="the receiver needs Airflow 3")

from airflow_provider_usedesk.webhook.app import build_app, hiding_secrets
from airflow_provider_usedesk.webhook.auth import Authenticator, read_account
from airflow_provider_usedesk.webhook.body import Limits
from tests.webhook.conftest import ADDRESS, REPORT, SECRET, Notes, post, serving

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


@pytest.fixture
def port(authenticator, store):
    with serving(build_app(authenticator, store, Limits(seconds=3), store_seconds=3)) as port:
        yield port


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (REPORT, "application/json"),
        (REPORT, "application/json; charset=utf-8"),
        (REPORT, None),
        (REPORT, "text/plain"),
        (urlencode(REPORT_FORM).encode(), FORM),
        (f"&{urlencode(REPORT_FORM)}&x&".encode(), FORM),
        (MULTIPART, "multipart/form-data; boundary=b"),
    ],
)
def test_a_report_is_taken_in_each_encoding(port, store, body, content_type):
    assert post(port, ADDRESS, body, content_type) == (200, "ok\n")
    [(conn_id, event)] = store.kept
    assert conn_id == "usedesk_default"
    assert event.facts == {"ticket_id": 30745888, "comment_id": 7, "delivery_status": "DELIVERED"}


def test_a_ping_and_an_unknown_kind_are_accepted_and_told_without_their_content(port, store, caplog):
    with caplog.at_level(logging.INFO):
        assert post(port, ADDRESS, {"ping": "hush"}) == (200, "ok\n")
        assert post(port, ADDRESS, {"hush": {"hush": "hush"}}) == (200, "ok\n")
        assert post(port, ADDRESS, {"hush": {"hush": "hush"}}) == (200, "ok\n")
    assert store.kept == []
    assert "Webhook to usedesk_default: ping, number 1" in caplog.text
    assert "Webhook to usedesk_default: unknown, number 2" in caplog.text
    assert "hush" not in caplog.text


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/webhook",
        "/webhook/usedesk_default",
        "/webhook/usedesk_default/",
        "/webhook/usedesk_default/wrong-wrong-wrong-wrong",
        "/webhook/usedesk_default/wrong-wrong-wrong-wrong/",
        f"{ADDRESS}/",
        f"/webhook/other/{SECRET}",
        f"{ADDRESS}/more",
        "/docs",
        "/openapi.json",
    ],
)
def test_the_answer_is_the_same_whatever_is_wrong_with_the_address(port, store, path):
    assert post(port, path, REPORT) == NOT_FOUND
    assert store.kept == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_only_post_is_answered(port, method):
    assert post(port, ADDRESS, REPORT, method=method) == NOT_FOUND


def test_another_secret_field_than_configured_is_not_taken(store, caplog):
    account = read_account("token", {"webhook_secret": SECRET, "application_id": "42"})
    authenticator = Authenticator({"usedesk_default": account}.get)
    with serving(build_app(authenticator, store)) as port:
        assert post(port, ADDRESS, {**REPORT, "secret": "43"}) == NOT_FOUND
        assert store.kept == []
        assert post(port, ADDRESS, {**REPORT, "secret": "42"}) == (200, "ok\n")
        assert post(port, ADDRESS, {**REPORT, "secret": "token"}) == (200, "ok\n")
        assert post(port, ADDRESS, REPORT) == (200, "ok\n")


@pytest.mark.parametrize(
    ("body", "content_type", "why"),
    [
        (b"", "application/json", "the body is empty"),
        (b"{", "application/json", "the body is not JSON"),
        (b"[1]", "application/json", "the body is not a JSON object"),
        (b'{"a": NaN}', "application/json", "the body is not JSON"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "application/json", "the body is not JSON"),
        (b'{"a": "\xff"}', "application/json", "the body is not UTF-8"),
        (b"[" * 100_000, "application/json", "the body is not JSON"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "application/json", "the body is nested too deeply"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "application/json", "the body is not JSON"),
        (b"", FORM, "the body is empty"),
        (b"a=%ff", FORM, "the body is not a form"),
        (b"&".join([b"a[]=1"] * 1001), FORM, "the body is not a form"),
        (b"hello", "multipart/form-data; boundary=b", "the body is not multipart"),
        (b"hello", "multipart/form-data", "the body is not multipart"),
        (b"<a/>", "application/xml", "the body is not JSON"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(port, store, body, content_type, why):
    assert post(port, ADDRESS, body, content_type) == (400, f"{why}\n")
    assert store.kept == []


def test_a_body_that_is_too_large_is_refused_told_in_advance_or_not(port, store):
    assert post(port, ADDRESS, b" " * (2**20 + 1))[0] == 413
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sender:
        sender.sendall(f"POST {ADDRESS} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        for _ in range(32):
            sender.sendall(b"8000\r\n" + b" " * 0x8000 + b"\r\n")
        # One byte too many, and the last one: whoever goes on sending may not get to read the answer.
        sender.sendall(b"1\r\n \r\n")
        assert sender.recv(100).startswith(b"HTTP/1.1 413")
    assert store.kept == []


def test_a_body_that_does_not_come_is_not_waited_for(port, store):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sender:
        sender.sendall(f"POST {ADDRESS} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{{".encode())
        assert sender.recv(100).startswith(b"HTTP/1.1 408")
    assert store.kept == []


def test_what_was_not_stored_is_not_called_stored(port, store, caplog):
    store.error = RuntimeError(SECRET)
    assert post(port, ADDRESS, REPORT) == (503, "not stored, try again\n")
    assert "A delivery webhook to usedesk_default was not stored: RuntimeError." in caplog.text
    assert SECRET not in caplog.text


def test_a_store_that_takes_too_long_did_not_store(authenticator):
    class Slow(Notes):
        async def keep(self, conn_id, event):
            await asyncio.sleep(30)

    with serving(build_app(authenticator, Slow(), store_seconds=0.1)) as port:
        assert post(port, ADDRESS, REPORT) == (503, "not stored, try again\n")


@pytest.mark.parametrize("fault", [RuntimeError, TimeoutError])
def test_a_fault_of_the_gate_is_no_trace_for_the_sender(store, fault):
    def broken(conn_id):
        raise fault(SECRET)

    with serving(build_app(Authenticator(broken), store)) as port:
        assert post(port, ADDRESS, REPORT) == (503, "not stored, try again\n")


@pytest.mark.parametrize(
    "path", [ADDRESS, f"{ADDRESS}/more", f"/webhook/other/{SECRET}", f"/webhook/{SECRET}"]
)
def test_an_access_log_does_not_see_the_secret(authenticator, store, path):
    seen = []
    app = build_app(authenticator, store)

    async def logged(scope, receive, send):
        async def noted(message):
            seen.append(f"{scope['path']} {scope['raw_path']}")
            await send(message)

        await app(scope, receive, noted)
        seen.append(f"{scope['path']} {scope['raw_path']}")

    with serving(logged) as port:
        post(port, path, REPORT)
    assert len(seen) > 1
    for line in seen:
        assert SECRET not in line
        assert line.startswith("/webhook/")


def test_a_request_that_is_never_answered_leaves_no_secret_behind():
    async def broken(scope, receive, send):
        raise RuntimeError

    scope = {"type": "http", "path": ADDRESS, "raw_path": ADDRESS.encode()}
    with pytest.raises(RuntimeError):
        asyncio.run(hiding_secrets(broken)(scope, None, None))
    assert SECRET not in str(scope)
