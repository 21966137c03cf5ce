"""When a task that was deferred may go on."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from airflow_provider_usedesk.triggers import base
from airflow_provider_usedesk.triggers.message import MessageDeliveryTrigger
from airflow_provider_usedesk.triggers.quiet_hours import QuietHoursTrigger
from airflow_provider_usedesk.triggers.ticket import TicketStatusTrigger

PAST = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
LATE = {
    "usedesk_conn_id": "usedesk_default",
    "ticket_id": 77,
    "poll_interval": 60,
    "since": PAST,
    "deadline": PAST,
    "max_failures": 3,
}
WORDS = {"comment_id": None, "delivered_statuses": ["delivered"], "failed_statuses": ["failed"]}


@pytest.fixture(params=[TicketStatusTrigger, MessageDeliveryTrigger, QuietHoursTrigger])
def trigger(request):
    """Make a trigger whose time has come, so that it has nothing to wait for."""
    return {
        TicketStatusTrigger: lambda: TicketStatusTrigger(target_statuses=[2], failed_statuses=[4], **LATE),
        MessageDeliveryTrigger: lambda: MessageDeliveryTrigger(source="poll", **WORDS, **LATE),
        QuietHoursTrigger: lambda: QuietHoursTrigger(until=PAST),
    }[request.param]()


def seconds_to_fire(trigger):
    async def fire():
        begin = asyncio.get_running_loop().time()
        await asyncio.wait_for(anext(trigger.run()), 30)
        return asyncio.get_running_loop().time() - begin

    return asyncio.run(fire())


def test_none_fires_before_airflow_saw_the_end_of_the_worker(trigger, monkeypatch):
    monkeypatch.setattr(base, "MIN_DEFERRAL_SECONDS", 0.3)
    trigger.trigger_id = 1
    assert seconds_to_fire(trigger) >= 0.3


def test_dag_test_need_not_wait_for_that(trigger, monkeypatch):
    monkeypatch.setattr(base, "MIN_DEFERRAL_SECONDS", 3600)
    assert seconds_to_fire(trigger) < 30
