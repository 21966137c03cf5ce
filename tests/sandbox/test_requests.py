"""The log of requests: what it shows of each, and that it hides the token."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.parse

import pytest

from airflow_provider_usedesk import sandbox as faults
from airflow_provider_usedesk.sandbox import request_log

TOKEN = "a token/with+\"quotes'"
SUBJECT = "Счёт 'A' & $B"
TICKET = {"api_token": TOKEN, "subject": SUBJECT, "message": "one\ntwo"}
SENT = {
    "json": {"json": TICKET},
    "form": {"data": TICKET},
    "multipart": {"data": TICKET, "files": {"files[]": ("a.txt", b"file content", "text/plain")}},
    "query": {"params": TICKET},
    "token in query": {"params": {"api_token": TOKEN}, "json": {"subject": SUBJECT, "message": "m"}},
}


@pytest.fixture
def post(sandbox, http):
    def post(method, **content):
        response = http.post(f"{sandbox.url}/{method}", timeout=60, **content)
        return response, sandbox.requests_received[-1]

    return post


@pytest.mark.parametrize("case", SENT)
def test_raw_request_hides_the_token(post, case):
    response, logged = post("create/ticket", **SENT[case])
    assert response.json()["code"] == 112
    assert logged.refusal == "112 invalid token"
    text = logged.raw.as_text()
    assert SUBJECT in urllib.parse.unquote_plus(text)
    assert "***" in text
    assert "file content" not in text
    for form in (TOKEN, urllib.parse.quote(TOKEN), urllib.parse.quote_plus(TOKEN), json.dumps(TOKEN)[1:-1]):
        assert form not in repr(logged)
        assert form not in text


@pytest.mark.parametrize("case", SENT)
def test_curl_sends_the_same_request(sandbox, post, case):
    content = {
        name: {**value, "api_token": sandbox.token} if "api_token" in value else value
        for name, value in SENT[case].items()
    }
    response, logged = post("create/ticket", **content)
    command = logged.raw.as_curl(sandbox.inbox_url.rstrip("/"))
    assert response.json().get("ticket_id"), response.text
    assert sandbox.token not in command
    # A shell and a stand-in for curl, so that the test needs no curl.
    script = f"curl() {{ printf '%s\\0' \"$@\"; }}; {command}"
    environ = {**os.environ, "USEDESK_TOKEN": sandbox.token}
    done = subprocess.run(["sh", "-c", script], env=environ, capture_output=True, check=True)
    arguments = done.stdout.decode().split("\0")[:-1]
    verb, url, *rest = arguments[1:]
    assert verb == "POST"
    again, _ = post_arguments(sandbox, post, url, rest)
    assert again.json().get("ticket_id"), again.text
    first, second = sandbox.tickets
    assert (first.subject, first.message, len(first.files)) == (
        second.subject,
        second.message,
        len(second.files),
    )


def post_arguments(sandbox, post, url, arguments):
    """Send what curl would send."""
    pairs = list(zip(arguments[::2], arguments[1::2], strict=True))
    headers = dict(value.split(": ", 1) for name, value in pairs if name == "-H")
    body = next((value.encode() for name, value in pairs if name == "--data-raw"), None)
    data = [tuple(value.split("=", 1)) for name, value in pairs if name == "--form-string"]
    files = [(value.partition("=")[0], ("a.txt", b"x")) for name, value in pairs if name == "-F"]
    method = url.removeprefix(f"{sandbox.url}/")
    return post(method, headers=headers, data=body or dict(data), files=files)


@pytest.mark.parametrize("content", ["json", "data", "params"])
def test_password_is_hidden(post, content):
    _, logged = post("create/user", **{content: {"password": "qwertyuiop", "name": "n"}})
    assert "qwertyuiop" not in repr(logged)


def test_long_body_is_cut(post, sandbox):
    body = {"api_token": sandbox.token, "subject": "s", "message": "m"}
    _, logged = post("create/ticket", data=body, files={"files[]": ("a.bin", b"x" * 300_000)})
    assert "300" in logged.raw.as_text().splitlines()[-1]
    assert logged.raw.as_curl("http://127.0.0.1") is None
    assert len(repr(logged)) < 200_000


FAULTS = {
    "close before": (faults.close(), None),
    "close after": (faults.close("after"), None),
    "answer 503 before": (faults.answer(503, "down"), 503),
    "half answer after": (faults.half_answer(), None),
    "delay 0 s before": (faults.delay(0), 200),
}


@pytest.mark.parametrize("text", FAULTS)
def test_fault_is_the_reason(sandbox, http, text):
    fault, status = FAULTS[text]
    sandbox.fail(fault)
    try:
        http.post(
            f"{sandbox.url}/create/ticket", json={"api_token": sandbox.token, "subject": "s"}, timeout=60
        )
    except OSError:
        assert status is None
    [logged] = sandbox.requests_received
    assert (logged.fault, logged.status) == (text, status)
    assert not logged.is_ok
    assert logged.reason.startswith(f"fault: {text}")


def test_reads_do_not_push_out_the_rest(sandbox, call, monkeypatch):
    log = request_log.RequestLog(lambda: 0.0)
    raw = sandbox_request(sandbox, call)
    log.add("create/ticket", raw, {}, (200, {"status": "success", "ticket_id": 7}), None)
    for _ in range(request_log.MAX_REQUESTS + 5):
        log.add("tickets", raw, {}, (200, []), None)
    first, *reads = log.requests()
    assert (first.method, first.ticket_id) == ("create/ticket", 7)
    assert len(reads) == request_log.MAX_REQUESTS


def sandbox_request(sandbox, call):
    call("tags")
    return sandbox.requests_received[0].raw


def test_reset_clears_the_log(sandbox, call):
    call("tags")
    sandbox.reset()
    assert sandbox.requests_received == ()
