"""The rate limit store of a connection: the machine, or all workers through Redis."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import sys
import threading

import pytest
from fakeredis import TcpFakeServer
from redis import Redis

from airflow_provider_usedesk.api import errors
from airflow_provider_usedesk.api.rate_limit_stores import machine_store
from airflow_provider_usedesk.hooks import rate_limit_store
from airflow_provider_usedesk.hooks.usedesk import UsedeskHook
from airflow_provider_usedesk.polling.client_thread import ClientThread
from tests.support.airflow import TOKEN, URL

REFUSAL = {"status_code": 429, "headers": {"Retry-After": "3600"}}


@pytest.fixture(autouse=True)
def no_stores(monkeypatch):
    monkeypatch.setattr(rate_limit_store, "_redis_stores", {})


@pytest.fixture(scope="module")
def redis_server():
    server = TcpFakeServer(("127.0.0.1", 0))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def redis_port(redis_server):
    """The port of an empty Redis."""
    port = redis_server.server_address[1]
    with Redis(port=port) as client:
        client.flushall()
    return port


@pytest.fixture
def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture
def connect(monkeypatch):
    """Define the Usedesk connection and a Redis connection."""

    def connect(redis_port: int, **redis) -> None:
        extra = {"redis_conn_id": "my_redis", "max_wait": 0}
        usedesk_connection = {"conn_type": "usedesk", "host": URL, "password": TOKEN, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_USEDESK_DEFAULT", json.dumps(usedesk_connection))
        redis_connection = {"conn_type": "redis", "host": "127.0.0.1", "port": redis_port, **redis}
        monkeypatch.setenv("AIRFLOW_CONN_MY_REDIS", json.dumps(redis_connection))

    return connect


def test_hooks_share_machine_rate_limit(usedesk, rate_limits):
    usedesk.post(f"{URL}/groups", **REFUSAL)
    for _ in range(2):
        with pytest.raises(errors.UsedeskRateLimited):
            UsedeskHook().groups()
    assert usedesk.call_count == 1
    assert UsedeskHook().settings().rate_limit_store is machine_store()
    [file] = rate_limits.iterdir()
    assert TOKEN not in f"{file.name}{file.read_text()}"


def test_triggers_share_machine_rate_limit(usedesk):
    usedesk.post(f"{URL}/groups", **REFUSAL)
    with pytest.raises(errors.UsedeskRateLimited):
        UsedeskHook().groups()
    thread = ClientThread("test")

    async def read_groups():
        return await thread.call(await UsedeskHook().asettings(), lambda client: client.groups())

    try:
        with pytest.raises(errors.UsedeskRateLimited):
            asyncio.run(read_groups())
    finally:
        thread.close()
    assert usedesk.call_count == 1


def test_redis_shares_rate_limit_between_machines(usedesk, connect, redis_port, rate_limits):
    connect(redis_port)
    usedesk.post(f"{URL}/groups", **REFUSAL)
    with pytest.raises(errors.UsedeskRateLimited):
        UsedeskHook().groups()
    rate_limit_store._redis_stores.clear()
    with pytest.raises(errors.UsedeskRateLimited):
        UsedeskHook().groups()
    assert usedesk.call_count == 1
    assert not rate_limits.exists()


def test_changed_connection_gets_new_store(connect, redis_port):
    connect(redis_port)
    store = UsedeskHook().settings().rate_limit_store
    assert UsedeskHook().settings().rate_limit_store is store
    connect(redis_port, extra={"db": 1})
    assert UsedeskHook().settings().rate_limit_store is not store


def test_unreachable_redis_blocks_no_send(usedesk, connect, closed_port, rate_limits, caplog):
    connect(closed_port, password="pa55word")
    for _ in range(3):
        UsedeskHook().create_ticket(subject="s", message="m")
    assert len(usedesk.sent()) == 3
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    [warning] = [record.getMessage() for record in warnings if "rate limit" in record.getMessage()]
    assert "Each machine keeps to the rate limit" in warning
    assert "my_redis" in warning
    assert "pa55word" not in caplog.text
    assert rate_limits.exists()


def test_connection_test_reports_unreachable_redis(usedesk, connect, closed_port, redis_port):
    usedesk.post(f"{URL}/groups", json=[])
    connect(closed_port)
    assert UsedeskHook().test_connection() == (
        False,
        "connected, 0 groups visible, but the Redis of my_redis cannot be reached",
    )
    connect(redis_port)
    assert UsedeskHook().test_connection() == (True, "connected, 0 groups visible")


class TestInvalidConnection:
    """An invalid Redis connection fails before anything is sent."""

    @pytest.fixture(autouse=True)
    def nothing_is_sent(self, usedesk):
        yield
        assert usedesk.call_count == 0

    def test_missing_redis_provider_sends_nothing(self, connect, monkeypatch):
        connect(1)
        monkeypatch.setitem(sys.modules, "airflow.providers.redis.hooks.redis", None)
        with pytest.raises(
            errors.UsedeskBadConnection, match=r"pip install .*airflow-provider-usedesk\[redis\]"
        ):
            UsedeskHook().create_ticket(subject="s", message="m")

    def test_missing_redis_connection_sends_nothing(self, connect, monkeypatch, airflow_db):
        connect(1)
        monkeypatch.delenv("AIRFLOW_CONN_MY_REDIS")
        with pytest.raises(errors.UsedeskBadConnection, match="'my_redis', but Airflow has no such"):
            UsedeskHook().create_ticket(subject="s", message="m")

    @pytest.mark.parametrize("wrong", [{"conn_type": "http"}, {"extra": {"cluster": True}}])
    def test_unsuitable_redis_connection_sends_nothing(self, connect, wrong):
        connect(1, **wrong)
        with pytest.raises(errors.UsedeskBadConnection, match="type redis, to a single Redis"):
            UsedeskHook().create_ticket(subject="s", message="m")
