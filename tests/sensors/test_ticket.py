"""The status sensor: in the worker, and around a deferral."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from airflow.exceptions import AirflowRescheduleException

from airflow_provider_usedesk import sandbox as faults
from airflow_provider_usedesk.api import errors
from airflow_provider_usedesk.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)
from airflow_provider_usedesk.compat.version import AIRFLOW
from airflow_provider_usedesk.polling.trigger_event import error_event
from airflow_provider_usedesk.sensors.ticket import TicketStatusSensor
from airflow_provider_usedesk.triggers.ticket import TicketStatusTrigger
from tests.support.airflow import TOKEN
from tests.support.operators import attempt_context

DAG = """
from datetime import datetime

from tests.support.dags import DAG

from airflow_provider_usedesk.sensors.ticket import TicketStatusSensor

with DAG("waits", start_date=datetime(2026, 1, 1), schedule=None) as dag:
    TicketStatusSensor(task_id="wait", ticket_id="{{{{ {ticket_id} }}}}", {options})
"""


def sensor(ticket_id, **options):
    return TicketStatusSensor(task_id="t", ticket_id=ticket_id, **options)


@pytest.fixture
def context():
    """As much of a context as a sensor needs."""
    return attempt_context()


class TestInTheWorker:
    def test_returns_the_state_and_pushes_the_link(self, run_dag, make_ticket, usedesk_sandbox):
        ticket_id = make_ticket(status=2, tags=("invoice",))
        run = run_dag(DAG.format(ticket_id=ticket_id, options=""))
        assert run.state == "success"
        pushed = run.xcoms["wait", -1]
        state = pushed["return_value"]
        assert (state["ticket_id"], state["status_name"], state["tags"]) == (ticket_id, "solved", ["invoice"])
        assert pushed["ticket_url"] == f"{usedesk_sandbox.inbox_url}tickets/{ticket_id}"
        assert usedesk_sandbox.requests("ticket") == 1

    def test_max_failures_from_upstream_is_checked(self, make_ticket, usedesk_sandbox, context):
        waiting = sensor(make_ticket())
        waiting.max_failures = "many"
        with pytest.raises(AirflowFailException, match="max_failures: must be a whole number"):
            waiting.execute(context)
        assert usedesk_sandbox.requests("ticket") == 0

    def test_pushes_nothing_without_do_xcom_push(self, run_dag, make_ticket):
        run = run_dag(DAG.format(ticket_id=make_ticket(status=2), options="do_xcom_push=False"))
        assert run.state == "success"
        assert "ticket_url" not in run.xcoms.get(("wait", -1), {})

    def test_pokes_until_the_status_is_reached(self, make_ticket, usedesk_sandbox, context):
        waiting = sensor(make_ticket(), target_statuses="on hold", poke_interval=0)
        pokes, poke = [], waiting.poke

        def poke_and_change(context):
            pokes.append(usedesk_sandbox.requests("ticket"))
            if len(pokes) == 3:
                usedesk_sandbox.update(waiting.ticket_id, status=5)
            return poke(context)

        waiting.poke = poke_and_change
        assert waiting.execute(context)["status_name"] == "on hold"
        assert usedesk_sandbox.requests("ticket") == 3

    @pytest.mark.parametrize("status", [4, 7, 10])
    def test_failed_status_fails_at_once(self, run_dag, make_ticket, status):
        run = run_dag(DAG.format(ticket_id=make_ticket(status=status), options=""))
        assert run.state == "failed"
        assert ("merged into another ticket" in run.printed) == (status == 10)

    @pytest.mark.parametrize("deferrable", [False, True])
    def test_soft_fail_skips(self, make_ticket, context, deferrable):
        with pytest.raises(AirflowSkipException):
            sensor(make_ticket(status=7), soft_fail=True, deferrable=deferrable).execute(context)

    def test_invalid_arguments_send_no_request(self, usedesk_sandbox, context):
        waiting = sensor("{{ ticket }}", target_statuses="{{ statuses }}")
        # As Airflow renders them.
        waiting.ticket_id, waiting.target_statuses = "x", "done"
        with pytest.raises(AirflowFailException, match=r"(?s)ticket_id: .*target_statuses: "):
            waiting.execute(context)
        assert usedesk_sandbox.requests() == 0

    def test_few_failed_polls_are_tolerated(self, make_ticket, usedesk_sandbox, context, no_sandbox_retries):
        waiting = sensor(make_ticket(status=3), poke_interval=0, max_failures=3)
        usedesk_sandbox.fail(faults.html(502), times=2, method="ticket")
        assert waiting.execute(context)["status_name"] == "closed"

    def test_too_many_failed_polls_raise_the_error(
        self, make_ticket, usedesk_sandbox, context, no_sandbox_retries
    ):
        waiting = sensor(make_ticket(status=3), poke_interval=0, max_failures=3)
        usedesk_sandbox.fail(faults.html(502), times=3, method="ticket")
        with pytest.raises(errors.UsedeskUnavailable):
            waiting.execute(context)

    @pytest.mark.skipif(AIRFLOW < (3, 0), reason="Airflow 2 needs a database for that")
    @pytest.mark.parametrize(
        ("max_failures", "error"), [(1, errors.UsedeskUnavailable), (2, AirflowRescheduleException)]
    )
    def test_reschedule_mode_counts_no_failures(
        self, make_ticket, usedesk_sandbox, context, no_sandbox_retries, max_failures, error
    ):
        ticket_id = make_ticket(status=1)
        usedesk_sandbox.fail(faults.html(502), times=3, method="ticket")
        context["ti"].get_first_reschedule_date = lambda _: None
        for _ in range(3):
            with pytest.raises(error):
                sensor(ticket_id, mode="reschedule", max_failures=max_failures).execute(context)

    def test_unknown_ticket_may_be_retried(self, usedesk_sandbox, context):
        with pytest.raises(errors.UsedeskTicketNotFound):
            sensor(17).execute(context)


class TestDeferring:
    def test_reached_status_does_not_defer(self, make_ticket, context):
        assert sensor(make_ticket(status=2), deferrable=True).execute(context)["status_name"] == "solved"

    def test_failed_first_poll_defers(self, make_ticket, usedesk_sandbox, context, no_sandbox_retries):
        waiting = sensor(make_ticket(), deferrable=True)
        usedesk_sandbox.fail(faults.html(502), method="ticket")
        with pytest.raises(TaskDeferred):
            waiting.execute(context)

    def test_failed_first_poll_leaves_the_state_unknown(
        self, make_ticket, usedesk_sandbox, context, no_sandbox_retries
    ):
        waiting = sensor(make_ticket(status=2), deferrable=True)
        usedesk_sandbox.fail(faults.html(502), method="ticket")
        with pytest.raises(TaskDeferred) as deferred:
            waiting.execute(context)
        assert datetime.fromisoformat(deferred.value.trigger.since).year == 1970
        assert datetime.fromisoformat(deferred.value.trigger.deadline) > datetime.now(UTC)

    def test_trigger_survives_serialization(self, make_ticket, context):
        waiting = sensor(str(make_ticket()), deferrable=True, timeout=3600, poke_interval=30)
        before = datetime.now(UTC)
        with pytest.raises(TaskDeferred) as deferred:
            waiting.execute(context)
        path, arguments = deferred.value.trigger.serialize()
        assert path == "airflow_provider_usedesk.triggers.ticket.TicketStatusTrigger"
        stored = json.loads(json.dumps(arguments))
        assert TicketStatusTrigger(**stored).serialize() == (path, arguments)
        assert stored["target_statuses"] == [2, 3]
        deadline = datetime.fromisoformat(stored["deadline"])
        assert before + timedelta(hours=1) <= deadline <= datetime.now(UTC) + timedelta(hours=1)
        assert deferred.value.timeout > timedelta(hours=1)
        assert TOKEN not in str(stored)

    def test_deferred_dag_run(self, run_dag, make_ticket, usedesk_sandbox):
        """The trigger runs in the process of ``dag.test()``; the ticket is solved after its first polls."""
        ticket_id = make_ticket()

        def solve():
            while usedesk_sandbox.requests("ticket") < 3:
                time.sleep(0.01)
            usedesk_sandbox.update(ticket_id, status=2)

        threading.Thread(target=solve, daemon=True).start()
        run = run_dag(
            DAG.format(ticket_id=ticket_id, options="deferrable=True, poke_interval=0.1, timeout=60")
        )
        assert run.state == "success"
        pushed = run.xcoms["wait", -1]
        assert pushed["return_value"]["status_name"] == "solved"
        # Airflow 3 asks for the link when the attempt ends, in another process than that which pushed it.
        assert pushed.get("_link_UsedeskTicketLink", pushed["ticket_url"]) == pushed["ticket_url"]


class TestResuming:
    @pytest.fixture
    def waiting(self, make_ticket):
        return sensor(make_ticket(), deferrable=True)

    def resume(self, waiting, **event):
        return waiting.execute_complete({}, event={"ticket_id": waiting.ticket_id, **event})

    def test_returns_the_state(self, waiting):
        state = {"ticket_id": waiting.ticket_id, "status": 2, "status_name": "solved"}
        assert self.resume(waiting, outcome="done", state=state) == state

    def test_failed_status_fails(self, waiting):
        with pytest.raises(AirflowFailException, match="is spam"):
            self.resume(waiting, outcome="done", state={"ticket_id": 1, "status": 7})

    def test_timeout(self, waiting):
        with pytest.raises(AirflowSensorTimeout):
            self.resume(waiting, outcome="timeout")

    def test_timeout_polls_once_more(self, waiting, usedesk_sandbox):
        usedesk_sandbox.update(waiting.ticket_id, status=2)
        assert self.resume(waiting, outcome="timeout")["status_name"] == "solved"

    def test_failed_status_after_timeout_fails(self, waiting, usedesk_sandbox):
        usedesk_sandbox.update(waiting.ticket_id, status=7)
        with pytest.raises(AirflowFailException, match="is spam"):
            self.resume(waiting, outcome="timeout")

    @pytest.mark.parametrize("max_failures", [1, 10])
    def test_error_after_timeout_is_a_timeout(
        self, waiting, usedesk_sandbox, no_sandbox_retries, max_failures
    ):
        waiting.max_failures = max_failures
        usedesk_sandbox.fail(faults.html(502), method="ticket")
        with pytest.raises(AirflowSensorTimeout):
            self.resume(waiting, outcome="timeout")

    @pytest.mark.parametrize(
        "event",
        [
            {"outcome": "error", "error": "UsedeskUnavailable", "message": "out of order"},
            {"outcome": "error", "error": "UsedeskInvalidToken", "message": "no"},
            {"outcome": "timeout"},
        ],
        ids=["unavailable", "token", "timeout"],
    )
    def test_never_fail_skips(self, make_ticket, event):
        waiting = sensor(make_ticket(), deferrable=True, never_fail=True)
        event = {"ticket_id": waiting.ticket_id, **event}
        with pytest.raises(AirflowSkipException):
            waiting.resume_execution("execute_complete", {"event": event}, {})

    def test_error_keeps_its_class(self, waiting):
        with pytest.raises(errors.UsedeskUnavailable, match="out of order"):
            self.resume(waiting, outcome="error", error="UsedeskUnavailable", message="out of order")

    @pytest.mark.parametrize("reasons", [["a: no"], ["a: no", "b: no"]])
    def test_invalid_request_keeps_its_text(self, waiting, reasons):
        error = errors.UsedeskInvalidRequest(reasons)
        with pytest.raises(AirflowFailException) as raised:
            self.resume(waiting, **json.loads(json.dumps(error_event(error))))
        assert str(raised.value) == f"UsedeskInvalidRequest: {error}"

    def test_invalid_token_is_not_retried(self, waiting):
        with pytest.raises(AirflowFailException, match="UsedeskInvalidToken: no"):
            self.resume(waiting, outcome="error", error="UsedeskInvalidToken", message="no")

    @pytest.mark.parametrize(
        "event",
        [
            None,
            "solved",
            {},
            {"outcome": "done"},
            {"ticket_id": 1, "outcome": "done", "state": {"status": 2}},
            {"outcome": "done", "state": {"status": 8}},
            {"outcome": "error", "error": "Sequence"},
        ],
        ids=["none", "text", "empty", "no state", "other ticket", "undecided", "no error class"],
    )
    def test_unexpected_event_fails(self, waiting, event):
        if isinstance(event, dict):
            event = {"ticket_id": waiting.ticket_id, **event}
        with pytest.raises((AirflowException, errors.UsedeskError)):
            waiting.execute_complete({}, event=event)
