"""Webhooks and watchers on a whole Airflow, whose API server and triggerer die meanwhile."""

from __future__ import annotations

import json
import re
import threading
import time
from datetime import UTC, datetime

import pytest

pytest.importorskip("airflow.sdk", reason="a whole Airflow is started on Airflow 3 only")

import requests

from airflow_provider_usedesk.api.client import UsedeskClient
from airflow_provider_usedesk.delivery.reports import state_key
from airflow_provider_usedesk.sandbox import Sandbox, Webhooks
from airflow_provider_usedesk.webhook import rest
from airflow_provider_usedesk.webhook.__main__ import standalone_app
from airflow_provider_usedesk.webhook.rest import AirflowApi
from dev.airflow_client import AirflowClientError
from dev.local_airflow import LocalAirflow
from tests.support.whole_airflow import DAGS, QUICK_TO_NOTICE, local_airflow, rows, until
from tests.webhook.conftest import SECRET, post, serving

pytestmark = pytest.mark.airflow

DAG, WATCHER, SENDING = "usedesk_reports", "usedesk_watches", "usedesk_delivery"
PATH = f"/usedesk/webhook/usedesk_default/{SECRET}"
PARSE_SECONDS = 5
# Seconds to wait for anything, on the slowest machine.
LIMIT = 300
LOCKED = "LockNotAvailable|database is locked"
TRACEBACK_LINES = 150
BEFORE, AFTER = range(1000, 5000), range(5000, 5050)


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(webhooks=Webhooks(delivery_status=None)) as running:
        yield running


@pytest.fixture(scope="module")
def other_sandbox():
    with Sandbox(webhooks=Webhooks(delivery_status=None, encoding="form", repeats=2)) as running:
        yield running


def connection_to(sandbox):
    extra = {**sandbox.connection["extra"], "webhook_secret": SECRET}
    return json.dumps({**sandbox.connection, "extra": extra})


@pytest.fixture(scope="module")
def airflow(sandbox, other_sandbox):
    env = {
        "AIRFLOW_CONN_USEDESK_DEFAULT": connection_to(sandbox),
        "AIRFLOW_CONN_USEDESK_OTHER": connection_to(other_sandbox),
    }
    with local_airflow(DAGS, env={**env, **QUICK_TO_NOTICE}, parse_every=PARSE_SECONDS) as running:
        for dag in (DAG, WATCHER, SENDING):
            running.wait_for_dag(dag)
            running.unpause(dag)
        yield running


def report(ticket_id, status="DELIVERED"):
    part = {"delivery_status": status, "comment_id": 7, "extras": {"ticket_id": ticket_id}}
    return {"message_status": part}


def reported(airflow):
    """The tickets of all reports, each as often as it has one."""
    return [extra["ticket_id"] for extra in extras(airflow) if "payload" not in extra]


def watched(airflow):
    """The tickets of all events of watchers, each as often as it has one."""
    return [extra["payload"]["ticket_id"] for extra in extras(airflow) if "payload" in extra]


def extras(airflow):
    found = [extra for (extra,) in rows(airflow, "SELECT extra FROM asset_event")]
    return [json.loads(extra) if isinstance(extra, str) else extra for extra in found]


def stored_keys(airflow):
    return {key for (key,) in rows(airflow, "SELECT key FROM asset_state_store WHERE key LIKE 'report/%'")}


def runs(airflow, dag=DAG):
    found = airflow.call("GET", f"/dags/{dag}/dagRuns", params={"limit": 100})["dag_runs"]
    return [run["dag_run_id"] for run in found if run["state"] == "success"]


def noted(airflow):
    """The tickets that all runs of the watching Dag have noted."""
    return [ticket for run in runs(airflow, WATCHER) for ticket in airflow.xcom(WATCHER, run, "note")]


def test_report_starts_a_dag_without_logging_the_secret(airflow):
    assert post(airflow.port, PATH, report(1, "Unknown")) == (200, "ok\n")
    assert post(airflow.port, PATH, report(1, "Unknown")) == (200, "ok\n")
    assert post(airflow.port, f"/usedesk/webhook/other/{SECRET}", report(2)) == (404, "not found\n")
    until(lambda: runs(airflow), LIMIT)
    [run] = runs(airflow)
    assert airflow.xcom(DAG, run, "note") == [[1, "Unknown"]]
    log = (airflow.home / "components" / "api-server.log").read_text()
    assert "/usedesk/***" in log
    assert SECRET not in log


