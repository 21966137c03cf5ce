"""The sandbox sends webhooks, as Usedesk does."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

import pytest
import requests

from airflow_provider_usedesk.api.php import nested
from airflow_provider_usedesk.sandbox import Sandbox, Webhooks
from airflow_provider_usedesk.sandbox.webhooks import shown_redirect_url
from tests.sandbox.conftest import Clock

SECRET = "address-secret"
WHATSAPP = {"channel_id": 20054, "client_phone": "79000000001", "from": "user", "user_id": 2156}
OFF = {**WHATSAPP, "channel_id": 20056}


class Receiver:
    """Whoever receives webhooks: keeps the bodies, and answers with the statuses it is told."""

    def __init__(self):
        self.bodies, self.statuses, self.encodings = [], [], []
        self.is_open = threading.Event()
        self.is_open.set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                is_json = self.headers["Content-Type"] == "application/json"
                receiver.encodings.append("json" if is_json else "form")
                content = json.loads(body) if is_json else nested(parse_qsl(body.decode()))
                receiver.bodies.append(content)
                receiver.is_open.wait(20)
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/usedesk/{SECRET}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def of(self, mark):
        return [body[mark] for body in self.bodies if mark in body]

    def wait_for(self, mark, count):
        deadline = time.monotonic() + 20
        while len(self.of(mark)) < count and time.monotonic() < deadline:
            time.sleep(0.01)


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()


@pytest.fixture
def sandbox(receiver):
    with Sandbox(redirect_url=receiver.url, webhooks=Webhooks(retry_seconds=0)) as running:
        yield running


@pytest.fixture
def call(sandbox):
    def call(method, **params):
        body = {"api_token": sandbox.token, **params}
        answer = requests.post(f"{sandbox.url}/{method}", json=body, timeout=5).json()
        sandbox.wait_for_webhooks()
        return answer

    return call


def created(sandbox, count=1):
    """Make tickets, and do not wait for their webhooks."""
    body = {"api_token": sandbox.token, "subject": "s", "message": "m", **WHATSAPP}
    answers = [requests.post(f"{sandbox.url}/create/ticket", json=body, timeout=5) for _ in range(count)]
    return [answer.json()["ticket_id"] for answer in answers]


def delivered(sandbox, ticket_id):
    body = {"api_token": sandbox.token, "ticket_id": ticket_id}
    answer = requests.post(f"{sandbox.url}/ticket", json=body, timeout=5).json()
    return [comment["delivered"] for comment in answer["comments"]]


def test_saving_the_address_sends_a_ping(sandbox, receiver):
    sandbox.wait_for_webhooks()
    assert len(receiver.of("ping")) == 1
    sandbox.redirect_url = receiver.url
    sandbox.wait_for_webhooks()
    assert len(receiver.of("ping")) == 2


def test_a_message_is_reported_and_its_ticket_is_told_of(call, sandbox, receiver):
    ticket_id = call("create/ticket", subject="s", message="m", **WHATSAPP)["ticket_id"]
    [comment] = sandbox.ticket(ticket_id).comments
    [report] = receiver.of("message_status")
    assert report == {
        "delivery_status": "DELIVERED",
        "comment_id": comment.id,
        "extras": {"ticket_id": ticket_id},
    }
    [ticket] = receiver.of("ticket")
    assert (ticket["id"], ticket["channel_id"], ticket["subject"]) == (ticket_id, 20054, "s")
    assert [body.get("secret") for body in receiver.bodies if "ping" not in body] == ["sandbox-secret", None]


def test_what_no_messenger_took_is_not_reported(call, receiver):
    call("create/ticket", subject="s", message="m", **OFF)
    call("create/ticket", subject="s", message="m")
    assert len(receiver.of("ticket")) == 2
    assert receiver.of("message_status") == []


def test_comments_and_changes_are_told(call, sandbox, receiver):
    ticket_id = call("create/ticket", subject="s", message="m", **WHATSAPP)["ticket_id"]
    comment = call("create/comment", ticket_id=ticket_id, message="hello", type="public")["comment_id"]
    call("create/comment", ticket_id=ticket_id, message="hush", type="private")
    assert [one["type"] for one in receiver.of("comment")] == ["public", "private"]
    assert receiver.of("comment")[0]["id"] == comment
    assert [one["comment_id"] for one in receiver.of("message_status")][-1] == comment
    call("update/ticket", ticket_id=ticket_id, status=2)
    change = receiver.of("trigger")[-1]
    assert (change["old_status"], change["new_status"]) == (1, 2)
    assert change["data"] == [{"target": "status_id", "value": 2, "old_value": 1}]
    sandbox.update(ticket_id, tags=("vip",))
    sandbox.wait_for_webhooks()
    assert receiver.of("trigger")[-1]["data"][0]["target"] == "new_tags"


def test_a_refused_call_tells_nothing(call, receiver):
    call("create/ticket", subject="", message="")
    assert [body for body in receiver.bodies if "ping" not in body] == []


def test_reports_say_what_they_are_told_to_or_are_not_sent(call, sandbox, receiver):
    sandbox.webhooks = replace(sandbox.webhooks, delivery_status="UNDELIVERED")
    ticket_id = call("create/ticket", subject="s", message="m", **WHATSAPP)["ticket_id"]
    assert [one["delivery_status"] for one in receiver.of("message_status")] == ["UNDELIVERED"]
    assert delivered(sandbox, ticket_id) == [0]
    sandbox.webhooks = replace(sandbox.webhooks, delivery_status=None)
    call("create/ticket", subject="s", message="m", **WHATSAPP)
    assert len(receiver.of("message_status")) == 1


def test_a_report_comes_later_and_so_does_the_flag_of_the_comment(receiver):
    clock = Clock()
    with Sandbox(redirect_url=receiver.url, webhooks=Webhooks(delay=0.3), clock=clock) as sandbox:
        [ticket_id] = created(sandbox)
        assert delivered(sandbox, ticket_id) == [0]
        sandbox.wait_for_webhooks()
        assert len(receiver.of("message_status")) == 1
        clock.now += 0.3
        assert delivered(sandbox, ticket_id) == [1]


def test_a_form_has_the_same_content(call, sandbox, receiver):
    sandbox.webhooks = replace(sandbox.webhooks, encoding="form")
    ticket_id = call("create/ticket", subject="s", message="m", **WHATSAPP)["ticket_id"]
    assert receiver.encodings == ["json", "form", "form"]
    [report] = receiver.of("message_status")
    assert report["delivery_status"] == "DELIVERED"
    assert report["extras"] == {"ticket_id": str(ticket_id)}


def test_each_can_be_sent_more_than_once(call, sandbox, receiver):
    sandbox.webhooks = replace(sandbox.webhooks, repeats=3)
    call("create/ticket", subject="s", message="m", **WHATSAPP)
    assert len(receiver.of("message_status")) == 3


def test_what_waits_can_be_sent_newest_first(sandbox, receiver):
    sandbox.webhooks = replace(sandbox.webhooks, reorder=True)
    sandbox.wait_for_webhooks()
    receiver.is_open.clear()
    made = created(sandbox, 3)
    receiver.is_open.set()
    sandbox.wait_for_webhooks()
    reported = [one["extras"]["ticket_id"] for one in receiver.of("message_status")]
    assert reported == list(reversed(made))


def test_what_is_to_be_sent_again_later_is_not_the_newest(sandbox, receiver):
    sandbox.wait_for_webhooks()
    sandbox.webhooks = Webhooks(reorder=True, retry_seconds=3600)
    receiver.is_open.clear()
    sandbox.send_webhook({"number": 0})
    receiver.wait_for("number", 1)
    receiver.statuses = [500, 500]
    for number in (1, 2, 3):
        sandbox.send_webhook({"number": number})
    receiver.is_open.set()
    receiver.wait_for("number", 4)
    assert receiver.of("number") == [0, 3, 2, 1]


def test_what_is_not_answered_is_sent_again_up_to_a_limit(call, sandbox, receiver):
    sandbox.wait_for_webhooks()
    receiver.statuses = [503, 200, 500, 500, 500]
    call("create/ticket", subject="s", message="m", **WHATSAPP)
    ticket, report = sandbox.webhooks_sent[-2:]
    assert (ticket.kind, report.kind) == ("ticket", "delivery")
    assert sorted([(ticket.tries, ticket.status), (report.tries, report.status)])[-1][0] in (2, 3)
    assert ticket.tries + report.tries == len(receiver.bodies) - 1


def test_an_address_where_nobody_is_shows_as_an_error(sandbox, receiver):
    receiver.server.shutdown()
    receiver.server.server_close()
    sandbox.wait_for_webhooks()
    sandbox.send_webhook({"csi": {"id": 1}})
    sandbox.wait_for_webhooks()
    sent = sandbox.webhooks_sent[-1]
    assert (sent.tries, sent.status, sent.error) == (3, None, "ConnectionError")
    assert not sent.is_answered


def test_what_cannot_be_sent_shows_as_an_error_and_the_next_is_sent(sandbox, receiver):
    sandbox.webhooks = Webhooks(encoding="form", tries=1)
    sandbox.send_webhook({"text": "\ud800"})
    sandbox.send_webhook({"text": "a"})
    sandbox.wait_for_webhooks()
    assert [one.error for one in sandbox.webhooks_sent[-2:]] == ["UnicodeEncodeError", None]
    assert receiver.of("text") == ["a"]


def test_a_report_and_anything_else_can_be_sent_by_hand(call, sandbox, receiver):
    ticket_id = call("create/ticket", subject="s", message="m")["ticket_id"]
    sandbox.send_report(ticket_id, "READ")
    sandbox.send_report(ticket_id)
    sandbox.send_webhook({"csi": {"id": 4, "ticket_id": ticket_id, "rating": 5}})
    sandbox.wait_for_webhooks()
    assert [one["delivery_status"] for one in receiver.of("message_status")] == ["READ", "DELIVERED"]
    assert receiver.of("csi")[0]["rating"] == 5
    assert delivered(sandbox, ticket_id) == [1]
    with pytest.raises(KeyError):
        sandbox.send_report(1)


@pytest.mark.parametrize(
    "url", ["nowhere", "ftp://127.0.0.1/x", "http://", "http://a b/", "http://127.0.0.1:0/"]
)
def test_only_an_http_address_is_one(sandbox, url):
    with pytest.raises(ValueError, match="http or https"):
        sandbox.redirect_url = url
    answer = requests.post(f"{sandbox.inbox_url}webhooks/url", data={"url": url}, timeout=5)
    assert answer.status_code == 400


def test_without_an_address_nothing_is_sent():
    with Sandbox() as sandbox:
        sandbox.send_webhook({"ping": 1})
        sandbox.wait_for_webhooks()
        assert sandbox.webhooks_sent == ()


def test_all_faults_of_the_settings_are_named():
    with pytest.raises(ValueError, match="encoding .*; delay .*; repeats .*; tries "):
        Webhooks(encoding="xml", delay=-1, repeats=0, tries=True)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"http://127.0.0.1/usedesk/{SECRET}", "http://127.0.0.1/usedesk/***"),
        (f"http://127.0.0.1/usedesk/{SECRET}/", "http://127.0.0.1/usedesk/***"),
    ],
)
def test_an_address_is_shown_without_its_secret(url, shown):
    assert shown_redirect_url(url) == shown


class TestInbox:
    def test_it_shows_what_was_sent_and_no_secret(self, call, sandbox):
        ticket_id = call("create/ticket", subject="s", message="m", **WHATSAPP)["ticket_id"]
        page = requests.get(f"{sandbox.inbox_url}webhooks", timeout=5).text
        assert f'delivery <a href="/tickets/{ticket_id}">{ticket_id}</a>' in page
        assert "DELIVERED" in page
        assert ">200<" in page
        assert "/usedesk/***" in page
        assert SECRET not in page
        assert "sandbox-secret" not in page

    def test_the_address_and_the_settings_can_be_changed(self, sandbox, receiver):
        fields = {
            "delivery_status": "READ",
            "delay": "0.5",
            "encoding": "form",
            "repeats": "2",
            "tries": "1",
            "reorder": "true",
        }
        requests.post(f"{sandbox.inbox_url}webhooks/settings", data=fields, timeout=5).raise_for_status()
        assert sandbox.webhooks == Webhooks("READ", 0.5, "form", 2, True, 1, 0)
        fields = {**fields, "delivery_status": "", "delay": "-1"}
        assert (
            requests.post(f"{sandbox.inbox_url}webhooks/settings", data=fields, timeout=5).status_code == 400
        )
        requests.post(f"{sandbox.inbox_url}webhooks/url", data={"url": ""}, timeout=5).raise_for_status()
        assert sandbox.redirect_url is None

    def test_its_buttons_send(self, call, sandbox, receiver):
        ticket_id = call("create/ticket", subject="s", message="m")["ticket_id"]
        page = requests.get(f"{sandbox.inbox_url}tickets/{ticket_id}", timeout=5).text
        assert f'action="/tickets/{ticket_id}/report"' in page
        place = f"{sandbox.inbox_url}tickets/{ticket_id}/report"
        requests.post(place, data={"status": "FAILED"}, timeout=5).raise_for_status()
        requests.post(f"{sandbox.inbox_url}webhooks/ping", timeout=5).raise_for_status()
        sandbox.wait_for_webhooks()
        assert receiver.of("message_status")[-1]["delivery_status"] == "FAILED"
        assert len(receiver.of("ping")) == 2
        assert requests.post(place, data={"status": " "}, timeout=5).status_code == 400
        assert (
            requests.post(place.replace(str(ticket_id), "1"), data={"status": "X"}, timeout=5).status_code
            == 404
        )

    @pytest.mark.parametrize("path", ["webhooks/url", "webhooks/ping", "tickets/1/report"])
    def test_a_page_from_elsewhere_cannot_press_them(self, sandbox, path):
        elsewhere = {"Origin": "https://evil.example"}
        answer = requests.post(
            sandbox.inbox_url + path, data={"url": "", "status": "X"}, headers=elsewhere, timeout=5
        )
        assert answer.status_code == 403
        assert sandbox.redirect_url is not None
