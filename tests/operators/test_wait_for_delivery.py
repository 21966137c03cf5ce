"""Operators that wait for what they sent: one send, whatever happens while they wait."""

from __future__ import annotations

from datetime import timedelta
from itertools import count

import pytest

from airflow_provider_usedesk.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    TaskDeferred,
)
from airflow_provider_usedesk.compat.version import HAS_WORKING_ASSET_INLETS
from airflow_provider_usedesk.operators import ticket, waiting
from airflow_provider_usedesk.operators.comment import CreateCommentOperator
from airflow_provider_usedesk.operators.ticket import CreateTicketOperator
from tests.support.airflow import URL
from tests.support.operators import dag, pushed

NOT_FOUND = {"code": 113, "error": "no such ticket"}


def shown(*comments):
    """Answer as ``ticket`` does; the ticket is 1001, the first that is made."""
    defaults = {"id": 501, "from": "user", "type": "public", "delivered": 0, "readed": 0}
    return {
        "ticket": {"id": 1001, "status_id": 1},
        "comments": [{**defaults, **comment} for comment in comments or ({},)],
    }


DELIVERED = shown({"delivered": 1})
FAILED = shown({}, {"id": 502, "from": "trigger", "type": "error"})

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
    """Answer reads of the ticket one after the other; the last answer stays."""
    comments = count(501)
    usedesk.post(
        f"{URL}/create/comment",
        json=lambda request, context: {"status": "success", "comment_id": next(comments)},
    )

    def messenger(*answers):
        usedesk.post(f"{URL}/ticket", [{"json": one} for one in answers])
        return lambda method: sum(one.url == f"{URL}/{method}" for one in usedesk.request_history)

    return messenger


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize(("body", "method"), [(SEND, "create/ticket"), (WRITE, "create/comment")])
def test_sends_once_and_waits(run_dag, messenger, body, method, deferrable):
    requests = messenger(NOT_FOUND, shown(), DELIVERED)
    run = run_dag(dag(body.format(f"deferrable={deferrable}")))
    assert run.state == "success"
    assert pushed(run, "send")["return_value"] == 1001
    assert (requests(method), requests("ticket")) == (1, 3)


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_failed_message_fails_the_task_with_the_ids_in_xcom(run_dag, messenger, deferrable):
    requests = messenger(shown(), FAILED)
    run = run_dag(dag(SEND.format(f"deferrable={deferrable}"), RETRIED))
    assert run.state == "failed"
    assert pushed(run, "send") == {"ticket_id": 1001, "message_status": "delivered"}
    assert "was not delivered: error" in run.printed
    assert requests("create/ticket") == 1


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_message_of_which_nothing_is_heard_ends_in_a_timeout(run_dag, messenger, deferrable):
    requests = messenger(shown())
    run = run_dag(dag(SEND.format(f"deferrable={deferrable}, delivery_timeout=0.2"), RETRIED))
    assert run.state == "failed"
    assert "No report after 0.2 s" in run.printed
    assert requests("create/ticket") == 1


def test_a_comment_waits_for_itself_only(run_dag, messenger):
    requests = messenger(
        shown({"delivered": 1, "id": 400}), shown({"delivered": 1, "id": 400}, {"delivered": 1, "id": 501})
    )
    assert run_dag(dag(WRITE.format(""))).state == "success"
    assert requests("ticket") == 2


def test_without_it_nothing_is_waited_for(run_dag, messenger):
    requests = messenger(shown())
    run_dag(dag(SEND.replace("=True", "=False").format("")))
    assert (requests("create/ticket"), requests("ticket")) == (1, 0)


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_try_that_died_while_it_waited_is_followed_by_waiting_only(
    run_dag, usedesk_sandbox, monkeypatch, deferrable
):
    """On Airflow before 3.3 the second try asks Usedesk for the ticket, later it remembers."""
    wait, tries = waiting.wait_for_delivery, []

    def killed(*args):
        tries.append(args[1])
        if len(tries) == 1:
            raise RuntimeError("killed, for the test")
        return wait(*args)

    monkeypatch.setattr(ticket, "wait_for_delivery", killed)
    run = run_dag(dag(SEND.format(f"deferrable={deferrable}"), RETRIED))
    assert run.state == "success"
    [created] = usedesk_sandbox.tickets
    assert tries == [created.ticket_id] * 2
    assert run.xcoms["send", -1]["ticket_id"] == created.ticket_id
    assert usedesk_sandbox.requests("create/ticket") == 1


@pytest.mark.parametrize("deferrable", [False, True])
def test_after_an_outage_while_waiting_a_retry_waits_again(run_dag, usedesk_sandbox, monkeypatch, deferrable):
    from airflow_provider_usedesk import sandbox as faults
    from airflow_provider_usedesk.delivery.waiter import DeliveryWait

    monkeypatch.setattr(DeliveryWait, "max_failures", 1)
    usedesk_sandbox.fail(faults.answer(200, {"code": 111, "error": "down"}), times=3, method="ticket")
    body = SEND.format(f"deferrable={deferrable}, retries=8, retry_delay=0.1")
    assert run_dag(dag(body)).state == "success"
    assert usedesk_sandbox.requests("create/ticket") == 1


