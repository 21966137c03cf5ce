"""The receiver in Airflow's API server, and the webhook secrets that it reads from connections."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

pytest.importorskip("airflow.sdk", reason="the receiver needs Airflow 3")

from airflow.models.connection import Connection
from airflow.secrets.environment_variables import EnvironmentVariablesBackend
from airflow.secrets.metastore import MetastoreBackend
from sqlalchemy.exc import OperationalError

from airflow_provider_usedesk.webhook import plugin_app
from airflow_provider_usedesk.webhook.plugin_app import secrets_in_airflow
from tests.webhook.conftest import SECRET


@pytest.fixture(autouse=True)
def database(airflow_db):
    pass


def test_only_usedesk_connections_count(monkeypatch):
    extra = {"webhook_secret": SECRET}
    monkeypatch.setenv("AIRFLOW_CONN_OURS", json.dumps({"conn_type": "usedesk", "extra": extra}))
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps({"conn_type": "http", "extra": extra}))
    assert secrets_in_airflow("ours").match_path(SECRET)
    assert secrets_in_airflow("other") is None


@pytest.mark.parametrize("conn_id", ["nobody", "a\x00b", "x" * 10_000], ids=["unknown", "nul", "long"])
def test_unknown_connection_has_no_secrets(conn_id):
    assert secrets_in_airflow(conn_id) is None


def test_unknown_connection_is_looked_up_once(monkeypatch):
    asked = []
    monkeypatch.setattr(MetastoreBackend, "get_connection", lambda self, conn_id: asked.append(conn_id))
    assert secrets_in_airflow("nobody") is None
    assert asked == ["nobody"]


def test_failed_backend_is_skipped(monkeypatch):
    def down(*args, **kwargs):
        raise OSError

    monkeypatch.setattr(EnvironmentVariablesBackend, "get_connection", down)
    found = Connection(conn_id="mine", conn_type="usedesk", extra=json.dumps({"webhook_secret": SECRET}))
    monkeypatch.setattr(MetastoreBackend, "get_connection", lambda self, conn_id, **kwargs: found)
    assert secrets_in_airflow("mine").match_path(SECRET)


def test_database_error_is_raised(monkeypatch):
    def down(*args, **kwargs):
        raise OperationalError("", {}, Exception("server closed the connection"))

    monkeypatch.setattr(MetastoreBackend, "get_connection", down)
    with pytest.raises(OperationalError):
        secrets_in_airflow("usedesk_stored")
    assert secrets_in_airflow("a\x00b") is None


@pytest.fixture
def built(monkeypatch):
    """The calls of the applications that were built, one list for each."""
    apps = []

    def build():
        calls = []
        apps.append(calls)
        time.sleep(0.05)

        async def app(scope, receive, send):
            calls.append(scope)

        return app

    monkeypatch.setattr(plugin_app, "_app", None)
    monkeypatch.setattr(plugin_app, "_build", build)
    return apps


async def burst(number):
    await asyncio.gather(*(plugin_app.receiver({"number": one}, None, None) for one in range(number)))


def test_first_burst_builds_one_application(built):
    asyncio.run(burst(8))
    [calls] = built
    assert len(calls) == 8


def test_later_webhook_uses_no_thread(built, monkeypatch):
    asyncio.run(burst(1))
    monkeypatch.setattr(asyncio, "to_thread", None)
    asyncio.run(burst(1))
    [calls] = built
    assert len(calls) == 2
