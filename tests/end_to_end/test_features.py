"""
Each feature on a whole Airflow of any version: scheduler, API server, Dag processor, triggerer.

The outcomes are the table "Features" of docs/compatibility.md.
"""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
from contextlib import contextmanager
from importlib.util import find_spec

import pytest

from airflow_provider_usedesk.compat.version import AIRFLOW, HAS_STATE_STORES
from airflow_provider_usedesk.get_provider_info import get_provider_info
from airflow_provider_usedesk.idempotency.keys import parse_key
from airflow_provider_usedesk.sandbox import Webhooks
from dev import DEMO_DAG, EXAMPLE_DAGS
from dev.airflow_client import AirflowClientError
from dev.local_airflow import free_port
from tests.end_to_end.conftest import SECRET
from tests.end_to_end.dags.usedesk_features import REPORTED, ROWS
from tests.support.features import feature, missing
from tests.support.version import (
    HAS_ASSET_WATCHERS,
    HAS_DEADLINES,
    HAS_FORM_WITHOUT_FAB,
    RETRIES_KILLED_TASKS,
)
from tests.support.whole_airflow import outcomes, start, until, until_taken_over
from tests.webhook.conftest import post

pytestmark = pytest.mark.airflow

APPROVAL, KILLED, FAILING = "usedesk_approval", "usedesk_dies_once", "usedesk_failure_alert"
LATE, NEW_TICKET = "usedesk_deadline_alert", "usedesk_new_ticket"
REPORTS, FEATURES = "usedesk_reports", "usedesk_features"
IS_3 = AIRFLOW >= (3, 0)
HAS_FORM = HAS_FORM_WITHOUT_FAB or find_spec("flask_appbuilder") is not None
CONF = {FAILING: {"rows": 0}}
STARTED_BY_EVENTS = (NEW_TICKET, REPORTS)
SOLVED = 2
# Seconds to wait for anything, on the slowest machine.
LIMIT = 300
PATH = f"/usedesk/webhook/usedesk_default/{SECRET}"


@pytest.fixture(scope="module")
def runs(request, airflow, default_sandbox):
    """The runs of the Dags of all selected tests, started at once: most of each is waiting."""
    default_sandbox.reset()
    # Nothing is delivered until a test says so.
    default_sandbox.webhooks = Webhooks(delivery_status=None)
    default_sandbox.redirect_url = f"{airflow.url}{PATH}" if IS_3 else None
    marks = [mark for item in request.session.items for mark in item.iter_markers("feature")]
    dags = list(dict.fromkeys(dag for *_, dag in (mark.args for mark in marks) if dag))
    for dag in dags:
        airflow.wait_for_dag(dag)
        airflow.unpause(dag)
    yield {dag: airflow.trigger(dag, CONF.get(dag)).run_id for dag in dags if dag not in STARTED_BY_EVENTS}
    default_sandbox.webhooks, default_sandbox.redirect_url = Webhooks(), None


@pytest.mark.smoke
@feature("Operators send", dag=DEMO_DAG)
def test_operators_send(airflow, runs, default_sandbox):
    airflow.wait_for_success(DEMO_DAG, runs[DEMO_DAG])
    tasks = outcomes(airflow, DEMO_DAG, runs[DEMO_DAG])
    ids = {task.xcoms["ticket_id"] for task in tasks.values() if "ticket_id" in task.xcoms}
    assert len(ids) == 2
    assert ids <= {ticket.ticket_id for ticket in default_sandbox.tickets}


@pytest.mark.smoke
@feature("Connection form", has=HAS_FORM)
def test_connection_form_has_all_fields(airflow):
    [form] = get_provider_info()["connection-types"]
    assert set(fields_of_the_form(airflow)) == set(form["conn-fields"])


@pytest.mark.smoke
@missing("Connection form", has=HAS_FORM, needs="apache-airflow-providers-fab")
def test_connection_form_has_no_fields(airflow):
    assert not fields_of_the_form(airflow)


