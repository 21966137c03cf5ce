"""Idle connections to the stand-alone receiver, and those that send their headers slowly."""

from __future__ import annotations

import socket
from contextlib import ExitStack

import pytest

pytest.importorskip("airflow.sdk", reason="the receiver needs Airflow 3")

from airflow_provider_usedesk.webhook import connection_limits
from airflow_provider_usedesk.webhook.app import build_app
from airflow_provider_usedesk.webhook.connection_limits import LimitedProtocol
from tests.webhook.conftest import ADDRESS, REPORT, post, serving


@pytest.fixture
def limited_port(authenticator, store):
    with serving(build_app(authenticator, store), http=LimitedProtocol) as port:
        yield port


def connect(port, stack, sent=b""):
    sender = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
    sender.sendall(sent)
    return sender


@pytest.mark.parametrize("sent", [b"", b"POST /webhook HTTP/1.1\r\nHost: x\r\n"], ids=["idle", "half"])
def test_connection_without_request_is_closed(limited_port, monkeypatch, sent):
    monkeypatch.setattr(connection_limits, "HEADER_SECONDS", 0.2)
    with ExitStack() as stack:
        assert connect(limited_port, stack, sent).recv(1) == b""


def test_second_request_has_a_deadline_too(limited_port, monkeypatch):
    monkeypatch.setattr(connection_limits, "HEADER_SECONDS", 0.2)
    with ExitStack() as stack:
        sender = connect(
            limited_port, stack, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET /health HTTP/1.1\r\n"
        )
        received = b""
        while part := sender.recv(1000):
            received += part
    assert received.count(b"HTTP/1.1 200") == 1


def test_oldest_waiting_connection_makes_room(limited_port, store, monkeypatch):
    monkeypatch.setattr(connection_limits, "MAX_CONNECTIONS", 3)
    with ExitStack() as stack:
        senders = [connect(limited_port, stack) for _ in range(5)]
        assert post(limited_port, ADDRESS, REPORT) == (200, "ok\n")
        assert senders[0].recv(1) == b""
        assert senders[1].recv(1) == b""
    assert len(store.saved) == 1


def test_flood_does_not_refuse_webhooks(limited_port, store):
    with ExitStack() as stack:
        for _ in range(connection_limits.MAX_CONNECTIONS + 100):
            connect(limited_port, stack)
        assert post(limited_port, ADDRESS, REPORT) == (200, "ok\n")
