"""Alerts from the callbacks of Airflow: what arrives, what is logged, and that no callback blocks."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from airflow_provider_usedesk import sandbox as faults
from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest
from airflow_provider_usedesk.compat.callbacks import longest_callback
from airflow_provider_usedesk.compat.sdk import mask_secret
from airflow_provider_usedesk.compat.version import AIRFLOW
from airflow_provider_usedesk.hooks.usedesk import UsedeskHook
from airflow_provider_usedesk.notifications import sender, usedesk
from airflow_provider_usedesk.notifications.incident import NO_EXCEPTION
from airflow_provider_usedesk.notifications.usedesk import UsedeskNotifier, send_usedesk_notification
from tests.notifications.conftest import broken_server, drip
from tests.support import dags
from tests.support.dags import DAG
from tests.support.delivery import set_extra
from tests.support.version import HAS_LOG_LINK_IN_DAG_TEST, NAMES_EXCEPTION_IN_DAG_TEST

DAG_FILE = """
from datetime import datetime

from tests.support.dags import dag, task

from airflow_provider_usedesk.notifications.usedesk import UsedeskNotifier

@dag(schedule=None, start_date=datetime(2026, 1, 1), params={{"shop": "Riga", "fails": True}})
def sales():
    @task({callbacks})
    def load(params=None):
        if params["fails"]:
            raise ValueError("no <orders>")

    load()

sales()
"""
SECRET = "hunter2-hunter2"


@pytest.fixture(autouse=True)
def short_delay(monkeypatch):
    monkeypatch.setattr(sender, "CONSISTENCY_DELAY", 0.01)


@pytest.fixture
def lines(caplog, monkeypatch):
    """Return what the notifier logged above DEBUG, through the same logger on all versions of Airflow."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(UsedeskNotifier, "log", logging.getLogger("tests.UsedeskNotifier"))

    def read():
        return [
            (record.levelname, record.getMessage())
            for record in caplog.records
            if "UsedeskNotifier" in record.name and record.levelno > logging.DEBUG
        ]

    return read


def failure(task="load", run="manual__1", **more):
    """Return the context of a failed task."""
    ti = SimpleNamespace(
        dag_id="sales",
        run_id=run,
        task_id=task,
        map_index=-1,
        try_number=1,
        max_tries=0,
        state="failed",
        log_url="https://airflow.example/log",
    )
    return {"dag": DAG("sales", schedule=None), "ti": ti, "exception": ValueError("no orders"), **more}


def deadline():
    """Return the context of a deadline alert."""
    run = {"dag_id": "sales", "dag_run_id": "scheduled__1", "state": "running"}
    return {"dag_run": run, "deadline": {"id": "1", "deadline_time": "2026-03-01T05:00:00Z"}}


def call(notifier, context):
    notifier(context)


def call_async(notifier, context):
    async def wait():
        notifier.context = context
        await notifier

    asyncio.run(wait())


PROCESS = """
import sys, airflow.models
from airflow_provider_usedesk.compat.sdk import BaseHook, BaseNotifier
before = set(sys.modules)
from airflow_provider_usedesk.notifications.usedesk import UsedeskNotifier
UsedeskNotifier(one_open_ticket_per='dag', tag='x')
print('loaded', sorted((set(sys.modules) - before) & {'requests', 'urllib3', 'httpx', 'aiohttp'}))
UsedeskNotifier(timeout=0.3)({})
print('the callback returned')
"""


@pytest.fixture(scope="module")
def process_output():
    """Return the lines printed by a process whose alert is never confirmed."""
    with broken_server(drip) as connection:
        env = os.environ | {"AIRFLOW_CONN_USEDESK_DEFAULT": connection}
        command = [sys.executable, "-c", PROCESS]
        done = subprocess.run(command, env=env, check=True, capture_output=True, text=True, timeout=120)
    return done.stdout.splitlines()


both = pytest.mark.parametrize("send", [call, call_async])
ended_by_airflow = pytest.mark.skipif(AIRFLOW < (3, 0), reason="Airflow 2 does not end the process")


