"""Faults on demand, seen by the client over real sockets: how many requests, how many tickets."""

from __future__ import annotations

import time

import pytest
import requests

from airflow_provider_usedesk import sandbox as faults
from airflow_provider_usedesk.api import errors
from airflow_provider_usedesk.api.client import UsedeskClient
from airflow_provider_usedesk.sandbox import Sandbox

TICKET = {"subject": "s", "message": "m"}


@pytest.fixture
def client(sandbox):
    return UsedeskClient.connect(sandbox.token, sandbox.url, timeout=0.3, max_wait=0.9)


UNKNOWN = {
    "closed before reading": (faults.close(), 0),
    "closed after the ticket was made": (faults.close("after"), 1),
    "no answer in time, ticket made later": (faults.delay(0.6), 1),
    "no answer in time, ticket made": (faults.delay(0.6, "after"), 1),
    "HTML page of a proxy": (faults.html(), 0),
    "HTML page with 200": (faults.html(200, "after"), 1),
    "half an answer": (faults.half_answer(), 1),
    "server error": (faults.answer(500, {"error": "x"}), 0),
    "empty body": (faults.answer(200, "", when="after"), 1),
    "array": (faults.answer(200, []), 0),
    "code 111": (faults.answer(200, {"code": 111, "error": "server error"}, when="after"), 1),
}


@pytest.mark.parametrize("name", UNKNOWN)
@pytest.mark.parametrize("files", [None, [("a.txt", b"x" * 100_000)]], ids=["json", "multipart"])
def test_one_request_and_an_unknown_outcome(sandbox, client, name, files):
    fault, made = UNKNOWN[name]
    sandbox.fail(fault)
    with pytest.raises(errors.UsedeskOutcomeUnknown):
        client.create_ticket(**TICKET, files=files)
    assert sandbox.requests("create/ticket") == 1
    deadline = time.monotonic() + 10
    while len(sandbox.tickets) < made and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(sandbox.tickets) == made


@pytest.mark.parametrize(
    "refusal", [faults.rate_limited(), faults.rate_limited(0), faults.rate_limited(code_121=True)]
)
def test_a_rate_refusal_is_repeated_and_makes_one_ticket(sandbox, refusal):
    passed = [0.0]
    client = UsedeskClient(
        UsedeskClient.connect(sandbox.token, sandbox.url).settings,
        sleep=passed.append,
        clock=lambda: sum(passed),
    )
    sandbox.fail(refusal, times=2)
    created = client.create_ticket(**TICKET, files=[("a.txt", b"x")])
    assert [ticket.ticket_id for ticket in sandbox.tickets] == [created.ticket_id]
    assert sandbox.tickets[0].files[0].content == b"x"
    assert sandbox.requests("create/ticket") == 3


def test_no_log_of_any_level_holds_token_or_person(sandbox, caplog):
    caplog.set_level("DEBUG")
    client = UsedeskClient.connect(sandbox.token, sandbox.url, timeout=0.3, max_wait=3)
    sandbox.fail(faults.rate_limited())
    sandbox.fail(faults.close("after"))
    with pytest.raises(errors.UsedeskOutcomeUnknown):
        client.create_ticket(subject="Qwertyuiop", message="Qwertyuiop", client_phone="79120000001")
    assert "Trying again" in caplog.text
    assert "/uapi/create/ticket" in caplog.text
    for secret in (sandbox.token, "Qwertyuiop", "79120000001"):
        assert secret not in caplog.text


def test_a_long_wait_that_is_asked_for_is_not_waited(sandbox, client):
    sandbox.fail(faults.rate_limited(60))
    with pytest.raises(errors.UsedeskRateLimited) as raised:
        client.create_ticket(**TICKET)
    assert raised.value.retry_after == 60


def test_faults_are_counted_and_belong_to_a_method(sandbox, client):
    sandbox.fail(faults.answer(422, {"error": "no"}), times=2, method="create/ticket")
    assert client.groups()
    for _ in range(2):
        with pytest.raises(errors.UsedeskRejected):
            client.create_ticket(**TICKET)
    assert client.create_ticket(**TICKET).ticket_id


def test_the_control_endpoint(sandbox, client):
    control = f"{sandbox.inbox_url}_sandbox/faults"
    order = {"fault": "answer", "status": 503, "body": "down", "times": 2, "method": "create/ticket"}
    assert requests.post(control, json=order, timeout=5).status_code == 201
    with pytest.raises(errors.UsedeskOutcomeUnknown):
        client.create_ticket(**TICKET)
    [waiting] = requests.get(control, timeout=5).json()
    assert (waiting["times"], waiting["status"], waiting["body"]) == (1, 503, "down")
    assert requests.delete(control, timeout=5).status_code == 204
    assert client.create_ticket(**TICKET).ticket_id
    assert requests.post(f"{sandbox.inbox_url}_sandbox/reset", timeout=5).status_code == 204
    assert sandbox.tickets == ()


@pytest.mark.parametrize(
    "order",
    [
        {},
        {"fault": "explode"},
        {"fault": "close", "times": 0},
        {"fault": "close", "times": True},
        {"fault": "close", "when": "never"},
        {"fault": "close", "method": "create/tikcet"},
        {"fault": "html", "x": 1},
        {"fault": "delay", "seconds": "x"},
        {"fault": "answer", "status": 99},
        {"fault": "answer", "status": "x"},
        {"fault": "answer", "headers": {"X": "a\r\nb"}},
    ],
)
def test_a_wrong_order_is_refused(sandbox, order):
    assert requests.post(f"{sandbox.inbox_url}_sandbox/faults", json=order, timeout=5).status_code == 400


def test_starting_and_stopping_again_and_again():
    for _ in range(3):
        with Sandbox() as one, Sandbox() as other:
            assert one.url != other.url
            UsedeskClient.connect(one.token, one.url).create_ticket(**TICKET)
            assert (len(one.tickets), len(other.tickets)) == (1, 0)
        with pytest.raises(requests.ConnectionError):
            requests.get(one.inbox_url, timeout=1)


def test_stopping_does_not_wait_for_a_delayed_answer():
    with Sandbox() as sandbox:
        sandbox.fail(faults.delay(30))
        with pytest.raises(errors.UsedeskOutcomeUnknown):
            UsedeskClient.connect(sandbox.token, sandbox.url, timeout=0.1).create_ticket(**TICKET)
        started = time.monotonic()
    assert time.monotonic() - started < 10