@pytest.mark.skipif(not HAS_WORKING_ASSET_INLETS, reason="before, there are no such inlets")
@pytest.mark.parametrize("waits", [False, True])
def test_a_mapped_operator_names_the_memory_of_reports_when_it_waits(waits):
    given = {"task_id": "send", "subject": "s", "wait_for_delivery": waits}
    mapped = CreateTicketOperator.partial(**given).expand(message=["a", "b"])
    assert [asset.uri for asset in mapped.inlets] == ["usedesk://usedesk_default/delivery"] * waits


class TestNotTaken:
    """What the answer itself says comes first."""

    @pytest.fixture(autouse=True)
    def not_taken(self, usedesk):
        answer = {"status": "success", "ticket_id": 77, "message_status": "not delivered"}
        usedesk.post(f"{URL}/create/ticket", json=answer)

    def test_fails_without_waiting(self, run_dag, messenger):
        requests = messenger(DELIVERED)
        assert run_dag(dag(SEND.format(""))).state == "failed"
        assert requests("ticket") == 0

    def test_ignored_is_not_waited_for(self, run_dag, messenger):
        requests = messenger(shown())
        assert run_dag(dag(SEND.format("on_not_delivered='ignore'"))).state == "success"
        assert requests("ticket") == 0


@pytest.mark.parametrize(
    "body",
    [
        WRITE.replace('"public"', "\"{{{{ 'private' }}}}\"").format(""),
        "CreateTicketOperator(task_id='send', subject='s', message='m', wait_for_delivery=True, "
        "private_comment='{{ true }}')",
    ],
)
def test_what_is_private_is_refused_before_it_is_sent(run_dag, usedesk, messenger, body):
    messenger(shown())
    run = run_dag(dag(body))
    assert run.state == "failed"
    assert "wait_for_delivery: a private message" in run.printed
    assert usedesk.sent() == []


@pytest.mark.parametrize("name", ["delivery_timeout", "delivery_poke_interval"])
@pytest.mark.parametrize(
    "value", [0, -1, True, "60", None, float("nan"), float("inf"), timedelta(0), timedelta(days=400)]
)
def test_times_are_checked_when_the_dag_is_read(name, value):
    with pytest.raises(ValueError, match=name):
        CreateTicketOperator(task_id="t", subject="s", message="m", **{name: value})


@pytest.mark.parametrize("value", [90, 90.0, timedelta(seconds=90)])
def test_times_come_as_seconds_or_timedelta(value):
    operator = CreateTicketOperator(task_id="t", subject="s", message="m", delivery_timeout=value)
    assert operator.delivery_timeout == 90


class TestDeferring:
    @pytest.fixture
    def operator(self, connection):
        return CreateCommentOperator(
            task_id="t", ticket_id=1001, message="m", type="public", deferrable=True, delivery_timeout=60
        )

    def resume(self, operator, event, **kwargs):
        return operator.execute_complete({}, event=event, **{"ticket_id": 1001, "comment_id": 501, **kwargs})

    def test_the_ids_come_back_with_the_task(self, operator, messenger):
        messenger(shown())
        with pytest.raises(TaskDeferred) as deferred:
            waiting.wait_for_delivery(operator, 1001, 501)
        assert deferred.value.kwargs == {"ticket_id": 1001, "comment_id": 501}
        assert deferred.value.method_name == "execute_complete"
        assert deferred.value.timeout > timedelta(seconds=60)
        trigger = deferred.value.trigger
        assert (trigger.ticket_id, trigger.comment_id, trigger.source) == (1001, 501, "poll")

    def test_delivered(self, operator):
        event = {"ticket_id": 1001, "outcome": "done", "status": "READ", "comment_id": 501}
        assert self.resume(operator, event) == 1001

    def test_failed(self, operator):
        event = {"ticket_id": 1001, "outcome": "done", "status": "REJECTED", "comment_id": 501}
        with pytest.raises(
            AirflowFailException, match="message 501 of ticket 1001 was not delivered: REJECTED"
        ):
            self.resume(operator, event)

    def test_timeout(self, operator, messenger):
        messenger(shown())
        with pytest.raises(AirflowSensorTimeout):
            self.resume(operator, {"ticket_id": 1001, "outcome": "timeout"})

    def test_what_came_after_the_last_look_counts(self, operator, messenger):
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
    def test_checks_what_it_is_handed(self, operator, event, kwargs):
        with pytest.raises(AirflowException, match="does not belong|without the id of the ticket"):
            self.resume(operator, event, **kwargs)