class TestInDag:
    def test_failed_task_opens_ticket(self, run_dag, usedesk_sandbox, lines):
        notifier = "UsedeskNotifier(priority='urgent', client_email='{{ params.shop }}@shop.example')"
        run = run_dag(DAG_FILE.format(callbacks=f"on_failure_callback={notifier}"))
        [ticket] = usedesk_sandbox.tickets
        assert ticket.subject == "Airflow: Task load of Dag sales failed"
        error = "Error: ValueError: no &lt;orders&gt;" if NAMES_EXCEPTION_IN_DAG_TEST else NO_EXCEPTION
        assert error in ticket.message
        assert f"Run: {run.run_id}" in ticket.message
        assert ('<a href="http' in ticket.message) is HAS_LOG_LINK_IN_DAG_TEST
        assert ticket.priority == "urgent"
        assert ticket.received["client_email"] == "Riga@shop.example"
        assert lines() == [("INFO", f"Usedesk ticket {ticket.ticket_id} opened.")]

    def test_one_notifier_for_all_callbacks(self, run_dag, usedesk_sandbox):
        """The templates of one instance are rendered in each callback."""
        source = DAG_FILE.format(
            callbacks="on_execute_callback=NOTE, on_success_callback=NOTE, on_failure_callback=NOTE"
        ).replace("@dag", "NOTE = UsedeskNotifier(message='{{ run_id }} in {{ params.shop }}')\n\n@dag")
        runs = [run_dag(source, {"fails": fails}) for fails in (False, True)]
        assert [ticket.subject for ticket in usedesk_sandbox.tickets] == [
            "Airflow: Task load of Dag sales started",
            "Airflow: Task load of Dag sales succeeded",
            "Airflow: Task load of Dag sales started",
            "Airflow: Task load of Dag sales failed",
        ]
        assert [ticket.message for ticket in usedesk_sandbox.tickets] == [
            f"{run.run_id} in Riga" for run in runs for _ in range(2)
        ]

    def test_failure_recovery_and_next_failure(self, run_dag, usedesk_sandbox):
        source = DAG_FILE.format(
            callbacks="on_failure_callback=UsedeskNotifier(one_open_ticket_per='task'),"
            "on_success_callback=UsedeskNotifier(one_open_ticket_per='task', resolve=True)"
        )
        for fails in (False, True, True, False, False, True):
            run_dag(source, {"fails": fails})
        first, second = usedesk_sandbox.tickets
        assert (first.status, second.status) == (2, 8)
        assert first.tags == second.tags == ("airflow/sales/load",)
        opened, again, recovered = first.comments
        assert (again.is_private, recovered.is_private) == (True, True)
        assert "failed" in opened.message
        assert "failed" in again.message
        assert recovered.message.startswith("<p>Task load of Dag sales succeeded again.</p>")


