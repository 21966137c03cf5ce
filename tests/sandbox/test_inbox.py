"""The inbox shows the content of tickets, escaped and without foreign scripts; its forms change them."""

from __future__ import annotations

import html
import re
import time
import urllib.parse

import pytest
import requests

from airflow_provider_usedesk.sandbox import Sandbox, Webhooks, answer
from airflow_provider_usedesk.sandbox.page import framed

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
        timeout=60,
    )
    return response.json()["ticket_id"]


PAGES = [
    "",
    "new",
    "tickets/{}",
    "requests",
    "requests/{request}",
    "webhooks",
    "faults",
    "clients",
    "channels",
]


@pytest.mark.parametrize("path", [*PAGES, "_sandbox/docs", "?text=nothing"])
def test_pages_escape_content_without_scripts(sandbox, ticket, path):
    request = sandbox.requests_received[-1].number
    page = requests.get(sandbox.inbox_url + path.format(ticket, request=request), timeout=60)
    assert page.status_code == 200
    assert EVIL not in page.text
    assert re.findall("<script[^>]*>", page.text) == ['<script src="/static/sandbox.js" defer>']
    policy = dict(part.split(" ", 1) for part in page.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert not re.search(r"""(src|href|action)\s*=\s*["']?\w*:?//""", page.text)
    assert sandbox.token not in page.text


@pytest.mark.parametrize(("name", "kind"), [("sandbox.js", "text/javascript"), ("sandbox.css", "text/css")])
def test_own_files_are_served(sandbox, name, kind):
    response = requests.get(f"{sandbox.inbox_url}static/{name}", timeout=60)
    assert response.headers["Content-Type"].startswith(kind)
    assert "http:" not in response.text
    for other in ("..%2Finbox.py", "%2E%2E/inbox.py", "x"):
        assert requests.get(f"{sandbox.inbox_url}static/{other}", timeout=60).status_code == 404


def test_ticket_page_shows_content(sandbox, ticket):
    page = requests.get(f"{sandbox.inbox_url}tickets/{ticket}", timeout=60).text
    assert re.findall('<iframe sandbox="([^"]*)"', page) == ["allow-popups allow-popups-to-escape-sandbox"]
    for shown in ("&lt;b&gt;Bold&lt;/b&gt;", "79000000001", "DELIVERED", "WhatsApp", "client"):
        assert shown in page
    assert 'name="viewport"' in page


def test_file_is_served_as_attachment(sandbox, ticket):
    [file] = sandbox.tickets[0].files
    response = requests.get(f"{sandbox.inbox_url}files/{file.id}", timeout=60)
    assert response.content == b"<script>alert(2)</script>"
    assert response.headers["Content-Type"] == "application/octet-stream"
    assert response.headers["Content-Disposition"].startswith("attachment; filename*=UTF-8''script%3E")
    assert response.headers["Content-Security-Policy"] == "sandbox"


def test_plain_text_keeps_line_breaks(sandbox, call):
    ticket = call("create/ticket", subject="s", message="one\ntwo & three")["ticket_id"]
    page = requests.get(f"{sandbox.inbox_url}tickets/{ticket}", timeout=60).text
    assert "&lt;pre&gt;one\ntwo &amp;amp; three&lt;/pre&gt;" in page


def test_empty_inbox_and_unknown_ids(sandbox):
    assert "No tickets yet" in requests.get(sandbox.inbox_url, timeout=60).text
    for path in ("tickets/5", "files/5", "tickets/x"):
        assert requests.get(sandbox.inbox_url + path, timeout=60).status_code in (404, 422)


def test_comments_show_type_and_copies(sandbox, call, ticket):
    for params in ({"type": "public", "cc": [f"cc@example.org{EVIL}"]}, {"bcc": f"bcc@example.org{EVIL}"}):
        call("create/comment", ticket_id=ticket, message="Look", user_id=2157, **params)
    call("create/comment", ticket_id=ticket, template_name=f"Later{EVIL}", template_variables=[EVIL])
    page = requests.get(f"{sandbox.inbox_url}tickets/{ticket}", timeout=60).text
    first, public, private, template = page.split('<section class="card" id="comment-')[1:5]
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
                f"{page}/status", data={"status": status}, headers=headers, allow_redirects=False, timeout=60
            )

        return send

    def test_status_form_solves_ticket(self, sandbox, call):
        ticket_id = call("create/ticket", subject="s", message="m")["ticket_id"]
        page = requests.get(f"{sandbox.inbox_url}tickets/{ticket_id}", timeout=60).text
        action = re.search(r'<form class="statuses" method="post" action="([^"]+)"', page)
        values = dict(re.findall(r'<button[^>]* name="status" value="(\d+)"[^>]*>([^<]+)', page))
        names = ["Open", "On hold", "Pending", "Solved", "Closed", "Spam", "Deleted"]
        assert list(values.values()) == names
        [solved] = [number for number, name in values.items() if name == "Solved"]
        address = urllib.parse.urljoin(sandbox.inbox_url, action[1])
        response = requests.post(address, data={"status": solved}, timeout=60)
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
        assert requests.post(url, data={"status": "2"}, timeout=60).status_code == 404

    def test_own_page_is_accepted(self, sandbox, ticket, send):
        origin = sandbox.inbox_url.rstrip("/")
        assert send("2", **{"Origin": origin, "Sec-Fetch-Site": "same-origin"}).status_code == 303

    def test_policies_allow_own_form(self, page):
        headers = requests.get(page, timeout=60).headers
        assert "form-action 'self'" in headers["Content-Security-Policy"]
        assert headers["Referrer-Policy"] == "same-origin"


