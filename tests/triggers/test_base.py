"""When the trigger of a deferred task may fire."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_usedesk.triggers.base import MIN_DEFERRAL_SECONDS
from airflow_provider_usedesk.triggers.message import MessageDeliveryTrigger
from airflow_provider_usedesk.triggers.quiet_hours import QuietHoursTrigger
from airflow_provider_usedesk.triggers.ticket import TicketStatusTrigger
from tests.support import virtual_time

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
    """Make a trigger whose deadline has passed."""
    return {
        TicketStatusTrigger: lambda: TicketStatusTrigger(target_statuses=[2], failed_statuses=[4], **LATE),
        MessageDeliveryTrigger: lambda: MessageDeliveryTrigger(source="poll", **WORDS, **LATE),
        QuietHoursTrigger: lambda: QuietHoursTrigger(until=PAST),
    }[request.param]()


def fired_at(trigger):
    async def fire():
        await anext(trigger.run())
        return asyncio.get_running_loop().time()

    return virtual_time.run(fire())


def test_fires_after_the_minimum_deferral(trigger):
    """Airflow fails a task that resumes before it noticed the exit of the worker."""
    trigger.trigger_id = 1
    assert fired_at(trigger) == MIN_DEFERRAL_SECONDS


def test_fires_at_once_in_dag_test(trigger):
    assert fired_at(trigger) == 0


def test_execution_timeout_ends_quiet_hours_early():
    now = datetime.now(UTC)
    until, deadline = now + timedelta(hours=9), now + timedelta(minutes=30)
    trigger = QuietHoursTrigger(until=until.isoformat(), deadline=deadline.isoformat())
    assert payload(trigger)["outcome"] == "timeout"
    assert fired_at(trigger) == pytest.approx(1800, abs=30)


def test_quiet_hours_end_before_execution_timeout():
    until = datetime.now(UTC) + timedelta(minutes=30)
    deadline = until + timedelta(hours=1)
    trigger = QuietHoursTrigger(until=until.isoformat(), deadline=deadline.isoformat())
    assert payload(trigger) == {"outcome": "done", "until": until.isoformat()}


def payload(trigger):
    async def fire():
        return (await anext(trigger.run())).payload

    return virtual_time.run(fire())
