"""Webhooks on a whole Airflow, whose API server dies meanwhile."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing

import pytest

pytest.importorskip("airflow.sdk", reason="a whole Airflow is started on Airflow 3 only")

import requests

from airflow_provider_usedesk.delivery_reports import state_key
from airflow_provider_usedesk.webhook.__main__ import standalone_app
from airflow_provider_usedesk.webhook.rest import AirflowApi
from dev.local_airflow import LocalAirflow
from tests.end_to_end.test_send_once import DAGS
from tests.end_to_end.test_waiting import until
from tests.webhook.conftest import SECRET, post, serving

pytestmark = pytest.mark.airflow

DAG = "usedesk_reports"
PATH = f"/usedesk/webhook/usedesk_default/{SECRET}"
CONNECTION = json.dumps({"conn_type": "usedesk", "password": "token", "extra": {"webhook_secret": SECRET}})
BEFORE, AFTER = range(1000, 1200), range(2000, 2050)


@pytest.fixture(scope="module")
def airflow():
    with LocalAirflow(DAGS, env={"AIRFLOW_CONN_USEDESK_DEFAULT": CONNECTION}) as running:
        running.wait_for_dag(DAG)
        running.unpause(DAG)
        yield running


def report(ticket_id, status="DELIVERED"):
    part = {"delivery_status": status, "comment_id": 7, "extras": {"ticket_id": ticket_id}}
    return {"message_status": part}


def rows(airflow, query):
    with closing(sqlite3.connect(airflow.home / "airflow.db", timeout=30)) as database:
        return database.execute(query).fetchall()


def reported(airflow):
    """The tickets of all events, each as often as it has one."""
    return [json.loads(extra)["ticket_id"] for (extra,) in rows(airflow, "SELECT extra FROM asset_event")]


def remembered(airflow):
    return {key for (key,) in rows(airflow, "SELECT key FROM asset_state_store WHERE key LIKE 'ticket/%'")}


def runs(airflow):
    found = airflow.call("GET", f"/dags/{DAG}/dagRuns", params={"limit": 100})["dag_runs"]
    return [run["dag_run_id"] for run in found if run["state"] == "success"]


def test_a_dag_runs_with_the_report_and_the_log_does_not_have_the_secret(airflow):
    assert post(airflow.port, PATH, report(1, "Unknown")) == (200, "ok\n")
    assert post(airflow.port, PATH, report(1, "Unknown")) == (200, "ok\n")
    assert post(airflow.port, f"/usedesk/webhook/other/{SECRET}", report(2)) == (404, "not found\n")
    until(lambda: runs(airflow), 120)
    [run] = runs(airflow)
    assert airflow.xcom(DAG, run, "note") == [[1, "Unknown"]]
    log = (airflow.home / "components" / "api-server.log").read_text()
    assert "/usedesk/webhook/usedesk_default/***" in log
    assert SECRET not in log


def test_the_receiver_that_stands_alone_hands_reports_on(airflow, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_USEDESK_DEFAULT", CONNECTION)
    token = requests.get(f"{airflow.url}/auth/token", timeout=30).json()["access_token"]
    api = AirflowApi(airflow.url, token=token)
    assert api.check().startswith("3.")
    with serving(standalone_app(api)) as port:
        assert post(port, PATH, report(3)) == (200, "ok\n")
        assert post(port, PATH, report(3)) == (200, "ok\n")
        assert post(port, PATH, {"ticket": {"id": 4}}) == (200, "ok\n")
        assert post(port, "/usedesk/webhook/usedesk_default/wrong", report(5)) == (404, "not found\n")
    assert [reported(airflow).count(ticket) for ticket in (3, 4, 5)] == [1, 0, 0]
    assert state_key(3) in remembered(airflow)


def test_every_report_that_was_answered_is_there_after_the_api_server_was_killed(airflow):
    answered, killed = [], threading.Event()

    def send():
        for ticket in BEFORE:
            try:
                if post(airflow.port, PATH, report(ticket))[0] == 200:
                    answered.append(ticket)
            except OSError:
                killed.wait(60)
                return

    sender = threading.Thread(target=send)
    sender.start()
    until(lambda: len(answered) >= 20, 60)
    airflow.kill("api-server")
    killed.set()
    sender.join()
    assert len(answered) < len(BEFORE)
    airflow.revive("api-server")
    airflow.wait_until_healthy(120)
    for ticket in AFTER:
        assert post(airflow.port, PATH, report(ticket)) == (200, "ok\n")
    tickets = reported(airflow)
    assert {ticket: tickets.count(ticket) for ticket in (*answered, *AFTER)} == dict.fromkeys(
        (*answered, *AFTER), 1
    )
    assert {state_key(ticket) for ticket in (*answered, *AFTER)} <= remembered(airflow)
