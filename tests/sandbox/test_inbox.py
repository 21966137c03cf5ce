"""The inbox shows what was sent, escaped, and lets nothing run."""

from __future__ import annotations

import pytest
import requests

EVIL = "<script>alert(1)</script>"


@pytest.fixture
def ticket(sandbox):
    answer = requests.post(
        f"{sandbox.url}/create/ticket",
        data={
            "api_token": sandbox.token,
            "subject": f"Subject {EVIL}",
            "message": f"<b>Bold</b>{EVIL}\"'",
            "client_name": EVIL,
            "client_phone": "79000000001",
            "additional_id": EVIL,
            "tag": EVIL,
            "field_id": "10",
            "field_value": EVIL,
            "lists[0][0][id]": "1",
            "lists[0][0][value]": EVIL,
            "template_name": EVIL,
            "template_variables[]": EVIL,
            "channel_id": 20054,
        },
        files={"files[]": (f'{EVIL}".html', b"<script>alert(2)</script>")},
        timeout=5,
    )
    return answer.json()["ticket_id"]


@pytest.mark.parametrize("path", ["", "tickets/{}", "clients", "channels"])
def test_pages_escape_everything_and_allow_no_script(sandbox, ticket, path):
    page = requests.get(sandbox.inbox_url + path.format(ticket), timeout=5)
    assert page.status_code == 200
    assert EVIL not in page.text
    assert "<script" not in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "script-src" not in page.headers["Content-Security-Policy"]
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert "//" not in page.text.replace("http://www.w3.org", "")
    assert sandbox.token not in page.text


def test_a_ticket_shows_what_was_sent(sandbox, ticket):
    page = requests.get(f"{sandbox.inbox_url}tickets/{ticket}", timeout=5).text
    assert '<iframe sandbox=""' in page
    for shown in ("&lt;b&gt;Bold&lt;/b&gt;", "79000000001", "delivered", "WhatsApp", "client"):
        assert shown in page
    assert 'name="viewport"' in page


def test_a_file_is_only_ever_downloaded(sandbox, ticket):
    [file] = sandbox.tickets[0].files
    answer = requests.get(f"{sandbox.inbox_url}files/{file.id}", timeout=5)
    assert answer.content == b"<script>alert(2)</script>"
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"].startswith("attachment; filename*=UTF-8''%3Cscript%3E")
    assert answer.headers["Content-Security-Policy"] == "sandbox"


def test_plain_text_keeps_its_lines(sandbox, call):
    ticket = call("create/ticket", subject="s", message="one\ntwo & three")["ticket_id"]
    page = requests.get(f"{sandbox.inbox_url}tickets/{ticket}", timeout=5).text
    assert "&lt;pre&gt;one\ntwo &amp;amp; three&lt;/pre&gt;" in page


def test_nothing_there(sandbox):
    assert "No ticket yet" in requests.get(sandbox.inbox_url, timeout=5).text
    for path in ("tickets/5", "files/5", "tickets/x"):
        assert requests.get(sandbox.inbox_url + path, timeout=5).status_code in (404, 422)
