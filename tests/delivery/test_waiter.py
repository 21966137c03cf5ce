"""Waiting for a delivery in a worker, with an injected clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_usedesk.compat.sdk import AirflowSensorTimeout
from airflow_provider_usedesk.delivery.decision import default_message
from airflow_provider_usedesk.delivery.waiter import DeliveryWait
from airflow_provider_usedesk.hooks.usedesk import UsedeskHook
from tests.support.delivery import DELIVERED, NOT_FOUND, SENT, TICKET


class Clock:
    def __init__(self):
        self.now, self.slept = 0.0, []

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def wait(clock):
    return DeliveryWait(
        UsedeskHook(),
        default_message(TICKET, None),
        "poll",
        deferrable=False,
        interval=30,
        timeout=100,
        clock=lambda: clock.now,
        sleep=clock.sleep,
    )


def test_polls_in_intervals(wait, clock, ticket_responses):
    ticket_responses(SENT, SENT, DELIVERED)
    assert wait.wait_in_worker()["status"] == "delivered"
    assert clock.slept == [30, 30]


def test_last_poll_is_at_the_timeout(wait, clock, ticket_responses):
    requests = ticket_responses(SENT)
    with pytest.raises(AirflowSensorTimeout, match="after 100 s"):
        wait.wait_in_worker()
    assert clock.slept == [30, 30, 30, 10]
    assert requests() == 5


def test_failed_report_waits_for_a_ticket_that_cannot_be_read(
    wait, clock, ticket_responses, no_client_retries
):
    wait.reads_webhook_reports, wait.source = True, "auto"
    ticket_responses(502, NOT_FOUND, DELIVERED)
    event = {"ticket_id": TICKET, "outcome": "done", "status": "UNDELIVERED", "comment_id": None}
    assert wait.resume(event)["status"] == "delivered"
    assert clock.slept == [30, 30]


@pytest.mark.parametrize(("execution_seconds", "expected"), [(None, 100), (300, 100), (40, 40)])
def test_the_earlier_timeout_ends_the_wait(wait, execution_seconds, expected):
    began = datetime(2026, 11, 24, 12, tzinfo=UTC)
    end = None if execution_seconds is None else began + timedelta(seconds=execution_seconds)
    kwargs = wait.trigger_kwargs(began, wait.deadline(began, end))
    assert datetime.fromisoformat(kwargs["since"]) == began
    assert datetime.fromisoformat(kwargs["deadline"]) == began + timedelta(seconds=expected)
