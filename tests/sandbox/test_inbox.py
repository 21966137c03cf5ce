"""The inbox shows the content of tickets, escaped and without scripts."""

from __future__ import annotations

import re
import urllib.parse

import pytest
import requests

EVIL = "<script>alert(1)</script>"


@pytest.fixture
def variant():
    """The markup is also where the sandbox would refuse it by default."""
    return "lenient"


@pytest.fixture
def ticket(sandbox):
    response = requests.post(
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
    return response.json()["ticket_id"]


@pytest.mark.parametrize("path", ["", "tickets/{}", "clients", "channels"])
def test_pages_escape_content_without_scripts(sandbox, ticket, path):
    page = requests.get(sandbox.inbox_url + path.format(ticket), timeout=5)
    assert page.status_code == 200
    assert EVIL not in page.text
    assert "<script" not in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "script-src" not in page.headers["Content-Security-Policy"]
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert "//" not in page.text.replace("http://www.w3.org", "")
    assert sandbox.token not in page.text


def test_ticket_page_shows_content(sandbox, ticket):
    page = requests.get(f"{sandbox.inbox_url}tickets/{ticket}", timeout=5).text
    assert '<iframe sandbox=""' in page
    for shown in ("&lt;b&gt;Bold&lt;/b&gt;", "79000000001", "accepted", "WhatsApp", "client"):
        assert shown in page
    assert 'name="viewport"' in page


def test_file_is_served_as_attachment(sandbox, ticket):
    [file] = sandbox.tickets[0].files
    response = requests.get(f"{sandbox.inbox_url}files/{file.id}", timeout=5)
    assert response.content == b"<script>alert(2)</script>"
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["Content-Disposition"].startswith("attachment; filename*=UTF-8''script%3E")
    assert response.headers["Content-Security-Policy"] == "sandbox"


def test_plain_text_keeps_line_breaks(sandbox, call):
    ticket = call("create/ticket", subject="s", message="one\ntwo & three")["ticket_id"]
    page = requests.get(f"{sandbox.inbox_url}tickets/{ticket}", timeout=5).text
    assert "&lt;pre&gt;one\ntwo &amp;amp; three&lt;/pre&gt;" in page


def test_empty_inbox_and_unknown_ids(sandbox):
    assert "No tickets yet" in requests.get(sandbox.inbox_url, timeout=5).text
    for path in ("tickets/5", "files/5", "tickets/x"):
        assert requests.get(sandbox.inbox_url + path, timeout=5).status_code in (404, 422)


def test_comments_show_type_and_copies(sandbox, call, ticket):
    for params in ({"type": "public", "cc": [f"cc@example.org{EVIL}"]}, {"bcc": f"bcc@example.org{EVIL}"}):
        call("create/comment", ticket_id=ticket, message="Look", user_id=2157, **params)
    call("create/comment", ticket_id=ticket, template_name=f"Later{EVIL}", template_variables=[EVIL])
    page = requests.get(f"{sandbox.inbox_url}tickets/{ticket}", timeout=5).text
    first, public, private, template = page.split('<section class="card">')[1:5]
    assert ">public<" in first
    assert ">public<" in public
    assert "user Oleg" in public
    assert "cc@example.org" in public
    assert "bcc@example.org" not in public
    assert ">private<" in private
    assert "bcc@example.org" in private
    assert "Later" in template
    assert EVIL not in page


class TestStatusForm:
    @pytest.fixture
    def page(self, sandbox, ticket):
        return f"{sandbox.inbox_url}tickets/{ticket}"

    @pytest.fixture
    def send(self, page):
        def send(status, **headers):
            return requests.post(
                f"{page}/status", data={"status": status}, headers=headers, allow_redirects=False, timeout=5
            )

        return send

    def test_status_form_solves_ticket(self, sandbox, call):
        ticket_id = call("create/ticket", subject="s", message="m")["ticket_id"]
        page = requests.get(f"{sandbox.inbox_url}tickets/{ticket_id}", timeout=5).text
        action = re.search(r'<form[^>]* method="post" action="([^"]+)"', page)
        values = dict(re.findall(r'<button[^>]* name="status" value="(\d+)"[^>]*>([^<]+)', page))
        names = ["Open", "On hold", "Pending", "Solved", "Closed", "Spam", "Deleted"]
        assert list(values.values()) == names
        [solved] = [number for number, name in values.items() if name == "Solved"]
        address = urllib.parse.urljoin(sandbox.inbox_url, action[1])
        response = requests.post(address, data={"status": solved}, timeout=5)
        assert [step.status_code for step in response.history] == [303]
        assert response.url == f"{sandbox.inbox_url}tickets/{ticket_id}"
        assert 'aria-current="true">Solved<' in response.text
        assert sandbox.ticket(ticket_id).status == 2

    def test_status_form_sets_update_time(self, sandbox, clock, ticket, send):
        clock.now += 60
        assert send("6").status_code == 303
        assert sandbox.ticket(ticket).last_updated_at.timestamp() == clock.now

    @pytest.mark.parametrize("status", ["", "0", "8", "9", "10", "11", "2 ", "solved", "²"])
    def test_unknown_status_is_rejected(self, sandbox, ticket, send, status):
        assert send(status).status_code == 400
        assert sandbox.ticket(ticket).status == 8

    def test_unknown_ticket_returns_404(self, sandbox):
        url = f"{sandbox.inbox_url}tickets/5/status"
        assert requests.post(url, data={"status": "2"}, timeout=5).status_code == 404

    def test_own_page_is_accepted(self, sandbox, ticket, send):
        origin = sandbox.inbox_url.rstrip("/")
        assert send("2", **{"Origin": origin, "Sec-Fetch-Site": "same-origin"}).status_code == 303

    def test_policies_allow_own_form(self, page):
        headers = requests.get(page, timeout=5).headers
        assert "form-action 'self'" in headers["Content-Security-Policy"]
        assert headers["Referrer-Policy"] == "same-origin"


def test_list_shows_status_and_delivery(sandbox, call, ticket):
    call("create/ticket", subject="Plain", message="m")
    sandbox.update(ticket, status=5)
    rows = requests.get(sandbox.inbox_url, timeout=5).text.split('<a class="row"')[1:]
    [plain, evil] = rows
    assert ">New<" in plain
    assert "accepted" not in plain
    assert ">On hold<" in evil
    assert ">accepted<" in evil
