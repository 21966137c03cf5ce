"""The metrics that a task reports, through the Stats of this Airflow."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest

from airflow_provider_usedesk.api.errors import UsedeskError
from airflow_provider_usedesk.api.observer import RequestOutcome
from airflow_provider_usedesk.compat import stats
from airflow_provider_usedesk.compat.sdk import AirflowFailException
from airflow_provider_usedesk.idempotency.send_once import MessageOutcome
from airflow_provider_usedesk.operators.ticket import CreateTicketOperator
from airflow_provider_usedesk.triggers.ticket import TicketStatusTrigger
from airflow_provider_usedesk.webhook.counts import Outcome as WebhookOutcome
from tests.support.airflow import URL
from tests.support.operators import run_attempt


class Recorder:
    """A backend of Airflow's metrics that stores what it gets."""

    def __init__(self):
        self.counters = {}
        self.timers = []

    def incr(self, stat, count=1, rate=1, **options):
        self.counters[stat] = self.counters.get(stat, 0) + count

    def timing(self, stat, dt, **options):
        self.timers.append((stat, dt.total_seconds()))

    @property
    def ours(self):
        return {name: number for name, number in self.counters.items() if name.startswith("usedesk.")}


@pytest.fixture
def recorder(monkeypatch):
    """The backend of all Stats of this Airflow."""
    recorder = Recorder()
    for paths in (stats._OF_TASKS, stats._OF_SERVICES):
        of_airflow = stats._stats(paths)
        module = sys.modules[of_airflow.__module__]
        if hasattr(module, "_backend"):
            monkeypatch.setattr(module, "_backend", recorder)
        else:  # Airflow before 3.3
            monkeypatch.setattr(of_airflow, "instance", recorder)
            monkeypatch.setattr(of_airflow, "_instance_pid", os.getpid(), raising=False)
    return recorder


OUTCOMES = {
    "success": ({}, "success", "sent"),
    "refused": ({"json": {"code": 119, "error": "no"}}, "refused", "failed"),
    "bad-token": ({"json": {"code": 112, "error": "no"}}, "bad_connection", "failed"),
    "unknown": ({"status_code": 502}, "unknown", "unknown"),
}


@pytest.mark.parametrize("case", OUTCOMES)
def test_message_is_counted(usedesk, recorder, case):
    response, request, message = OUTCOMES[case]
    if response:
        usedesk.post(f"{URL}/create/ticket", **response)
    with suppress(AirflowFailException, UsedeskError):
        run_attempt(CreateTicketOperator, subject="s", message="m", client_phone="79123456789")
    assert recorder.ours == {f"usedesk.requests.create_ticket.{request}": 1, f"usedesk.messages.{message}": 1}


def test_request_of_a_trigger_is_counted(usedesk, recorder):
    usedesk.post(f"{URL}/ticket", json={"code": 112, "error": "no"})
    now = datetime.now(UTC)
    trigger = TicketStatusTrigger(
        usedesk_conn_id="usedesk_default",
        ticket_id=77,
        target_statuses=[2],
        failed_statuses=[4],
        poll_interval=60,
        since=(now - timedelta(days=1)).isoformat(),
        deadline=(now + timedelta(seconds=30)).isoformat(),
        max_failures=1,
    )

    async def fire():
        return await anext(trigger.run())

    assert asyncio.run(fire()).payload["error"] == "UsedeskInvalidToken"
    assert recorder.ours == {"usedesk.requests.ticket.bad_connection": 1}


def test_zero_is_not_reported(recorder):
    stats.count("batch_rows.sent", 0)
    stats.count("batch_rows.sent", 5)
    assert recorder.ours == {"usedesk.batch_rows.sent": 5}


def test_service_reports_to_its_own_stats(recorder):
    stats.count_in_service("webhooks.stored")
    assert recorder.ours == {"usedesk.webhooks.stored": 1}


def test_wait_for_rate_limit_is_timed(recorder):
    stats.add_time("rate_limit_wait", 1.5)
    assert recorder.timers == [("usedesk.rate_limit_wait", 1.5)]


def test_docs_name_all_outcomes():
    rows = (Path(__file__).parents[2] / "docs/monitoring.md").read_text().splitlines()
    documented = {row.split("`")[1] for row in rows if row.startswith("| `")}
    emitted = {*get_args(RequestOutcome), *get_args(MessageOutcome), *get_args(WebhookOutcome)}
    assert emitted <= documented