class TestTemplates:
    @both
    def test_templates_are_rendered(self, usedesk_sandbox, send):
        notifier = send_usedesk_notification(
            subject="{{ ti.task_id }}\nis late",
            message="<b>{{ reason }}</b>",
            tag=["data", "{{ ti.dag_id }}"],
            custom_fields={10: "{{ ti.run_id }}"},
        )
        send(notifier, failure(reason="late"))
        [ticket] = usedesk_sandbox.tickets
        assert (ticket.subject, ticket.message) == ("load is late", "<b>late</b>")
        assert ticket.tags == ("data", "sales")
        assert ticket.custom_fields == {10: "manual__1"}

    @both
    def test_notifier_and_context_do_not_change(self, usedesk_sandbox, send):
        notifier = UsedeskNotifier(
            subject="{{ ti.run_id }}", tag="{{ ti.task_id }}", one_open_ticket_per="run"
        )
        for run in ("one", "two"):
            context = failure(run=run)
            names = set(context)
            send(notifier, context)
            assert set(context) == names
        assert notifier.subject == "{{ ti.run_id }}"
        assert notifier.ticket_params == {"tag": "{{ ti.task_id }}"}
        assert [ticket.subject for ticket in usedesk_sandbox.tickets] == ["one", "two"]

    @both
    @pytest.mark.parametrize(
        "template",
        ["{{ ti.task_id }}", "{{ ds }}", "{{ dag.dag_id }}", "{{ broken", "{{ none }}", "{{ 'nan' }}"],
        ids=["task", "date", "dag", "broken", "none", "nan"],
    )
    def test_broken_template_sends_default_text(self, usedesk_sandbox, lines, send, template):
        send(UsedeskNotifier(subject=template, message="{{ deadline.id }}"), deadline())
        [ticket] = usedesk_sandbox.tickets
        assert ticket.subject == "Airflow: Dag sales missed its deadline"
        assert ticket.message == "1"
        warnings = [text for level, text in lines() if level == "WARNING"]
        assert len(warnings) == (template not in ("{{ none }}", "{{ 'nan' }}"))
        assert all(text.startswith("subject cannot be rendered") for text in warnings)
        assert template not in str(lines())

    @both
    def test_empty_value_inside_a_text_sends_default_text(self, usedesk_sandbox, lines, send):
        send(UsedeskNotifier(subject="For {{ none }}", client_name="{{ none }} Smith"), deadline())
        [ticket] = usedesk_sandbox.tickets
        assert ticket.subject == "Airflow: Dag sales missed its deadline"
        warnings = [text for level, text in lines() if level == "WARNING"]
        assert [text.split()[0] for text in warnings] == ["subject", "client_name"]
        assert all("default('customer', true)" in text for text in warnings)

    def test_broken_argument_is_left_out(self, usedesk_sandbox, lines):
        UsedeskNotifier(priority="{{ ti.priority }}", private_comment="{{ ti.x }}")(deadline())
        [ticket] = usedesk_sandbox.tickets
        assert ticket.priority == "medium"
        assert ticket.comments[0].is_private
        assert [text.split()[0] for level, text in lines() if level == "WARNING"] == [
            "priority",
            "private_comment",
        ]

    @pytest.mark.parametrize("value", ["{{ none }}", "{{ '' }}", "{{ 'many' }}"])
    def test_invalid_rendered_value_is_left_out(self, usedesk_sandbox, value, caplog):
        UsedeskNotifier(
            group_id=value, tag=["data", value], private_comment=value, one_open_ticket_per="dag"
        )(failure())
        [ticket] = usedesk_sandbox.tickets
        assert ticket.comments[0].is_private
        assert (
            ticket.tags == ("airflow/sales",)
            if value != "{{ 'many' }}"
            else ("data", "many", "airflow/sales")
        )
        assert "The ticket is opened without " in caplog.text

    def test_missing_file_is_left_out(self, usedesk_sandbox, caplog):
        notifier = UsedeskNotifier(files="/nowhere/{{ ti.task_id }}.csv", one_open_ticket_per="dag")
        notifier(failure())
        notifier(failure())
        [ticket] = usedesk_sandbox.tickets
        assert len(ticket.comments) == 2
        assert "The ticket is opened without files." in caplog.text
        assert "did not accept the comment" in caplog.text

    @both
    def test_refused_argument_is_left_out(self, usedesk_sandbox, lines, send, caplog):
        """The group was deleted in Usedesk after the Dag was written."""
        notifier = UsedeskNotifier(
            group_id=9,
            priority="urgent",
            tag="data",
            private_comment=True,
            one_open_ticket_per="dag",
        )
        send(notifier, failure())
        [ticket] = usedesk_sandbox.tickets
        assert (ticket.group_id, ticket.priority, ticket.tags) == (None, "medium", ("data", "airflow/sales"))
        assert ticket.comments[0].is_private
        assert "The ticket is opened without group_id, priority. Usedesk responded: " in caplog.text
        assert [level for level, _ in lines()] == ["INFO"]

    def test_error_text_is_no_template(self, usedesk_sandbox):
        context = failure(exception=ValueError("{{ ti.run_id }}"))
        UsedeskNotifier()(context)
        assert "Error: ValueError: {{ ti.run_id }}" in usedesk_sandbox.tickets[0].message

    def test_native_rendering_dag_renders_text(self, usedesk_sandbox):
        context = failure(dag=DAG("sales", schedule=None, render_template_as_native_obj=True))
        UsedeskNotifier(message="{{ '0012' }}", subject="Try {{ ti.try_number }}")(context)
        [ticket] = usedesk_sandbox.tickets
        assert (ticket.message, ticket.subject) == ("0012", "Try 1")

    def test_long_texts_are_cut(self, usedesk_sandbox):
        UsedeskNotifier(subject="s" * 300, message="ж" * 40_000)(failure())
        [ticket] = usedesk_sandbox.tickets
        assert len(ticket.subject) == 255
        assert len(ticket.message.encode()) <= 65_535

    def test_huge_error_is_cut_before_redaction(self, usedesk_sandbox, monkeypatch):
        """The search for secrets takes time, which the callback does not have."""
        lengths = []
        monkeypatch.setattr(usedesk, "redact", lambda text: lengths.append(len(text)) or text)
        UsedeskNotifier(message="{{ exception }}")(failure(exception=ValueError("x" * 1_000_000)))
        assert len(usedesk_sandbox.tickets) == 1
        assert max(lengths) <= usedesk.MAX_RAW

    def test_masked_secrets_are_not_sent(self, usedesk_sandbox, monkeypatch):
        mask_secret(SECRET)
        context = failure(exception=ValueError(f"login with {SECRET}"))
        UsedeskNotifier(subject="{{ exception }}")(context)
        UsedeskNotifier(message="{{ exception }}")(context)
        for ticket in usedesk_sandbox.tickets:
            assert SECRET not in str(ticket.received)
            assert "login with ***" in ticket.subject + ticket.message