def test_report_resumes_the_sender_and_starts_a_dag(airflow, sandbox, other_sandbox):
    sandbox.redirect_url = f"{airflow.url}{PATH}"
    other_sandbox.redirect_url = f"{airflow.url}/usedesk/webhook/usedesk_other/{SECRET}"
    before = set(runs(airflow))
    run = airflow.trigger(SENDING).run_id
    senders = (("usedesk_default", sandbox), ("usedesk_other", other_sandbox))
    for connection, place in senders:
        until(lambda name=f"send_{connection}": is_deferred(airflow, run, name), LIMIT)
        [ticket] = place.tickets
        # The ticket itself shows that a message is delivered, but not that it is read.
        place.send_report(ticket.ticket_id, "READ")
    until(lambda: set(runs(airflow)) - before, LIMIT)
    airflow.wait_for_success(SENDING, run)
    for connection, place in senders:
        [ticket] = place.tickets
        task = airflow.task_instance(SENDING, run, f"send_{connection}")
        log = airflow.task_log(SENDING, run, f"send_{connection}")
        assert airflow.xcom(SENDING, run, f"send_{connection}") == ticket.ticket_id
        assert (task.try_number, place.requests("create/ticket")) == (1, 1)
        assert "is READ" in log
        events = [extra for extra in extras(airflow) if extra.get("usedesk_conn_id") == connection]
        assert [extra["ticket_id"] for extra in events].count(ticket.ticket_id) == 1
    [ticket] = sandbox.tickets
    [following] = set(runs(airflow)) - before
    assert [ticket.ticket_id, "READ"] in airflow.xcom(DAG, following, "note")
    print_times(airflow, sandbox, ticket, run, following)
    sandbox.redirect_url = None


def is_deferred(airflow, run, task_id):
    return airflow.task_instance(SENDING, run, task_id).state == "deferred"


def print_times(airflow, sandbox, ticket, run, following):
    """Print when each step happened."""
    [sent] = [one for one in sandbox.webhooks_sent if one.kind == "delivery"]
    uri = "usedesk://usedesk_default/delivery"
    of_asset = f"SELECT id FROM asset WHERE uri = '{uri}'"
    [(stored,)] = rows(airflow, f"SELECT max(timestamp) FROM asset_event WHERE asset_id = ({of_asset})")
    began = airflow.call("GET", f"/dags/{DAG}/dagRuns/{following}")["start_date"]
    path = f"/dags/{SENDING}/dagRuns/{run}/taskInstances/send_usedesk_default"
    ended = airflow.call("GET", path)["end_date"]
    moments = {
        "webhook sent": sent.at,
        "event stored": datetime.fromisoformat(str(stored)).replace(tzinfo=UTC),
        "run of the second Dag began": datetime.fromisoformat(began),
        "deferred task done": datetime.fromisoformat(ended),
    }
    for what, moment in moments.items():
        print(f"{what}: {(moment - ticket.created_at).total_seconds():.2f} s after the ticket was made")