def rows(sandbox, query=""):
    """Return the rows of the list by subject."""
    page = requests.get(f"{sandbox.inbox_url}{query}", timeout=60).text
    return {re.search('">([^<]*)</a>', row)[1]: row for row in page.split('<tr id="ticket-')[1:]}


def test_list_shows_status_and_delivery(sandbox, call, ticket):
    call("create/ticket", subject="Plain", message="m")
    sandbox.update(ticket, status=5)
    plain, evil = rows(sandbox).values()
    assert ">New<" in plain
    assert 'class="chip ok"' not in plain
    assert ">On hold<" in evil
    assert ">DELIVERED<" in evil


LINKS = {
    '<a href="https://example.org">x</a>': '<a target="_blank" rel="noopener noreferrer" href="https://example.org">',
    "<A HREF=https://example.org TARGET=_self>x</A>": "HREF=https://example.org>",
    '<a target="_top" rel="x" href="https://example.org">x</a>': 'noreferrer" href="https://example.org">',
    '<a title="a > b" target=_parent href=x>x</a>': 'noreferrer" title="a > b" href=x>',
    '<area target="_self" href="x">': '<area target="_blank" rel="noopener noreferrer" href="x">',
    '<a href="#part">x</a>': '<a target="_self" rel="noopener noreferrer" href="#part">',
}


@pytest.mark.parametrize("message", LINKS)
def test_links_of_a_message_open_a_tab(message):
    document = framed(message)
    assert LINKS[message] in document
    assert "<base target=_blank>" in document
    assert len(re.findall("target=", document.partition("<base target=_blank>")[2], re.IGNORECASE)) == 1


@pytest.mark.parametrize(
    "message", ["<a " * 20_000, "<a '" * 15_000, '<a x="' * 10_000, "<a target=" * 6_000]
)
def test_odd_messages_take_no_time(message):
    started = time.process_time()
    assert framed(message)
    assert time.process_time() - started < 2