class TestSmallContexts:
    @both
    def test_deadline_alert(self, usedesk_sandbox, lines, send):
        send(UsedeskNotifier(one_open_ticket_per="run"), deadline())
        [ticket] = usedesk_sandbox.tickets
        assert ticket.subject == "Airflow: Dag sales missed its deadline"
        assert ticket.tags == ("airflow/sales/run=scheduled__1",)
        assert lines() == [("INFO", f"Usedesk ticket {ticket.ticket_id} opened.")]

    @both
    @pytest.mark.parametrize("scope", [None, "dag"])
    def test_empty_context(self, usedesk_sandbox, send, scope):
        send(UsedeskNotifier(one_open_ticket_per=scope), {})
        assert usedesk_sandbox.tickets[0].subject == "Airflow: Dag without a name called back"

    @both
    @pytest.mark.parametrize("context", [None, "sales", {"dag": "sales"}, {"dag": "sales", "slas": 5}])
    def test_unexpected_context_sends_alert(self, usedesk_sandbox, send, context):
        send(UsedeskNotifier(one_open_ticket_per="run"), context)
        assert len(usedesk_sandbox.tickets) == 1

    def test_triggerer_passes_json_arguments(self, usedesk_sandbox):
        kwargs = json.loads(json.dumps({"one_open_ticket_per": "run", "priority": "urgent", "timeout": 20}))

        async def run():
            await UsedeskNotifier(**kwargs, context=deadline())

        asyncio.run(run())
        assert usedesk_sandbox.tickets[0].priority == "urgent"

    def test_sla_miss_callback(self, usedesk_sandbox):
        slas = [SimpleNamespace(task_id="load")]
        UsedeskNotifier()(DAG("sales", schedule=None), "tasks", "blocking", slas, [])
        [ticket] = usedesk_sandbox.tickets
        assert ticket.subject == "Airflow: Dag sales missed an SLA"
        assert "Tasks: load" in ticket.message

    def test_dag_callback_uses_dag_scope(self, usedesk_sandbox, lines):
        """The context names one task of the run, not always the same one."""
        notifier = UsedeskNotifier(one_open_ticket_per="task")
        notifier(failure("load", reason="task_failure"))
        notifier(failure("send", reason="task_failure"))
        [ticket] = usedesk_sandbox.tickets
        assert ticket.tags == ("airflow/sales",)
        assert ("WARNING", "This callback has no task, so the ticket of the Dag is used.") in lines()