@pytest.mark.smoke
@feature("Link to the ticket", dag=DEMO_DAG)
def test_task_links_to_its_ticket(airflow, runs, default_sandbox):
    run = runs[DEMO_DAG]
    airflow.wait_for_success(DEMO_DAG, run)
    ticket_id = airflow.xcom(DEMO_DAG, run, "open_ticket")
    url = f"{default_sandbox.inbox_url}tickets/{ticket_id}"
    # Airflow stores links after the success.
    until(lambda: airflow.links(DEMO_DAG, run, "open_ticket") == {"Usedesk ticket": url}, LIMIT)


@pytest.mark.smoke
@feature("Deferral", dag=APPROVAL)
def test_deferred_sensor_resumes(airflow, runs, default_sandbox):
    run = runs[APPROVAL]
    until_state(airflow, APPROVAL, run, "approved", "deferred")
    [ticket] = [one for one in default_sandbox.tickets if "approval" in one.tags]
    assert ticket.subject == "May 17 refunds be paid?"
    default_sandbox.update(ticket.ticket_id, status=SOLVED)
    airflow.wait_for_success(APPROVAL, run)
    paid = airflow.xcom(APPROVAL, run, "pay_refunds")
    assert paid == f"17 refunds paid, ticket {ticket.ticket_id} is solved"
    url = f"{default_sandbox.inbox_url}tickets/{ticket.ticket_id}"
    until(lambda: airflow.links(APPROVAL, run, "approved") == {"Usedesk ticket": url}, LIMIT)


@pytest.mark.smoke
@feature("One ticket after a kill and a clear", dag=KILLED)
def test_killed_and_cleared_task_sends_once(airflow, runs, default_sandbox):
    run = runs[KILLED]
    if not RETRIES_KILLED_TASKS:
        assert airflow.wait_for_run(KILLED, run).state == "failed"
        airflow.clear(KILLED, run, "die")
    for attempts in (2, 3):
        airflow.wait_for_success(KILLED, run)
        [ticket] = [one for one in default_sandbox.tickets if one.subject == "Killed and retried"]
        task = outcomes(airflow, KILLED, run)["die"]
        assert (task.state, task.attempts, task.xcoms["ticket_id"]) == ("success", attempts, ticket.ticket_id)
        if attempts == 2:
            airflow.clear(KILLED, run, "die")


@feature("Notifier, with the text of the exception", dag=FAILING)
def test_notifier_tells_the_exception(airflow, runs, default_sandbox):
    airflow.wait_for_run(FAILING, runs[FAILING])
    until(lambda: "ValueError: The shop sent no orders." in texts_of(default_sandbox, FAILING), LIMIT)


@feature("`wait_for_delivery`", dag=FEATURES)
def test_operator_waits_for_delivery(airflow, runs, default_sandbox):
    run = runs[FEATURES]
    until_state(airflow, FEATURES, run, "delivered", "deferred")
    [ticket] = [one for one in default_sandbox.tickets if one.subject == "Delivered"]
    default_sandbox.send_report(ticket.ticket_id, "DELIVERED")
    until_state(airflow, FEATURES, run, "delivered", "success")
    assert airflow.xcom(FEATURES, run, "delivered") == ticket.ticket_id


@feature("Webhook ends a wait in the triggerer", has=HAS_STATE_STORES, dag=FEATURES)
def test_webhook_ends_a_deferred_wait(airflow, runs):
    run = runs[FEATURES]
    until_state(airflow, FEATURES, run, "reported", "deferred")
    assert post(airflow.port, PATH, report(REPORTED, "READ")) == (200, "ok\n")
    until_state(airflow, FEATURES, run, "reported", "success")
    assert airflow.xcom(FEATURES, run, "reported")["status"] == "READ"


