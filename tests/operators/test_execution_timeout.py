"""``execution_timeout`` of tasks that wait in the triggerer: the earlier of two timeouts ends the wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_usedesk.compat.sdk import AirflowSensorTimeout, AirflowTaskTimeout, TaskDeferred
from airflow_provider_usedesk.operators.batch import CreateTicketBatchOperator
from airflow_provider_usedesk.operators.ticket import CreateTicketOperator
from airflow_provider_usedesk.sensors.message import MessageDeliverySensor
from airflow_provider_usedesk.sensors.ticket import TicketStatusSensor
from tests.support import virtual_time
from tests.support.operators import attempt_context

SECONDS = 40
GRACE = timedelta(minutes=1)


def quiet_hours():
    now = datetime.now(UTC)
    return {
        "quiet_hours": (f"{now - timedelta(hours=1):%H:%M}", f"{now + timedelta(hours=2):%H:%M}"),
        "timezone": "UTC",
    }


def status(ticket_id, tmp_path, **options):
    return TicketStatusSensor(task_id="t", ticket_id=ticket_id, timeout=240, **options)


def delivery(ticket_id, tmp_path, **options):
    return MessageDeliverySensor(task_id="t", ticket_id=ticket_id, source="poll", timeout=240, **options)


def sending(ticket_id, tmp_path, **options):
    return CreateTicketOperator(
        task_id="t", subject="s", message="m", wait_for_delivery=True, delivery_timeout=240, **options
    )


def batch(ticket_id, tmp_path, **options):
    rows = [{"id": 1, "subject": "s"}]
    return CreateTicketBatchOperator(
        task_id="t",
        recipients=rows,
        row_key="id",
        message="m",
        checkpoint_path=str(tmp_path),
        **quiet_hours(),
        **options,
    )


DEFERRING = [status, delivery, sending, batch]
SENSORS = [status, delivery]


@pytest.fixture
def ticket_id(make_ticket):
    return make_ticket()


def context_since(seconds_ago):
    """The context of an attempt that began some time ago."""
    context = attempt_context()
    context["ti"].start_date = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    return context


def deferral(task, context):
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(context)
    return deferred.value


def deadline(deferred):
    return datetime.fromisoformat(deferred.trigger.serialize()[1]["deadline"])


@pytest.mark.parametrize("make", DEFERRING)
def test_execution_timeout_ends_the_deferral(make, ticket_id, tmp_path):
    task = make(ticket_id, tmp_path, deferrable=True, execution_timeout=timedelta(seconds=SECONDS))
    context = context_since(10)
    deferred = deferral(task, context)
    assert deadline(deferred) == context["ti"].start_date + task.execution_timeout
    # The scheduler ends the deferral where no triggerer does.
    assert timedelta(0) < deferred.timeout - GRACE <= timedelta(seconds=SECONDS - 10)


@pytest.mark.parametrize("make", [status, delivery, sending])
def test_longer_execution_timeout_changes_nothing(make, ticket_id, tmp_path):
    task = make(ticket_id, tmp_path, deferrable=True, execution_timeout=timedelta(hours=1))
    began = datetime.now(UTC)
    assert deadline(deferral(task, context_since(10))) - began < timedelta(seconds=300)


@pytest.mark.parametrize("resumed_since", [SECONDS, 0], ids=["attempt", "process"])
@pytest.mark.parametrize("make", DEFERRING)
def test_task_fails_as_in_a_worker(make, resumed_since, ticket_id, tmp_path, usedesk_sandbox):
    """
    ``AirflowTaskTimeout`` may be retried, and ``soft_fail`` does not turn it into a skipped task.

    Before Airflow 3.2.2 a resumed task has the start of its process in place of that of its attempt.
    """
    task = make(ticket_id, tmp_path, deferrable=True, execution_timeout=timedelta(seconds=SECONDS))
    deferred = deferral(task, context_since(SECONDS))
    fired = {**payload(deferred.trigger), "outcome": "timeout"}
    requests = usedesk_sandbox.requests()
    with pytest.raises(AirflowTaskTimeout, match="execution_timeout of 40 s has passed"):
        task.resume_execution(
            "execute_complete", {**(deferred.kwargs or {}), "event": fired}, context_since(resumed_since)
        )
    assert usedesk_sandbox.requests() == requests


def test_later_deferral_has_the_same_end(tmp_path, usedesk_sandbox):
    options = {"deferrable": True, "execution_timeout": timedelta(seconds=SECONDS)}
    first = deferral(batch(None, tmp_path, **options), context_since(10))
    resumed = batch(None, tmp_path, **options)
    with pytest.raises(TaskDeferred) as again:
        resumed.resume_execution("execute_complete", {**first.kwargs, "event": {}}, context_since(0))
    assert deadline(again.value) == deadline(first)


@pytest.mark.parametrize("make", SENSORS)
def test_sensor_timeout_stays_a_sensor_timeout(make, ticket_id, tmp_path):
    task = make(ticket_id, tmp_path, deferrable=True, execution_timeout=timedelta(hours=1))
    event = {"ticket_id": ticket_id, "outcome": "timeout"}
    with pytest.raises(AirflowSensorTimeout):
        task.resume_execution("execute_complete", {"event": event}, context_since(240))


@pytest.mark.parametrize(("seconds_ago", "error"), [(SECONDS, AirflowTaskTimeout), (0, Exception)])
@pytest.mark.parametrize("make", SENSORS)
def test_scheduler_ends_the_deferral(make, ticket_id, tmp_path, seconds_ago, error):
    task = make(ticket_id, tmp_path, deferrable=True, execution_timeout=timedelta(seconds=SECONDS))
    with pytest.raises(error):
        task.resume_execution("__fail__", {"error": "Trigger timeout"}, context_since(seconds_ago))


def payload(trigger):
    """What a trigger fires, on a clock that jumps; no trigger here makes a request before it ends."""
    trigger.deadline = datetime.now(UTC).isoformat()

    async def fire():
        return (await anext(trigger.run())).payload

    return virtual_time.run(fire())