class TestList:
    @pytest.fixture
    def filled(self, sandbox, call):
        whatsapp = {"channel_id": 20054, "user_id": 2156, "from": "user"}
        for name, params in {
            "Refund": {"tag": "refund,vip", "client_phone": "79123456789"},
            "Счёт": {"tag": "invoice", "message": "Оплата"},
            "Hello": {**whatsapp, "client_phone": "79123456780"},
            "Lost": {**whatsapp, "channel_id": 20056, "client_phone": "79123456781"},
        }.items():
            call(
                "create/ticket",
                **{"subject": name, "message": "m", "client_name": f"Client {name}", **params},
            )
        return sandbox

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("", ["Lost", "Hello", "Счёт", "Refund"]),
            ("text=refUND", ["Refund"]),
            ("text=счёт", ["Счёт"]),
            ("text=ОПЛАТА", ["Счёт"]),
            ("text=client", ["Lost", "Hello", "Счёт", "Refund"]),
            ("text=79123456781", ["Lost"]),
            ("text=nothing", []),
            ("tag=vip", ["Refund"]),
            ("tag=vi", []),
            ("channel=20054", ["Hello"]),
            ("channel=x", []),
            ("delivery=delivered", ["Hello"]),
            ("delivery=failed", ["Lost"]),
            ("delivery=accepted", []),
            ("text=m&channel=1&tag=refund", ["Refund"]),
        ],
    )
    def test_filters(self, filled, query, found):
        assert list(rows(filled, f"?{query}")) == found
        [shown] = re.findall(
            'data-live role="status">([^<]*)<', requests.get(f"{filled.inbox_url}?{query}", timeout=60).text
        )
        assert shown == (f"{len(found)} of 4 tickets" if query else "4 tickets")

    def test_filters_stay_in_form_and_pages(self, sandbox, call):
        for number in range(51):
            call("create/ticket", subject=f"s{number}", message="m", tag="a&b")
        page = requests.get(f"{sandbox.inbox_url}?tag=a%26b", timeout=60).text
        assert 'name="tag" value="a&amp;b"' in page
        [following] = re.findall('rel="next" href="([^"]+)"', page)
        assert len(rows(sandbox, "?tag=a%26b")) == 50
        assert list(rows(sandbox, html.unescape(following).lstrip("/"))) == ["s0"]
        for number in ("3", "99", "0", "x", "-1", "²"):
            assert len(rows(sandbox, f"?page={number}")) in (1, 50)

    def test_delete_one_and_all(self, filled, http, call):
        lost, hello = (ticket.ticket_id for ticket in filled.tickets[::-1][:2])
        chat = call(
            "create/ticket", subject="Chat", message="m", channel_id=20060, client_phone="79123456782"
        )
        http.post(f"{filled.inbox_url}tickets/{lost}/delete", timeout=60).raise_for_status()
        http.post(f"{filled.inbox_url}tickets/{chat['ticket_id']}/delete", timeout=60).raise_for_status()
        assert http.post(f"{filled.inbox_url}tickets/{lost}/delete", timeout=60).status_code == 404
        assert list(rows(filled)) == ["Hello", "Счёт", "Refund"]
        assert call("ticket", ticket_id=lost)["code"] == 113
        assert "error" in call("chat/sendMessage", chat_id=int(chat["chat_id"]), user_id=2158, text="m")
        assert call("ticket", ticket_id=hello)["ticket"]
        http.post(f"{filled.inbox_url}tickets/delete", timeout=60).raise_for_status()
        assert filled.tickets == ()
        assert len(http.get(f"{filled.inbox_url}clients", timeout=60).text.split("<tr>")) > 4


class TestDelivery:
    """The list, the ticket page and the method ``ticket`` say the same of a message."""

    @pytest.fixture
    def ticket(self, sandbox, call):
        sandbox.webhooks = Webhooks(delay=10)
        params = {"channel_id": 20054, "user_id": 2156, "from": "user", "client_phone": "79123456789"}
        yield call("create/ticket", subject="s", message="m", **params)["ticket_id"]
        sandbox.webhooks = Webhooks()

    def test_reports_never_contradict(self, sandbox, call, clock, ticket):
        seen = []

        def look():
            api = int(call("ticket", ticket_id=ticket)["comments"][0]["delivered"])
            page = requests.get(f"{sandbox.inbox_url}tickets/{ticket}", timeout=60).text
            [detail] = re.findall(r'<dt>Delivery</dt><dd><span class="chip ?(\w*) ?">([^<]*)', page)
            [row] = re.findall(r'<td[^>]*><span class="chip ?(\w*) ?">([^<]*)', rows(sandbox)["s"])[:1]
            assert detail == row
            assert (detail[0] == "ok") == bool(api)
            seen.append(detail[1])

        look()
        sandbox.send_report(ticket, "UNDELIVERED")
        look()
        clock.now += 10
        look()
        sandbox.send_report(ticket, "UNDELIVERED")
        look()
        sandbox.send_report(ticket, "READ")
        look()
        sandbox.send_report(ticket, "STRANGE")
        assert seen == ["accepted", "UNDELIVERED", "DELIVERED", "UNDELIVERED", "READ"]

    def test_history_is_on_the_page(self, sandbox, clock, ticket):
        clock.now += 10
        requests.post(f"{sandbox.inbox_url}tickets/{ticket}/report", data={"status": "READ"}, timeout=60)
        page = requests.get(f"{sandbox.inbox_url}tickets/{ticket}", timeout=60).text
        [history] = re.findall('<ol class="history">(.*?)</ol>', page, re.DOTALL)
        assert re.findall("</span> ([A-Za-z ]+)", history) == [
            "accepted by the messenger",
            "DELIVERED ",
            "READ ",
        ]
        assert history.count("not sent: no Redirect URL") == 2