def test_standalone_receiver_forwards_reports(airflow, sandbox, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_USEDESK_DEFAULT", connection_to(sandbox))
    # An API server on a busy machine needs more than the limits of the receiver.
    monkeypatch.setattr(rest, "TIMEOUT", (60, 120))
    token = requests.get(f"{airflow.url}/auth/token", timeout=30).json()["access_token"]
    api = AirflowApi(airflow.url, token=token)
    assert api.check().startswith("3.")
    with serving(standalone_app(api)) as port:
        assert post(port, PATH, report(3)) == (200, "ok\n")
        assert post(port, PATH, report(3)) == (200, "ok\n")
        assert post(port, PATH, {"ticket": {"id": 4}}) == (200, "ok\n")
        assert post(port, "/usedesk/webhook/usedesk_default/wrong", report(5)) == (404, "not found\n")
    assert [reported(airflow).count(ticket) for ticket in (3, 4, 5)] == [1, 0, 0]
    assert state_key(3) in stored_keys(airflow)


def test_acknowledged_reports_survive_the_api_server(airflow):
    acknowledged, killed = [], threading.Event()

    def send():
        for ticket in BEFORE:
            try:
                if post(airflow.port, PATH, report(ticket))[0] == 200:
                    acknowledged.append(ticket)
            except OSError:
                killed.wait(60)
                return

    sender = threading.Thread(target=send)
    sender.start()
    until(lambda: len(acknowledged) >= 20, LIMIT)
    airflow.kill("api-server")
    killed.set()
    sender.join()
    assert len(acknowledged) < len(BEFORE)
    airflow.revive("api-server")
    airflow.wait_until_healthy(LIMIT)
    for ticket in AFTER:
        assert post(airflow.port, PATH, report(ticket)) == (200, "ok\n")
    tickets = reported(airflow)
    assert {ticket: tickets.count(ticket) for ticket in (*acknowledged, *AFTER)} == dict.fromkeys(
        (*acknowledged, *AFTER), 1
    )
    assert {state_key(ticket) for ticket in (*acknowledged, *AFTER)} <= stored_keys(airflow)


def test_ticket_events_survive_the_triggerer(airflow, sandbox):
    until(lambda: rows(airflow, "SELECT 1 FROM asset_state_store WHERE key LIKE 'cursor/%'"), LIMIT)
    with UsedeskClient.connect(sandbox.token, sandbox.url) as client:

        def make(tag):
            return client.create_ticket(subject="s", message="m", tag=tag).ticket_id

        made = [make("refund"), make("vip")]
        make("other")
        until(lambda: set(made) <= set(watched(airflow)), LIMIT)
        lists = sandbox.requests("tickets")
        made += [make("refund") for _ in range(20)]
        # The list shows them after two seconds: some are fired by now, and some are not.
        until(lambda: len(watched(airflow)) > 2, LIMIT)
        airflow.kill("triggerer")
        made += [make("refund") for _ in range(20)]
        airflow.revive("triggerer")
        until(lambda: set(made) <= set(watched(airflow)), LIMIT)
        until(lambda: sandbox.requests("tickets") >= lists + 6, LIMIT)
    assert sorted(watched(airflow)) == sorted(made)
    until(lambda: set(made) <= set(noted(airflow)), LIMIT)
    assert sorted(noted(airflow)) == sorted(made)
    assert_new_tickets_start_runs(airflow, sandbox)


def test_each_ticket_starts_a_run_on_sqlite(sandbox):
    env = {"AIRFLOW_CONN_USEDESK_DEFAULT": connection_to(sandbox)}
    with LocalAirflow(DAGS, env=env, parse_every=PARSE_SECONDS) as running:
        running.wait_for_dag(WATCHER)
        running.unpause(WATCHER)
        until(lambda: is_watched(running, sandbox), LIMIT)
        assert_new_tickets_start_runs(running, sandbox)


def is_watched(airflow, sandbox):
    """Make a ticket, and return whether a watcher has fired its event."""
    with UsedeskClient.connect(sandbox.token, sandbox.url) as client:
        client.create_ticket(subject="s", message="m", tag="refund")
    return in_runs(airflow)


def assert_new_tickets_start_runs(airflow, sandbox):
    """Several tickets in one poll, and tickets at the moment of pausing, are in a run without another one."""
    with UsedeskClient.connect(sandbox.token, sandbox.url) as client:

        def make(tag):
            return client.create_ticket(subject="s", message="m", tag=tag).ticket_id

        for _ in range(3):
            made = {make(tag) for tag in ("refund", "vip") * 10}
            until(lambda made=made: made <= set(in_runs(airflow)), LIMIT)
        made = {make("refund") for _ in range(3)}
        airflow.pause(WATCHER)
        made |= {make("vip") for _ in range(3)}
        # The watchers end with the next parsing of the file: they may fire before that, or after the pause.
        time.sleep(2 * PARSE_SECONDS)
        airflow.unpause(WATCHER)
        until(lambda: made <= set(in_runs(airflow)), LIMIT)
    taken = in_runs(airflow)
    assert len(taken) == len(set(taken))
    assert warnings_of_listeners(airflow) == []


def warnings_of_listeners(airflow):
    logs = [airflow.home / "components" / f"{name}.log" for name in ("scheduler", "triggerer")]
    lines = [line for log in logs for line in log.read_text().splitlines()]
    warnings = [
        number
        for number, line in enumerate(lines)
        if "warning" in line and "airflow_provider_usedesk.listeners" in line
    ]
    # On a machine that stalls, another process has the row for longer than the listener waits.
    return [lines[n] for n in warnings if not re.search(LOCKED, "\n".join(lines[n : n + TRACEBACK_LINES]))]


def in_runs(airflow):
    """The tickets of the events that runs have taken, each as often as runs have taken it."""
    newest = {"limit": 100, "order_by": "-timestamp"}
    try:
        found = airflow.call("GET", "/assets/events", params=newest)["asset_events"]
    except AirflowClientError:  # Airflow 3.3.2 shows no events of a run that has not started yet
        return []
    events = [event for event in found if "payload" in event["extra"]]
    return sorted(
        event["extra"]["payload"]["ticket_id"] for event in events for _ in event["created_dagruns"]
    )