class TestOneOpenTicket:
    def test_fifty_failures_share_ticket(self, usedesk_sandbox):
        notifier = UsedeskNotifier(one_open_ticket_per="dag", tag="data")
        for number in range(50):
            notifier(failure(f"task_{number}"))
        [ticket] = usedesk_sandbox.tickets
        assert ticket.tags == ("data", "airflow/sales")
        assert len(ticket.comments) == 50
        assert all(comment.is_private for comment in ticket.comments[1:])

    def test_ten_concurrent_failures_share_ticket(self, monkeypatch):
        """The list has a lag, so that no notifier finds the ticket of another at first."""
        with faults.Sandbox(listing_lag=4) as sandbox:
            monkeypatch.setenv("AIRFLOW_CONN_USEDESK_DEFAULT", sandbox.connection_json)
            monkeypatch.setattr(sender, "CONSISTENCY_DELAY", 5.0)
            notifier = UsedeskNotifier(one_open_ticket_per="dag")
            contexts = [failure(f"task_{number}") for number in range(10)]
            threads = [threading.Thread(target=notifier, args=(context,)) for context in contexts]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert Counter(ticket.status for ticket in sandbox.tickets) == {4: 9, 1: 1}
            first = sandbox.tickets[0]
            assert first.status == 1
            assert all(f"Task task_{n} " in str(first.comments) for n in range(10))

    def test_second_alert_raises_priority(self, usedesk_sandbox):
        notifier = UsedeskNotifier(one_open_ticket_per="dag", priority="low", repeat_priority="urgent")
        priorities = []
        for task in ("load", "send", "check"):
            notifier(failure(task))
            [ticket] = usedesk_sandbox.tickets
            priorities.append(ticket.priority)
        assert priorities == ["low", "urgent", "urgent"]
        assert len(ticket.comments) == 3
        assert usedesk_sandbox.requests("update/ticket") == 1

    def test_slow_priority_is_no_failed_alert(self, own_sandbox, lines):
        UsedeskNotifier(one_open_ticket_per="dag")(failure())
        own_sandbox.fail(faults.delay(60), method="update/ticket")
        UsedeskNotifier(one_open_ticket_per="dag", repeat_priority="urgent", timeout=6)(failure())
        [ticket] = own_sandbox.tickets
        assert lines()[-1] == ("INFO", f"Usedesk ticket {ticket.ticket_id} commented on.")
        assert "ERROR" not in dict(lines())

    @pytest.mark.parametrize(("scope", "count"), [("dag", 1), ("task", 2), ("run", 3), (None, 4)])
    def test_tickets_per_scope(self, usedesk_sandbox, scope, count):
        notifier = UsedeskNotifier(one_open_ticket_per=scope)
        for task, run in (("a", "1"), ("b", "1"), ("a", "2"), ("a", "3")):
            notifier(failure(task, run))
        assert len(usedesk_sandbox.tickets) == count

    @pytest.mark.parametrize(
        ("status", "count"), [(1, 1), (5, 1), (6, 1), (8, 1), (2, 2), (3, 2), (4, 2), (7, 2), (10, 2)]
    )
    def test_open_statuses(self, usedesk_sandbox, status, count):
        notifier = UsedeskNotifier(one_open_ticket_per="dag")
        notifier(failure())
        usedesk_sandbox.update(usedesk_sandbox.tickets[0].ticket_id, status=status)
        notifier(failure())
        assert len(usedesk_sandbox.tickets) == count

    def test_foreign_ticket_is_untouched(self, usedesk_sandbox):
        foreign = {"id": 7, "status": 1, "tags": [{"name": "airflow/other"}]}
        usedesk_sandbox.fail(faults.answer(200, [foreign]), times=2, method="tickets")
        UsedeskNotifier(one_open_ticket_per="dag")(failure())
        assert len(usedesk_sandbox.tickets) == 1
        assert usedesk_sandbox.requests("create/comment") == 0

    def test_tag_prefix_separates_airflows(self, usedesk_sandbox):
        prefixes = {"airflow": 1, "staging": 1}
        for prefix in prefixes:
            UsedeskNotifier(one_open_ticket_per="dag", tag_prefix=prefix)(failure())
        UsedeskNotifier(one_open_ticket_per="dag", tag_prefix="staging", resolve=True)(
            failure(reason="success")
        )
        assert [(ticket.tags, ticket.status) for ticket in usedesk_sandbox.tickets] == [
            (("airflow/sales",), 8),
            (("staging/sales",), 2),
        ]

    def test_tag_prefix_follows_connection(self, usedesk_sandbox, monkeypatch):
        set_extra(monkeypatch, key_prefix="staging")
        UsedeskNotifier(one_open_ticket_per="dag")(failure())
        assert usedesk_sandbox.tickets[0].tags == ("staging/sales",)

    @pytest.mark.parametrize(("scope", "index"), [("task", 4), ("dag", -1), ("run", -1)])
    def test_success_of_part_keeps_ticket_open(self, usedesk_sandbox, lines, scope, index):
        UsedeskNotifier(one_open_ticket_per=scope)(failure())
        good = failure()
        good["ti"].map_index = index
        UsedeskNotifier(one_open_ticket_per=scope, resolve=True)(good)
        [ticket] = usedesk_sandbox.tickets
        assert ticket.status == 8
        assert len(ticket.comments) == 1
        assert lines()[-1][0] == "WARNING"
        assert f"does not end an incident of the {scope}" in lines()[-1][1]

    def test_recovery_with_own_message(self, usedesk_sandbox, lines):
        UsedeskNotifier(one_open_ticket_per="dag")(failure())
        UsedeskNotifier(one_open_ticket_per="dag", resolve=True, message="{{ reason }}: fine")(
            failure(reason="success")
        )
        [ticket] = usedesk_sandbox.tickets
        assert ticket.status == 2
        assert ticket.comments[-1].message == "success: fine"
        assert lines()[-1] == ("INFO", f"Usedesk ticket {ticket.ticket_id} solved.")

    @both
    def test_success_without_incident_logs_nothing(self, usedesk_sandbox, lines, send):
        send(UsedeskNotifier(one_open_ticket_per="dag", resolve=True), failure(reason="success"))
        assert usedesk_sandbox.requests() == 1
        assert lines() == []

    @pytest.mark.parametrize("fault", [faults.html(502), faults.delay(60)], ids=["error", "slow"])
    def test_failed_list_opens_ticket(self, own_sandbox, lines, fault):
        """The list may use only a part of the time."""
        own_sandbox.fail(fault, times=100, method="tickets")
        UsedeskNotifier(one_open_ticket_per="dag", timeout=6)(failure())
        assert len(own_sandbox.tickets) == 1
        assert "ERROR" not in dict(lines())