@missing("Webhook ends a wait in the triggerer", has=HAS_STATE_STORES, needs="Airflow 3.3", dag=FEATURES)
def test_no_webhook_ends_a_deferred_wait(airflow, runs):
    until_state(airflow, FEATURES, runs[FEATURES], "reported", "failed")
    needed = "needs Airflow 3.0" if not IS_3 else "with deferrable=True needs Airflow 3.3"
    assert needed in last_log(airflow, runs[FEATURES], "reported")


@feature("Batches", dag=FEATURES)
def test_batch_sends_every_row(airflow, runs, default_sandbox):
    check_batch(airflow, runs, default_sandbox, "batch")


@feature("Batches without `checkpoint_path`", has=HAS_STATE_STORES, dag=FEATURES)
def test_batch_needs_no_folder(airflow, runs, default_sandbox):
    check_batch(airflow, runs, default_sandbox, "batch_without_folder")


@missing("Batches without `checkpoint_path`", has=HAS_STATE_STORES, needs="Airflow 3.3", dag=FEATURES)
def test_batch_needs_a_folder(airflow, runs, default_sandbox):
    until_state(airflow, FEATURES, runs[FEATURES], "batch_without_folder", "failed")
    log = last_log(airflow, runs[FEATURES], "batch_without_folder")
    assert "checkpoint_path: is required before Airflow 3.3" in log


@feature("Webhooks by the plugin", has=IS_3, dag=REPORTS)
def test_webhook_starts_a_dag(airflow, runs):
    assert post(airflow.port, PATH, report(1, "DELIVERED")) == (200, "ok\n")
    until(lambda: [1, "DELIVERED"] in reported(airflow), LIMIT)


@missing("Webhooks by the plugin", has=IS_3, needs="Airflow 3.0")
def test_no_receiver_in_airflow(airflow):
    assert post(airflow.port, PATH, report(1, "DELIVERED"))[0] == 404


@feature("Webhooks by the stand-alone receiver", has=IS_3, dag=REPORTS)
def test_webhook_starts_a_dag_over_the_api(airflow, runs):
    port = free_port()
    with receiver(airflow, port) as process:
        until(lambda: answers(port) or process.poll() is not None, LIMIT)
        responses = []
        # Usedesk, too, sends a webhook again for which Airflow had no time.
        until(lambda: responses.append(post(port, PATH, report(2, "READ"))) or responses[-1][0] != 503, LIMIT)
        assert responses[-1] == (200, "ok\n")
    until(lambda: [2, "READ"] in reported(airflow), LIMIT)


@missing("Webhooks by the stand-alone receiver", has=IS_3, needs="Airflow 3.0")
def test_receiver_says_what_it_needs(airflow):
    with receiver(airflow, free_port()) as process:
        _, errors = process.communicate(timeout=LIMIT)
    assert process.returncode == 1
    assert "needs Airflow 3.0 or newer" in errors


@feature("New ticket starts a Dag", has=HAS_ASSET_WATCHERS, dag=NEW_TICKET)
def test_new_ticket_starts_a_dag(airflow, runs, default_sandbox):
    until_taken_over(default_sandbox, LIMIT)


@feature("Deadline alert", has=HAS_DEADLINES)
def test_missed_deadline_opens_a_ticket(airflow, runs, default_sandbox):
    # Not at once: a triggerer that reads its first connection is slow, and an alert is tried once.
    run = start(airflow, LATE, {"seconds": 90})
    until(lambda: "missed its deadline" in texts_of(default_sandbox, LATE), LIMIT)
    assert run in texts_of(default_sandbox, LATE)


@missing("New ticket starts a Dag", has=HAS_ASSET_WATCHERS, needs="Airflow 3.0", dag=DEMO_DAG)
def test_example_of_new_tickets_makes_no_dag(airflow, runs, caplog):
    check_no_dag(airflow, NEW_TICKET)
    assert "Airflow 3" in caplog.text


