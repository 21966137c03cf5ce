"""The webhook secrets that Airflow's API server reads from its connections."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("airflow.sdk", reason="the receiver needs Airflow 3")

from airflow.secrets.metastore import MetastoreBackend
from sqlalchemy.exc import OperationalError

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


def test_database_error_is_raised(monkeypatch):
    def down(*args, **kwargs):
        raise OperationalError("", {}, Exception("server closed the connection"))

    monkeypatch.setattr(MetastoreBackend, "get_connection", down)
    with pytest.raises(OperationalError):
        secrets_in_airflow("usedesk_stored")
    assert secrets_in_airflow("a\x00b") is None