class TestFailedAlert:
    @both
    def test_error_is_logged_without_alert(self, usedesk_sandbox, lines, send, capfd):
        usedesk_sandbox.fail(faults.answer(200, {"code": 118, "error": "no group for May fails"}), times=2)
        notifier = UsedeskNotifier(message="May fails", client_email="ann@shop.example", group_id=9)
        send(notifier, failure())
        [(level, line)] = lines()
        assert level == "ERROR"
        assert line.startswith("The alert could not be sent to Usedesk. UsedeskGroupNotFound: ")
        printed = "".join(capfd.readouterr()) + line
        for private in ("May fails", "ann@shop.example", usedesk_sandbox.token, "Traceback"):
            assert private not in printed

    @both
    def test_unexpected_error_logs_only_type(self, usedesk_sandbox, lines, send, monkeypatch):
        def fail(self):
            raise RuntimeError(SECRET)

        async def afail(self):
            raise LookupError(SECRET)

        monkeypatch.setattr("airflow_provider_usedesk.hooks.usedesk.UsedeskHook.settings", fail)
        monkeypatch.setattr("airflow_provider_usedesk.hooks.usedesk.UsedeskHook.asettings", afail)
        send(UsedeskNotifier(), failure())
        [(level, line)] = lines()
        assert level == "ERROR"
        assert ("RuntimeError" if send is call else "LookupError") in line
        assert SECRET not in line

    @both
    def test_missing_connection_logs_error(self, airflow_db, lines, send):
        send(UsedeskNotifier(usedesk_conn_id="nowhere"), failure())
        assert [level for level, _ in lines()] == ["ERROR"]

    def test_undelivered_message_logs_warning(self, usedesk_sandbox, lines):
        UsedeskNotifier(channel_id=20056, client_phone="79123456789", from_="user", user_id=2156)(failure())
        [ticket] = usedesk_sandbox.tickets
        assert lines() == [
            ("WARNING", f"Usedesk ticket {ticket.ticket_id} opened, but its message was not delivered.")
        ]

    @pytest.mark.parametrize("region", ["RU", "UK"])
    @pytest.mark.parametrize("is_argument", [True, False])
    def test_phone_region(self, usedesk_sandbox, monkeypatch, region, is_argument):
        set_extra(monkeypatch, phone_region=None if is_argument else region)
        given = {"phone_region": f"{{{{ '{region}' }}}}"} if is_argument else {}
        UsedeskNotifier(client_phone="8 (912) 345-67-89", **given)(failure())
        [ticket] = usedesk_sandbox.tickets
        # An alert is sent without an argument that is not valid.
        assert ticket.received.get("client_phone") == ("79123456789" if region == "RU" else None)

    @both
    @pytest.mark.parametrize("scope", [None, "dag"])
    def test_silent_server_times_out(self, silent, lines, monkeypatch, send, scope):
        monkeypatch.setenv("AIRFLOW__CORE__TASK_SUCCESS_OVERTIME", "600")
        began = time.monotonic()
        send(UsedeskNotifier(timeout=0.3, one_open_ticket_per=scope), failure())
        assert time.monotonic() - began < 45
        assert lines()[-1][0] == "ERROR"
        assert [level for level, _ in lines()].count("ERROR") == 1

    @ended_by_airflow
    @pytest.mark.parametrize(
        ("state", "overtime", "seconds_ago", "expected"),
        [
            ("failed", "20", None, 18),
            ("failed", "20", 5, 13),
            ("success", "60", 5, 53),
            ("up_for_retry", "20", 60, 1),
            ("skipped", "0", None, 1),
            ("running", "20", None, math.inf),
            (None, "20", None, math.inf),
        ],
    )
    def test_callbacks_share_the_time_after_the_task(
        self, monkeypatch, state, overtime, seconds_ago, expected
    ):
        monkeypatch.setenv("AIRFLOW__CORE__TASK_SUCCESS_OVERTIME", overtime)
        now = datetime(2026, 11, 26, tzinfo=UTC)
        ended = None if seconds_ago is None else now - timedelta(seconds=seconds_ago)
        context = {"ti": SimpleNamespace(state=state, end_date=ended)}
        assert longest_callback(context, now) == expected

    @both
    @pytest.mark.parametrize(
        ("server", "timeout", "overtime"),
        [("dripping", 0.3, "600"), pytest.param("silent", 600, "1", marks=ended_by_airflow)],
        ids=["timeout", "end of the process"],
    )
    def test_alert_ends_in_time(self, request, lines, monkeypatch, send, server, timeout, overtime):
        request.getfixturevalue(server)
        monkeypatch.setenv("AIRFLOW__CORE__TASK_SUCCESS_OVERTIME", overtime)
        began = time.monotonic()
        send(UsedeskNotifier(timeout=timeout), failure())
        assert time.monotonic() - began < 45
        [(level, line)] = lines()
        assert level == "ERROR"
        # The time of the alert, or that of its request, is over first.
        assert re.search(r"Usedesk did not respond (in time|\(no complete response in time\))", line)

    def test_timeout_does_not_keep_process_alive(self, process_output):
        assert process_output[-1] == "the callback returned"

    def test_dripping_list_opens_ticket(self, dripping, usedesk_sandbox, monkeypatch):
        """Only the list is slow; its request is abandoned."""
        monkeypatch.setenv("AIRFLOW_CONN_SLOW", dripping)
        list_tickets = sender.AlertSender._list

        def slow(self, tag):
            hook = UsedeskHook(usedesk_conn_id="slow")
            client = hook.client_for(replace(hook.settings(), max_wait=0))
            return list_tickets(SimpleNamespace(_connect=lambda: nullcontext(client)), tag)

        monkeypatch.setattr(sender.AlertSender, "_list", slow)
        UsedeskNotifier(one_open_ticket_per="dag", timeout=6)(failure())
        assert len(usedesk_sandbox.tickets) == 1

    def test_event_loop_is_not_blocked(self, usedesk_sandbox):
        usedesk_sandbox.fail(faults.delay(2))
        gaps = []

        async def beat():
            while True:
                began = time.monotonic()
                await asyncio.sleep(0.01)
                gaps.append(time.monotonic() - began)

        async def run():
            heart = asyncio.create_task(beat())
            await UsedeskNotifier(context=deadline())
            heart.cancel()

        asyncio.run(run())
        assert len(usedesk_sandbox.tickets) == 1
        assert len(gaps) > 15

    def test_ticket_opened_before_timeout_counts(self, own_sandbox, lines, monkeypatch):
        monkeypatch.setattr(sender, "CONSISTENCY_DELAY", 8.0)
        monkeypatch.setattr(sender.AlertSender, "_remaining", lambda self: 60.0)
        UsedeskNotifier(one_open_ticket_per="dag", timeout=6)(failure())
        [ticket] = own_sandbox.tickets
        assert lines() == [("INFO", f"Usedesk ticket {ticket.ticket_id} opened.")]


