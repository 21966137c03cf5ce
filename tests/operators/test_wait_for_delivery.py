"""Operators that wait for the delivery of what they sent, and send it once whatever happens meanwhile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from requests import ConnectTimeout

from airflow_provider_usedesk.api.errors import UsedeskUnavailable
from airflow_provider_usedesk.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    TaskDeferred,
)
from airflow_provider_usedesk.compat.version import HAS_WORKING_ASSET_INLETS
from airflow_provider_usedesk.delivery import report_store
from airflow_provider_usedesk.delivery.reports import DeliveryReport
from airflow_provider_usedesk.operators import sending, waiting
from airflow_provider_usedesk.operators.comment import CreateCommentOperator
from airflow_provider_usedesk.operators.contract import attempt_memory
from airflow_provider_usedesk.operators.ticket import CreateTicketOperator
from tests.support.airflow import URL
from tests.support.delivery import WEBHOOK_SECRET, set_extra
from tests.support.operators import StateStore, attempt_context, dag, pushed, run_attempt

NOT_FOUND = {"code": 113, "error": "no such ticket"}


def ticket_with(*comments):
    """Return a response of ``ticket`` for 1001, the first ticket that a test creates."""
    defaults = {"id": 501, "from": "user", "type": "public", "delivered": 0, "readed": 0}
    return {
        "ticket": {"id": 1001, "status_id": 1},
        "comments": [{**defaults, **comment} for comment in comments or ({},)],
    }


DELIVERED = ticket_with({"delivered": 1})
FAILED = ticket_with({}, {"id": 502, "from": "trigger", "type": "error"})

SEND = """
SendWhatsAppTemplateOperator(
    task_id="send",
    channel_id=123,
    client_phone="79123456789",
    template_id=8094,
    wait_for_delivery=True,
    delivery_poke_interval=0.05,
    {}
)
"""
WRITE = """
CreateCommentOperator(
    task_id="send",
    ticket_id=1001,
    message="Paid",
    type="public",
    wait_for_delivery=True,
    delivery_poke_interval=0.05,
    {}
)
"""
RETRIED = "default_args={'retries': 1, 'retry_delay': 0.1}"


@pytest.fixture
def messenger(usedesk):
    """Set the responses of ``ticket``, one after the other; the last one stays. Return a request counter."""
    comments = count(501)
    usedesk.post(
        f"{URL}/create/comment",
        json=lambda request, context: {"status": "success", "comment_id": next(comments)},
    )

    def messenger(*responses):
        usedesk.post(f"{URL}/ticket", [{"json": one} for one in responses])
        return lambda method: sum(one.url == f"{URL}/{method}" for one in usedesk.request_history)

    return messenger


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize(
    ("body", "method"), [(SEND, "create/ticket"), (WRITE, "create/comment")], ids=["ticket", "comment"]
)
def test_sends_once_and_waits(run_dag, messenger, body, method, deferrable):
    requests = messenger(NOT_FOUND, ticket_with(), DELIVERED)
    run = run_dag(dag(body.format(f"deferrable={deferrable}")))
    assert run.state == "success"
    assert pushed(run, "send")["return_value"] == 1001
    assert (requests(method), requests("ticket")) == (1, 3)


@pytest.mark.parametrize("deferrable", [False, True])
def test_failed_message_fails_with_ids(run_dag, messenger, deferrable):
    requests = messenger(ticket_with(), FAILED)
    run = run_dag(dag(SEND.format(f"deferrable={deferrable}"), RETRIED))
    assert run.state == "failed"
    assert pushed(run, "send") == {"ticket_id": 1001, "message_status": "not delivered"}
    assert "was not delivered: error" in run.printed
    assert requests("create/ticket") == 1


@pytest.mark.parametrize("deferrable", [False, True])
def test_missing_report_ends_in_timeout(run_dag, messenger, deferrable):
    requests = messenger(ticket_with())
    run = run_dag(dag(SEND.format(f"deferrable={deferrable}, delivery_timeout=0.2"), RETRIED))
    assert run.state == "failed"
    assert pushed(run, "send") == {"ticket_id": 1001, "message_status": "delivered"}
    assert "No report after 0.2 s" in run.printed
    assert requests("create/ticket") == 1


@pytest.mark.parametrize("deferrable", [False, True])
def test_failed_comment_pushes_status(run_dag, messenger, deferrable):
    messenger(ticket_with(), FAILED)
    run = run_dag(dag(WRITE.format(f"deferrable={deferrable}")))
    assert pushed(run, "send") == {"ticket_id": 1001, "comment_id": 501, "message_status": "not delivered"}


def test_failed_message_pushes_nothing_without_xcom(run_dag, messenger):
    messenger(FAILED)
    run = run_dag(dag(SEND.format("do_xcom_push=False")))
    assert (run.state, pushed(run, "send")) == ("failed", {})


def test_comment_ignores_other_comments(run_dag, messenger):
    requests = messenger(
        ticket_with({"delivered": 1, "id": 400}),
        ticket_with({"delivered": 1, "id": 400}, {"delivered": 1, "id": 501}),
    )
    assert run_dag(dag(WRITE.format(""))).state == "success"
    assert requests("ticket") == 2


def test_default_does_not_wait(run_dag, messenger):
    requests = messenger(ticket_with())
    run_dag(dag(SEND.replace("=True", "=False").format("")))
    assert (requests("create/ticket"), requests("ticket")) == (1, 0)


@pytest.mark.parametrize("deferrable", [False, True])
def test_killed_wait_resumes_without_sending(run_dag, usedesk_sandbox, monkeypatch, deferrable):
    """Before Airflow 3.3 the second attempt looks up the ticket, later it reads the attempt store."""
    wait, waits = waiting.wait_for_delivery, []

    def killed(*args):
        waits.append(args[2])
        if len(waits) == 1:
            raise RuntimeError("killed, for the test")
        return wait(*args)

    monkeypatch.setattr(sending, "wait_for_delivery", killed)
    run = run_dag(dag(SEND.format(f"deferrable={deferrable}"), RETRIED))
    assert run.state == "success"
    [created] = usedesk_sandbox.tickets
    assert waits == [created.ticket_id] * 2
    assert run.xcoms["send", -1]["ticket_id"] == created.ticket_id
    assert usedesk_sandbox.requests("create/ticket") == 1


@pytest.mark.parametrize("deferrable", [False, True])
def test_outage_resumes_wait_without_sending(run_dag, usedesk_sandbox, monkeypatch, deferrable):
    from airflow_provider_usedesk import sandbox as faults
    from airflow_provider_usedesk.delivery.waiter import DeliveryWait

    monkeypatch.setattr(DeliveryWait, "max_failures", 1)
    set_extra(monkeypatch, max_wait=0)
    usedesk_sandbox.fail(faults.answer(200, {"code": 111, "error": "down"}), times=3, method="ticket")
    body = SEND.format(f"deferrable={deferrable}, retries=8, retry_delay=0.1")
    assert run_dag(dag(body)).state == "success"
    assert usedesk_sandbox.requests("create/ticket") == 1


@pytest.mark.skipif(not HAS_WORKING_ASSET_INLETS, reason="no inlets before Airflow 3.1")
@pytest.mark.parametrize("waits", [False, True])
def test_mapped_operator_has_delivery_inlet(waits):
    given = {"task_id": "send", "subject": "s", "wait_for_delivery": waits}
    mapped = CreateTicketOperator.partial(**given).expand(message=["a", "b"])
    assert [asset.uri for asset in mapped.inlets] == ["usedesk://usedesk_default/delivery"] * waits


class TestNotAccepted:
    """The response itself says that the messenger did not accept the message."""

    @pytest.fixture(autouse=True)
    def not_accepted(self, usedesk):
        response = {"status": "success", "ticket_id": 77, "message_status": "not delivered"}
        usedesk.post(f"{URL}/create/ticket", json=response)

    def test_not_accepted_fails_without_wait(self, run_dag, messenger):
        requests = messenger(DELIVERED)
        assert run_dag(dag(SEND.format(""))).state == "failed"
        assert requests("ticket") == 0

    def test_ignored_failure_does_not_wait(self, run_dag, messenger):
        requests = messenger(ticket_with())
        assert run_dag(dag(SEND.format("on_not_delivered='ignore'"))).state == "success"
        assert requests("ticket") == 0


PRIVATE = {
    "comment": (CreateCommentOperator, {"ticket_id": 1001, "message": "m", "type": "{{ 'private' }}"}),
    "ticket": (CreateTicketOperator, {"subject": "s", "message": "m", "private_comment": "{{ true }}"}),
}


@pytest.mark.parametrize(("operator", "arguments"), PRIVATE.values(), ids=PRIVATE)
def test_private_message_cannot_be_awaited(usedesk, operator, arguments):
    with pytest.raises(AirflowFailException, match="wait_for_delivery: a private message"):
        run_attempt(operator, wait_for_delivery=True, **arguments)
    assert usedesk.sent() == []


@pytest.mark.parametrize("name", ["delivery_timeout", "delivery_poke_interval"])
@pytest.mark.parametrize(
    "value", [0, -1, True, "60", None, float("nan"), float("inf"), timedelta(0), timedelta(days=400)]
)
def test_invalid_times_fail_parsing(name, value):
    with pytest.raises(ValueError, match=name):
        CreateTicketOperator(task_id="t", subject="s", message="m", **{name: value})


@pytest.mark.parametrize("value", [90, 90.0, timedelta(seconds=90)])
def test_times_are_seconds_or_timedelta(value):
    operator = CreateTicketOperator(task_id="t", subject="s", message="m", delivery_timeout=value)
    assert operator.delivery_timeout == 90


class TestDeferring:
    @pytest.fixture
    def operator(self, connection):
        return CreateCommentOperator(
            task_id="t", ticket_id=1001, message="m", type="public", deferrable=True, delivery_timeout=60
        )

    def resume(self, operator, event, **kwargs):
        ids = {"ticket_id": 1001, "comment_id": 501, **kwargs}
        return operator.execute_complete(attempt_context(), event=event, **ids)

    def test_deferral_keeps_ids(self, operator, messenger):
        messenger(ticket_with())
        with pytest.raises(TaskDeferred) as deferred:
            waiting.wait_for_delivery(operator, {}, 1001, 501)
        assert deferred.value.kwargs == {"ticket_id": 1001, "comment_id": 501}
        assert deferred.value.method_name == "execute_complete"
        assert deferred.value.timeout > timedelta(seconds=60)
        trigger = deferred.value.trigger
        assert (trigger.ticket_id, trigger.comment_id, trigger.source) == (1001, 501, "poll")

    def test_delivered_event_returns_ticket(self, operator):
        event = {"ticket_id": 1001, "outcome": "done", "status": "READ", "comment_id": 501}
        assert self.resume(operator, event) == 1001

    def test_failed_event_fails_task(self, operator):
        event = {"ticket_id": 1001, "outcome": "done", "status": "REJECTED", "comment_id": 501}
        with pytest.raises(
            AirflowFailException, match="message 501 of ticket 1001 was not delivered: REJECTED"
        ):
            self.resume(operator, event)

    def test_timeout_event_fails_task(self, operator, messenger):
        messenger(ticket_with())
        with pytest.raises(AirflowSensorTimeout):
            self.resume(operator, {"ticket_id": 1001, "outcome": "timeout"})

    def test_timeout_event_polls_once_more(self, operator, messenger):
        messenger(DELIVERED)
        assert self.resume(operator, {"ticket_id": 1001, "outcome": "timeout"}) == 1001

    @pytest.mark.parametrize(
        ("event", "kwargs"),
        [
            (None, {}),
            ({"ticket_id": 1002, "outcome": "done", "status": "READ"}, {}),
            ({"outcome": "done", "status": "READ"}, {"ticket_id": None}),
            ("READ", {"ticket_id": None}),
            ({"ticket_id": 1001, "outcome": "done", "status": "READ", "comment_id": 7}, {}),
        ],
    )
    def test_unexpected_event_fails_task(self, operator, event, kwargs):
        with pytest.raises(AirflowException, match="does not belong|without the id of the ticket"):
            self.resume(operator, event, **kwargs)


class TestReportsWithoutMessage:
    """Reports by webhook that name the ticket only, in a ticket with several messages."""

    OLD, NEW = "2026-11-24T12:00:00+00:00", "2999-01-01T00:00:00+00:00"

    @pytest.fixture
    def stored(self, monkeypatch, connection):
        """Set when the reports of each read arrived; the last ones stay."""
        set_extra(monkeypatch, webhook_secret=WEBHOOK_SECRET)
        monkeypatch.setattr(report_store, "why_unavailable", lambda in_triggerer: None)

        def stored(*reads):
            left = list(reads)

            def load(store, ticket_id):
                times = left.pop(0) if len(left) > 1 else left[0]
                if isinstance(times, Exception):
                    raise times
                return tuple(DeliveryReport("DELIVERED", None, at) for at in times)

            monkeypatch.setattr(report_store.ReportStore, "load", load)

        return stored

    def write(self, **arguments):
        arguments = {
            "ticket_id": 1001,
            "message": "m",
            "type": "public",
            "wait_for_delivery": True,
            "delivery_timeout": 0.2,
        } | arguments
        return run_attempt(CreateCommentOperator, delivery_poke_interval=0.01, **arguments)

    def test_report_on_an_earlier_message_does_not_count(self, messenger, stored):
        messenger(ticket_with())
        stored([self.OLD])
        with pytest.raises(AirflowSensorTimeout):
            self.write()

    def test_report_after_sending_counts(self, messenger, stored):
        messenger(ticket_with())
        stored([self.OLD], [self.OLD], [self.NEW])
        assert self.write(delivery_timeout=60) == 1001

    def test_first_report_of_the_ticket_counts_whatever_the_clock(self, messenger, stored):
        messenger(ticket_with())
        stored([], [self.OLD])
        assert self.write(delivery_timeout=60) == 1001

    def test_unreadable_store_does_not_stop_sending(self, messenger, stored):
        requests = messenger(ticket_with())
        stored(UsedeskUnavailable("down"), [self.OLD])
        with pytest.raises(AirflowSensorTimeout):
            self.write()
        assert requests("create/comment") == 1

    def test_trigger_and_resumed_task_know_the_moment(self, messenger, stored):
        messenger(ticket_with())
        stored([self.OLD])
        with pytest.raises(TaskDeferred) as deferred:
            self.write(deferrable=True)
        assert deferred.value.trigger.serialize()[1]["reports_after"] == self.OLD
        assert deferred.value.kwargs["reports_after"] == self.OLD
        operator = CreateCommentOperator(
            task_id="t", ticket_id=1001, message="m", type="public", deferrable=True
        )
        with pytest.raises(AirflowSensorTimeout):
            operator.execute_complete(
                {}, event={"ticket_id": 1001, "outcome": "timeout"}, **deferred.value.kwargs
            )

    @pytest.mark.parametrize("has_store", [True, False], ids=["record", "search"])
    def test_report_before_a_retry_that_sends_does_not_count(
        self, messenger, stored, usedesk, monkeypatch, has_store
    ):
        """The record of an attempt that sent nothing, or the begin of the run, is older than the report."""
        set_extra(monkeypatch, consistency_delay=0, max_wait=0)
        no_comments = {"ticket": {"id": 1001, "status_id": 1}, "comments": []}
        store = StateStore() if has_store else None
        if has_store:
            messenger(no_comments)
            stored([])
            usedesk.post(f"{URL}/create/comment", exc=ConnectTimeout)
            with pytest.raises(UsedeskUnavailable):
                self.write(context=attempt_context(1, 1, store))
            usedesk.post(f"{URL}/create/comment", json={"status": "success", "comment_id": 501})
        context = attempt_context(2, 1, store)
        stored([datetime.now(UTC).isoformat()])
        messenger(no_comments)
        with pytest.raises(AirflowSensorTimeout):
            self.write(context=context)

    def test_retry_counts_reports_since_the_earlier_attempt(self):
        context = attempt_context(try_number=2)
        memory = attempt_memory(context["ti"])
        memory.sent_since = memory.started - timedelta(minutes=5)
        assert waiting.after_sending(context, None) == memory.sent_since - waiting.CLOCK_DIFFERENCE


@pytest.mark.parametrize("value", [90, 90.0, timedelta(seconds=90)])
def test_wait_seconds(value):
    assert waiting.wait_seconds("timeout", value) == 90.0


@pytest.mark.parametrize("value", [0, -1, True, "60", None, float("nan"), timedelta(days=400)])
def test_wait_seconds_are_positive_and_limited(value):
    with pytest.raises(ValueError, match="timeout: must be"):
        waiting.wait_seconds("timeout", value)