KEY = "af2.3kq7t2mzx4wd5c6e.-.r6h2kq7t2mzx.4wd5c6e2.7f2a9c04"


class TestTask:
    @pytest.mark.parametrize(
        ("additional_id", "dag", "task"),
        [
            (f"{KEY}/overdue invoices/group.send", "overdue invoices", "group.send"),
            (f"{KEY}/overdue", "overdue", None),
            (KEY, None, None),
            ("INV-1/2026/3", None, None),
        ],
    )
    def test_task_of_the_key_is_shown(self, call, additional_id, dag, task):
        with Sandbox(airflow_url="http://localhost:8080/") as sandbox, Sandbox() as without:
            for one in (sandbox, without):
                body = {
                    "api_token": one.token,
                    "subject": "s",
                    "message": "m",
                    "additional_id": additional_id,
                }
                ticket = requests.post(f"{one.url}/create/ticket", json=body, timeout=60).json()["ticket_id"]
                page = requests.get(f"{one.inbox_url}tickets/{ticket}", timeout=60).text
                assert (f"<dt>Task</dt><dd>{task}<" in page) == (task is not None)
                assert ("<h2>Airflow</h2>" in page) == (dag is not None)
                link = '<a href="http://localhost:8080/dags/' in page
                assert link == (one is sandbox and dag is not None)
            if dag:
                page = requests.get(f"{sandbox.inbox_url}tickets/{ticket}", timeout=60).text
                assert f'href="http://localhost:8080/dags/{urllib.parse.quote(dag)}"' in page


class TestClientForms:
    def test_new_ticket_with_tag_and_channel(self, sandbox, http, call):
        fields = {
            "subject": "Where is it?",
            "message": "m",
            "channel_id": "20054",
            "tag": "refund, vip",
            "client_id": "",
            "client_name": "Fox",
            "client_phone": "79123456789",
            "client_email": "",
        }
        response = http.post(f"{sandbox.inbox_url}new", data=fields, timeout=60)
        [ticket] = sandbox.tickets
        assert response.url == f"{sandbox.inbox_url}tickets/{ticket.ticket_id}"
        assert (ticket.tags, ticket.channel_id, ticket.status) == (("refund", "vip"), 20054, 8)
        assert ticket.comments[0].author == "client"
        assert (ticket.message_status, ticket.comments[0].is_accepted) == (None, False)
        assert "<dt>Delivery</dt>" not in response.text
        assert sandbox.requests("create/ticket") == 0

    def test_reply(self, sandbox, http, call):
        ticket = call("create/ticket", subject="s", message="m")["ticket_id"]
        http.post(
            f"{sandbox.inbox_url}tickets/{ticket}/reply", data={"message": "Спасибо"}, timeout=60
        ).raise_for_status()
        reply = sandbox.ticket(ticket).comments[-1]
        assert (reply.message, reply.author, reply.is_private) == ("Спасибо", "client", False)
        assert sandbox.ticket(ticket).status == 8

    @pytest.mark.parametrize(
        ("path", "fields", "status"),
        [
            ("new", {}, 400),
            ("new", {"message": "m", "client_id": "5"}, 400),
            ("tickets/5/reply", {"message": "m"}, 404),
            ("tickets/5/delete", {}, 404),
            ("webhooks/5/resend", {}, 400),
            ("faults", {"fault": "close", "times": "x"}, 400),
            ("faults", {"fault": "explode"}, 400),
            ("faults", {}, 400),
        ],
    )
    def test_wrong_forms_say_why(self, sandbox, http, path, fields, status):
        headers = {"Accept": "text/html"}
        response = http.post(f"{sandbox.inbox_url}{path}", data=fields, headers=headers, timeout=60)
        assert response.status_code == status
        assert "<h1>" in response.text
        assert sandbox.tickets == ()

    def test_other_sites_cannot_write(self, sandbox, http):
        elsewhere = {"Origin": "https://evil.example"}
        for path in ("new", "tickets/delete", "faults", "faults/clear"):
            response = http.post(
                f"{sandbox.inbox_url}{path}", data={"message": "m"}, headers=elsewhere, timeout=60
            )
            assert response.status_code == 403