INVALID_ARGUMENTS = {
    "unknown": ({"prioriti": "low"}, "is priority meant"),
    "choice": ({"priority": "hihg"}, "priority: must be one of"),
    "misspelled": ({"mesage": "{{ x }}"}, "is message meant"),
    "tag comma": ({"tag": ["a,b"], "one_open_ticket_per": None}, "cannot contain a comma"),
    "tag comma with scope": ({"tag": ["a,b"], "one_open_ticket_per": "dag"}, "cannot contain a comma"),
    "tag length": ({"tag": "x" * 200, "one_open_ticket_per": "dag"}, "at most 255"),
    "resolve without scope": ({"resolve": True}, "resolve needs one_open_ticket_per"),
    "scope": ({"one_open_ticket_per": "hour"}, "one_open_ticket_per must be one of dag, task, run"),
    "timeout": ({"timeout": 0}, "timeout"),
    "resolve type": ({"resolve": "False", "one_open_ticket_per": "dag"}, "resolve must be True or False"),
    "closed status": (
        {"status": "closed", "one_open_ticket_per": "dag"},
        "would open a ticket for each alert",
    ),
    "blank prefix": ({"tag_prefix": " "}, "tag_prefix"),
    "long prefix": ({"tag_prefix": "x" * 41}, "tag_prefix"),
    "empty tag": ({"tag": "a,,b", "one_open_ticket_per": "dag"}, "tag"),
    "user missing": ({"from_": "user"}, "user_id: is required"),
    "two templates": ({"template_id": 1, "template_name": "a"}, "only one of them"),
    "repeat priority": (
        {"repeat_priority": "high", "one_open_ticket_per": "dag"},
        "repeat_priority must be one of low, medium, urgent, extreme",
    ),
    "repeat priority without scope": ({"repeat_priority": "urgent"}, "needs one_open_ticket_per"),
    "repeat priority of recovery": (
        {"repeat_priority": "urgent", "one_open_ticket_per": "dag", "resolve": True},
        "no effect with resolve",
    ),
    "html file": ({"message": "alert.html"}, "message is the name of a file"),
    "text file": ({"message": "{{ params.folder }}/alert.txt"}, "message is the name of a file"),
    "field value missing": ({"field_id": 5}, "field_value: is required"),
}


