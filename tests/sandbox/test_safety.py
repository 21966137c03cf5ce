"""What a web page in a browser on the same machine, and broken input, can do to the sandbox: nothing."""

from __future__ import annotations

import pytest

OTHER_SITES = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "https://example.org"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "http://["},
    {"Origin": "https://example.org", "Sec-Fetch-Site": "same-origin"},
]


@pytest.mark.parametrize("headers", OTHER_SITES, ids=str)
@pytest.mark.parametrize("path", ["_sandbox/reset", "uapi/create/ticket", "webhooks/ping"])
def test_other_sites_change_nothing(sandbox, http, call, path, headers):
    call("create/ticket", subject="s", message="m")
    body = {"api_token": sandbox.token, "subject": "s", "message": "m"}
    response = http.post(sandbox.inbox_url + path, json=body, headers=headers, timeout=60)
    assert response.status_code == 403
    assert len(sandbox.tickets) == 1


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", ""])
@pytest.mark.parametrize("path", ["", "uapi/channels", "_sandbox/faults"])
def test_other_host_names_are_refused(sandbox, http, path, host):
    assert http.get(sandbox.inbox_url + path, headers={"Host": host}, timeout=60).status_code == 400


def test_loopback_names_are_accepted(sandbox, http):
    port = sandbox.inbox_url.rsplit(":", 1)[1].strip("/")
    for host in ("127.0.0.1", f"localhost:{port}"):
        assert http.get(sandbox.inbox_url, headers={"Host": host}, timeout=60).status_code == 200


def test_pages_cannot_be_framed(sandbox, http):
    assert (
        "frame-ancestors 'none'" in http.get(sandbox.inbox_url, timeout=60).headers["Content-Security-Policy"]
    )


BROKEN_BODIES = {
    "surrogate": (
        b'{"subject": "\\ud800", "message": "m", "api_token": "sandbox-token"}',
        "application/json",
    ),
    "deep": (b'{"subject": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", "application/json"),
    "not-utf8": (b'{"subject": "\xff"}', "application/json"),
    "no-boundary": (b"x", "multipart/form-data"),
}


@pytest.mark.parametrize("case", BROKEN_BODIES)
def test_broken_body_is_refused(sandbox, http, get, case):
    body, content_type = BROKEN_BODIES[case]
    url = f"{sandbox.url}/create/ticket"
    response = http.post(url, body, headers={"Content-Type": content_type}, timeout=60)
    assert response.status_code == 400
    assert response.json()["error"] == "the body cannot be read"
    assert get("tickets") == []
    assert http.get(sandbox.inbox_url, timeout=60).status_code == 200