class TestRequestPages:
    def test_ticket_shows_raw_request_and_curl(self, sandbox, call):
        ticket = call("create/ticket", subject="Счёт", message="m", tag="a")["ticket_id"]
        page = html.unescape(requests.get(f"{sandbox.inbox_url}tickets/{ticket}", timeout=60).text)
        assert "POST /uapi/create/ticket" in page
        assert '"subject": "Счёт"' in page
        assert '"api_token": "***"' in page
        assert f"curl -X POST {sandbox.url}/create/ticket" in page
        assert "$USEDESK_TOKEN" in page

    def test_parameters_remain_without_log(self, sandbox, call):
        ticket = call("create/ticket", subject="Qwerty", message="m")["ticket_id"]
        for _ in range(1001):
            call("create/ticket")
        page = html.unescape(requests.get(f"{sandbox.inbox_url}tickets/{ticket}", timeout=60).text)
        assert "There is no request in the log." in page
        assert '"subject": "Qwerty"' in page

    def test_refused_requests_are_listed(self, sandbox, call):
        call("create/ticket", subject="s", message="m")
        call("create/ticket", token="wrong-token", subject="s")
        call("tags")
        sandbox.fail(answer(503, "{}"))
        call("tickets")
        listed = {}
        for show in ("", "failed", "changes"):
            page = requests.get(f"{sandbox.inbox_url}requests?show={show}", timeout=60).text
            listed[show] = re.findall('<tr id="request-.*?POST ([^<]+)<', page, re.DOTALL)
        assert listed[""] == ["tickets", "tags", "create/ticket", "create/ticket"]
        assert listed["failed"] == ["tickets", "create/ticket"]
        assert listed["changes"] == ["create/ticket", "create/ticket"]
        page = requests.get(f"{sandbox.inbox_url}requests", timeout=60).text
        for reason in ("112 invalid token", "fault: answer 503 before"):
            assert f'<span class="reason">{reason}</span>' in page


class TestFaultPage:
    @pytest.mark.parametrize(
        ("fields", "waiting"),
        [
            (
                {"fault": "close", "when": "after", "times": "2", "method": "create/ticket"},
                ("close", "after", 2),
            ),
            ({"fault": "delay", "seconds": "0.5", "when": "before"}, ("delay", "before", 1)),
            ({"fault": "answer", "status": "503", "body": "<b>down"}, ("answer", "before", 1)),
            ({"fault": "rate_limited", "retry_after": "30", "status": "503"}, ("answer", "before", 1)),
            ({"fault": "half_answer", "when": "before"}, ("half_answer", "after", 1)),
        ],
        ids=lambda value: value.get("fault") if isinstance(value, dict) else "",
    )
    def test_set_and_clear(self, sandbox, http, fields, waiting):
        page = http.post(f"{sandbox.inbox_url}faults", data={"times": "1", **fields}, timeout=60)
        [fault] = http.get(f"{sandbox.inbox_url}_sandbox/faults", timeout=60).json()
        assert (fault["action"], fault["when"], fault["times"]) == waiting
        assert fault["method"] == fields.get("method")
        assert f'<th scope="row">{waiting[0].replace("_", " ")}</th>' in page.text
        assert "<b>down" not in page.text
        http.post(f"{sandbox.inbox_url}faults/clear", timeout=60).raise_for_status()
        assert http.get(f"{sandbox.inbox_url}_sandbox/faults", timeout=60).json() == []
