"""Fault injection, seen by the client over real sockets: how many requests, how many tickets."""

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
    return UsedeskClient.connect(sandbox.token, sandbox.url, max_wait=0.9)


@pytest.fixture
def instant_client(sandbox):
    """A client whose waits take no time."""
    waits = [0.0]
    settings = UsedeskClient.connect(sandbox.token, sandbox.url).settings
    return UsedeskClient(settings, sleep=waits.append, clock=lambda: sum(waits))


CASES = {
    "closed before request": (faults.close(), 0),
    "closed after ticket": (faults.close("after"), 1),
    "timeout, ticket later": (faults.delay(0.25), 1),
    "timeout, ticket before": (faults.delay(0.25, "after"), 1),
    "HTML page": (faults.html(), 0),
    "HTML page with 200": (faults.html(200, "after"), 1),
    "half response": (faults.half_answer(), 1),
    "server error": (faults.answer(500, {"error": "x"}), 0),
    "empty body": (faults.answer(200, "", when="after"), 1),
    "array": (faults.answer(200, []), 0),
    "code 111": (faults.answer(200, {"code": 111, "error": "server error"}, when="after"), 1),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("files", [None, [("a.txt", b"x" * 100_000)]], ids=["json", "multipart"])
def test_fault_means_unknown_outcome(sandbox, name, files):
    fault, created = CASES[name]
    timeout = 0.1 if fault.action == "delay" else 20
    client = UsedeskClient.connect(sandbox.token, sandbox.url, timeout=timeout)
    sandbox.fail(fault)
    with pytest.raises(errors.UsedeskOutcomeUnknown):
        client.create_ticket(**TICKET, files=files)
    assert sandbox.requests("create/ticket") == 1
    deadline = time.monotonic() + 10
    while len(sandbox.tickets) < created and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(sandbox.tickets) == created


@pytest.mark.parametrize(
    "refusal", [faults.rate_limited(), faults.rate_limited(0), faults.rate_limited(code_121=True)]
)
def test_rate_limited_request_is_repeated(sandbox, instant_client, refusal):
    sandbox.fail(refusal, times=2)
    created = instant_client.create_ticket(**TICKET, files=[("a.txt", b"x")])
    assert [ticket.ticket_id for ticket in sandbox.tickets] == [created.ticket_id]
    assert sandbox.tickets[0].files[0].content == b"x"
    assert sandbox.requests("create/ticket") == 3


def test_logs_contain_no_personal_data(sandbox, instant_client, caplog):
    caplog.set_level("DEBUG")
    sandbox.fail(faults.rate_limited())
    sandbox.fail(faults.close("after"))
    with pytest.raises(errors.UsedeskOutcomeUnknown):
        instant_client.create_ticket(subject="Qwertyuiop", message="Qwertyuiop", client_phone="79120000001")
    assert "Trying again" in caplog.text
    assert "/uapi/create/ticket" in caplog.text
    for secret in (sandbox.token, "Qwertyuiop", "79120000001"):
        assert secret not in caplog.text


def test_long_retry_after_fails_immediately(sandbox, client):
    sandbox.fail(faults.rate_limited(60))
    with pytest.raises(errors.UsedeskRateLimited) as raised:
        client.create_ticket(**TICKET)
    assert raised.value.retry_after == 60


def test_fault_applies_to_one_method(sandbox, client):
    sandbox.fail(faults.answer(422, {"error": "no"}), times=2, method="create/ticket")
    assert client.groups()
    for _ in range(2):
        with pytest.raises(errors.UsedeskRejected):
            client.create_ticket(**TICKET)
    assert client.create_ticket(**TICKET).ticket_id


def test_control_endpoint(sandbox, client):
    control = f"{sandbox.inbox_url}_sandbox/faults"
    order = {"fault": "answer", "status": 503, "body": "down", "times": 2, "method": "create/ticket"}
    assert requests.post(control, json=order, timeout=60).status_code == 201
    with pytest.raises(errors.UsedeskOutcomeUnknown):
        client.create_ticket(**TICKET)
    [waiting] = requests.get(control, timeout=60).json()
    assert (waiting["times"], waiting["status"], waiting["body"]) == (1, 503, "down")
    assert requests.delete(control, timeout=60).status_code == 204
    assert client.create_ticket(**TICKET).ticket_id
    assert requests.post(f"{sandbox.inbox_url}_sandbox/reset", timeout=60).status_code == 204
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
def test_invalid_fault_is_rejected(sandbox, order):
    assert requests.post(f"{sandbox.inbox_url}_sandbox/faults", json=order, timeout=60).status_code == 400


def test_sandbox_starts_and_stops_repeatedly():
    for _ in range(3):
        with Sandbox() as one, Sandbox() as other:
            assert one.url != other.url
            UsedeskClient.connect(one.token, one.url).create_ticket(**TICKET)
            assert (len(one.tickets), len(other.tickets)) == (1, 0)
        with pytest.raises(requests.ConnectionError):
            requests.get(one.inbox_url, timeout=1)


def test_stop_does_not_wait_for_delay():
    with Sandbox() as sandbox:
        sandbox.fail(faults.delay(30))
        with pytest.raises(errors.UsedeskOutcomeUnknown):
            UsedeskClient.connect(sandbox.token, sandbox.url, timeout=0.1).create_ticket(**TICKET)
        started = time.monotonic()
    assert time.monotonic() - started < 25