class TestConstructor:
    @pytest.mark.parametrize("case", INVALID_ARGUMENTS)
    def test_invalid_argument_raises_error(self, case):
        arguments, reason = INVALID_ARGUMENTS[case]
        with pytest.raises(ValueError, match=reason):
            UsedeskNotifier(**arguments)

    def test_all_invalid_arguments_are_named(self):
        with pytest.raises(UsedeskInvalidRequest) as caught:
            UsedeskNotifier(prioriti="low", group_id="support")
        assert len(caught.value.validation_errors) == 2

    def test_templates_are_not_checked(self):
        fields = {"field_id": ["{{ params.field }}"], "field_value": "1"}
        UsedeskNotifier(group_id="{{ params.group }}", from_="{{ params.author }}", **fields)

    @pytest.mark.parametrize("value", ["{{ params.p }}", "{% if p %}low{% endif %}", "{# none #}low"])
    def test_template_of_any_kind_is_not_checked(self, value):
        UsedeskNotifier(priority=value)

    def test_xcom_arg_is_not_checked(self):
        @dags.task
        def find():
            return 17

        with DAG("dag", schedule=None, start_date=datetime(2026, 1, 1)):
            UsedeskNotifier(group_id=find(), tag=["late", find()])

    def test_literals_beside_templates_are_checked(self):
        with pytest.raises(UsedeskInvalidRequest, match="user_id: is required with from_='user'"):
            UsedeskNotifier(group_id="{{ params.group }}", from_="user")

    def test_notifier_loads_no_http_library(self, process_output):
        assert "loaded []" in process_output

    def test_missing_file_is_no_error(self):
        UsedeskNotifier(files="/nowhere/report.csv")


def test_notifier_refuses_what_is_read_once(tmp_path):
    with pytest.raises(ValueError, match="files can be read only once"):
        UsedeskNotifier(files=tmp_path.glob("*.log"))