@missing("Deadline alert", has=HAS_DEADLINES, needs="Airflow 3.1", dag=DEMO_DAG)
def test_example_of_deadlines_makes_no_dag(airflow, runs, caplog):
    check_no_dag(airflow, LATE)
    assert "needs deadlines, of Airflow 3.1 and newer" in caplog.text


def check_no_dag(airflow, dag):
    """Check that Airflow has neither the Dag of an example nor an error of its file, and let it say why."""
    assert f"{dag}.py" not in "".join(error.filename for error in airflow.import_errors())
    with pytest.raises(AirflowClientError, match="HTTP 404"):
        airflow.call("GET", f"/dags/{dag}")
    runpy.run_path(str(EXAMPLE_DAGS / f"{dag}.py"))


def fields_of_the_form(airflow):
    """The names of the extra fields in the form of the UI."""
    if not IS_3:
        page = airflow.request("GET", "/connection/add").text
        return set(re.findall(r'id="extra__usedesk__(\w+)"', page))
    forms = airflow.request("GET", "/ui/connections/hook_meta").json()
    [form] = [one for one in forms if one["connection_type"] == "usedesk"]
    return form["extra_fields"]


def until_state(airflow, dag, run, task, state):
    """Wait until a task is in a state, and fail if it ends in another one."""
    reached = {state, "success", "failed", "upstream_failed"}
    until(lambda: airflow.task_instance(dag, run, task).state in reached, LIMIT)
    found = airflow.task_instance(dag, run, task)
    assert found.state == state, airflow.task_log(dag, run, task, try_number=max(found.try_number, 1))


def last_log(airflow, run, task):
    attempt = airflow.task_instance(FEATURES, run, task).try_number
    return airflow.task_log(FEATURES, run, task, try_number=attempt)


def texts_of(sandbox, dag):
    """All that tickets and comments say about a Dag."""
    tickets = [one for one in sandbox.tickets if dag in one.subject]
    return "".join(part.message for one in tickets for part in one.comments) + "".join(
        one.subject for one in tickets
    )


def check_batch(airflow, runs, sandbox, task):
    until_state(airflow, FEATURES, runs[FEATURES], task, "success")
    summary = airflow.xcom(FEATURES, runs[FEATURES], task)
    assert (summary["rows"], summary["sent"]) == (len(ROWS), len(ROWS))
    sent = [ticket for ticket in sandbox.tickets if ticket.additional_id]
    keys = [(parse_key(ticket.additional_id), ticket.subject) for ticket in sent]
    subjects = [subject for key, subject in keys if key and key.label == f"{FEATURES}/{task}"]
    assert sorted(subjects) == sorted(row["subject"] for row in ROWS)


def report(ticket_id, status):
    part = {"delivery_status": status, "comment_id": 7, "extras": {"ticket_id": ticket_id}}
    return {"message_status": part}


def reported(airflow):
    """The reports that have started runs."""
    found = airflow.call("GET", f"/dags/{REPORTS}/dagRuns", params={"limit": 100})["dag_runs"]
    ended = [run["dag_run_id"] for run in found if run["state"] == "success"]
    return [one for run in ended for one in airflow.xcom(REPORTS, run, "note")]


@contextmanager
def receiver(airflow, port):
    """Run the receiver as a program of its own."""
    token = "" if not IS_3 else airflow.request("GET", "/auth/token").json()["access_token"]
    env = {
        **airflow.environment,
        "AIRFLOW_CONN_USEDESK_DEFAULT": json.dumps(
            {"conn_type": "usedesk", "extra": {"webhook_secret": SECRET}}
        ),
        "AIRFLOW_API_TOKEN": token,
    }
    command = [sys.executable, "-m", "airflow_provider_usedesk.webhook"]
    options = ["--airflow-url", airflow.url, "--port", str(port)]
    with subprocess.Popen([*command, *options], env=env, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


def answers(port):
    try:
        return post(port, "/usedesk/health", method="GET")[0] == 200
    except OSError:
        return False
