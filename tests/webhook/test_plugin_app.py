"""Who may send webhooks to Airflow's API server: what its connections say."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("airflow.sdk", reason="the receiver needs Airflow 3")

from airflow.secrets.metastore import MetastoreBackend
from sqlalchemy.exc import OperationalError

from airflow_provider_usedesk.webhook.plugin_app import account_in_airflow
from tests.webhook.conftest import SECRET


@pytest.fixture(autouse=True)
def database(airflow_db):
    pass


def test_a_connection_of_ours_says_who_may_send(monkeypatch):
    extra = {"webhook_secret": SECRET}
    monkeypatch.setenv("AIRFLOW_CONN_OURS", json.dumps({"conn_type": "usedesk", "extra": extra}))
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps({"conn_type": "http", "extra": extra}))
    assert account_in_airflow("ours").knows(SECRET)
    assert account_in_airflow("other") is None


@pytest.mark.parametrize("conn_id", ["nobody", "a\x00b", "x" * 10_000])
def test_nobody_may_send_to_what_is_no_connection(conn_id):
    assert account_in_airflow(conn_id) is None


def test_a_database_that_does_not_answer_is_not_taken_for_one_without_the_connection(monkeypatch):
    def down(*args, **kwargs):
        raise OperationalError("", {}, Exception("server closed the connection"))

    monkeypatch.setattr(MetastoreBackend, "get_connection", down)
    with pytest.raises(OperationalError):
        account_in_airflow("usedesk_stored")
    assert account_in_airflow("a\x00b") is None
