"""The webhooks of the sandbox, sent to a local receiver."""

from __future__ import annotations

import json
import socket
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

import pytest
import requests

from airflow_provider_usedesk.api.php import nested
from airflow_provider_usedesk.sandbox import Sandbox, Webhooks
from airflow_provider_usedesk.sandbox.webhooks import redacted_redirect_url
from airflow_provider_usedesk.webhook.events import read_event
from tests.sandbox.conftest import Clock

SECRET = "address-secret"
WHATSAPP = {"channel_id": 20054, "client_phone": "79000000001", "from": "user", "user_id": 2156}
OFF = {**WHATSAPP, "channel_id": 20056}


class Receiver:
    """A server that stores webhooks and responds with the given statuses, then with 200."""

    def __init__(self):
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                is_json = self.headers["Content-Type"] == "application/json"
                receiver.encodings.append("json" if is_json else "form")
                content = json.loads(body) if is_json else nested(parse_qsl(body.decode()))
                receiver.bodies.append(content)
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self.clear()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/usedesk/{SECRET}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def clear(self):
        self.bodies, self.statuses, self.encodings = [], [], []

    def of(self, key):
        return [body[key] for body in self.bodies if key in body]


@pytest.fixture(scope="module")
def shared_receiver():
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()


@pytest.fixture(scope="module")
def shared_sandbox():
    clock = Clock()
    with Sandbox(clock=clock) as sandbox:
        yield sandbox, clock


@pytest.fixture
def clock(shared_sandbox):
    return shared_sandbox[1]


@pytest.fixture
def receiver(shared_receiver):
    shared_receiver.clear()
    return shared_receiver


@pytest.fixture
def sandbox(shared_sandbox, receiver):
    sandbox, _ = shared_sandbox
    sandbox.webhooks = Webhooks(retry_seconds=0)
    sandbox.redirect_url = receiver.url
    yield sandbox
    sandbox.redirect_url = None
    sandbox.reset()
    sandbox.wait_for_webhooks()


@pytest.fixture
def call(sandbox):
    def call(method, **params):
        body = {"api_token": sandbox.token, **params}
        content = requests.post(f"{sandbox.url}/{method}", json=body, timeout=60).json()
        sandbox.wait_for_webhooks()
        return content

    return call


def delivered(sandbox, ticket_id):
    body = {"api_token": sandbox.token, "ticket_id": ticket_id}
    response = requests.post(f"{sandbox.url}/ticket", json=body, timeout=60).json()
    return [int(comment["delivered"]) for comment in response["comments"]]


def test_setting_redirect_url_sends_ping(sandbox, receiver):
    sandbox.wait_for_webhooks()
    assert len(receiver.of("ping")) == 1
    sandbox.redirect_url = receiver.url
    sandbox.wait_for_webhooks()
    assert len(receiver.of("ping")) == 2


def test_message_causes_ticket_and_report(call, sandbox, receiver):
    ticket_id = call("create/ticket", subject="s", message="m", **WHATSAPP)["ticket_id"]
    [comment] = sandbox.ticket(ticket_id).comments
    [report] = receiver.of("message_status")
    assert report == {
        "delivery_status": "DELIVERED",
        "comment_id": comment.id,
        "extras": {"ticket_id": ticket_id},
    }
    [ticket] = receiver.of("ticket")
    assert (ticket["id"], ticket["channel_id"], ticket["subject"]) == (str(ticket_id), "20054", "s")
    assert [body.get("secret") for body in receiver.bodies if "ping" not in body] == ["sandbox-secret", None]


def test_no_report_without_messenger(call, receiver):
    call("create/ticket", subject="s", message="m", **OFF)
    call("create/ticket", subject="s", message="m")
    assert len(receiver.of("ticket")) == 2
    assert receiver.of("message_status") == []


def test_comments_and_changes_are_sent(call, sandbox, receiver):
    ticket_id = call("create/ticket", subject="s", message="m", **WHATSAPP)["ticket_id"]
    comment = call("create/comment", ticket_id=ticket_id, message="hello", type="public")["comment_id"]
    call("create/comment", ticket_id=ticket_id, message="hush", type="private")
    assert [one["type"] for one in receiver.of("comment")] == ["public", "private"]
    assert receiver.of("comment")[0]["id"] == str(comment)
    assert [one["comment_id"] for one in receiver.of("message_status")][-1] == comment
    call("update/ticket", ticket_id=ticket_id, status=2)
    change = receiver.of("trigger")[-1]
    assert (change["old_status"], change["new_status"]) == ("1", "2")
    assert (change["trigger_id"], change["user_id"]) == (None, "2156")
    assert change["data"] == [{"target": "status_id", "value": "2", "old_value": "1"}]
    sandbox.update(ticket_id, tags=("vip",))
    sandbox.wait_for_webhooks()
    assert receiver.of("trigger")[-1]["data"] == [{"target": "new_tags", "value": "vip", "old_value": None}]
    sandbox.update(ticket_id, tags=())
    sandbox.wait_for_webhooks()
    assert receiver.of("trigger")[-1]["data"][0]["target"] == "removed_tags"


def test_custom_fields_only_if_there_are_any(call, receiver):
    field = {"id": "10", "name": "Order number", "value": "A-17"}
    first = call("create/ticket", subject="s", message="m")["ticket_id"]
    second = call("create/ticket", subject="s", message="m", field_id=10, field_value="A-17")["ticket_id"]
    assert ["custom_fields" in ticket for ticket in receiver.of("ticket")] == [False, True]
    assert receiver.of("ticket")[1]["custom_fields"] == [field]
    for number in (first, second):
        call("create/comment", ticket_id=number, message="m")
    sent = [body.get("custom_fields") for body in receiver.bodies if "comment" in body]
    assert sent == [None, [field]]


def test_clients_shape_has_numbers_and_fields_beside_ticket(receiver, http):
    with Sandbox(shapes="clients", redirect_url=receiver.url) as sandbox:
        body = {"api_token": sandbox.token, "subject": "s", "message": "m"}
        body |= {"field_id": "10", "field_value": "A-17"}
        ticket_id = http.post(f"{sandbox.url}/create/ticket", json=body, timeout=60).json()["ticket_id"]
        sandbox.wait_for_webhooks()
    [sent] = [body for body in receiver.bodies if "ticket" in body]
    assert (sent["ticket"]["id"], sent["ticket"]["group"]) == (ticket_id, None)
    assert "custom_fields" not in sent["ticket"]
    assert sent["custom_fields"] == [{"id": 10, "name": "Order number", "value": "A-17"}]


@pytest.mark.parametrize("shapes", ["pages", "clients"])
def test_own_receiver_reads_both_shapes(receiver, http, shapes):
    with Sandbox(shapes=shapes, redirect_url=receiver.url) as sandbox:
        body = {"api_token": sandbox.token, "subject": "s", "message": "m", "field_id": "10"}
        url, params = f"{sandbox.url}/create/ticket", {**body, "field_value": "A-17"}
        number = http.post(url, json=params, timeout=60).json()["ticket_id"]
        sandbox.update(number, status=2, assignee_id=2157)
        sandbox.wait_for_webhooks()
    events = [read_event(body) for body in receiver.bodies if "ping" not in body]
    ticket, change = (event.facts for event in events)
    assert (ticket["ticket_id"], ticket["status"], ticket["group_id"]) == (number, 8, None)
    assert (change["ticket_id"], change["old_status"], change["new_status"]) == (number, 8, 2)
    assert (change["user_id"], change["trigger_id"]) == (2156, None)


def test_refused_call_sends_nothing(call, receiver):
    call("create/ticket", subject="", message="")
    assert [body for body in receiver.bodies if "ping" not in body] == []


def test_delivery_status_is_configurable(call, sandbox, receiver):
    sandbox.webhooks = replace(sandbox.webhooks, delivery_status="UNDELIVERED")
    ticket_id = call("create/ticket", subject="s", message="m", **WHATSAPP)["ticket_id"]
    assert [one["delivery_status"] for one in receiver.of("message_status")] == ["UNDELIVERED"]
    assert delivered(sandbox, ticket_id) == [0]
    sandbox.webhooks = replace(sandbox.webhooks, delivery_status=None)
    call("create/ticket", subject="s", message="m", **WHATSAPP)
    assert len(receiver.of("message_status")) == 1


def test_delayed_report_delays_delivered_flag(sandbox, receiver, clock):
    sandbox.webhooks = Webhooks(delay=0.1)
    body = {"api_token": sandbox.token, "subject": "s", "message": "m", **WHATSAPP}
    created = requests.post(f"{sandbox.url}/create/ticket", json=body, timeout=60).json()
    assert delivered(sandbox, created["ticket_id"]) == [0]
    sandbox.wait_for_webhooks()
    assert len(receiver.of("message_status")) == 1
    clock.now += 0.1
    assert delivered(sandbox, created["ticket_id"]) == [1]


def test_form_encoding_has_same_content(call, sandbox, receiver):
    sandbox.webhooks = replace(sandbox.webhooks, encoding="form")
    ticket_id = call("create/ticket", subject="s", message="m", **WHATSAPP)["ticket_id"]
    assert receiver.encodings == ["json", "form", "form"]
    [report] = receiver.of("message_status")
    assert report["delivery_status"] == "DELIVERED"
    assert report["extras"] == {"ticket_id": str(ticket_id)}


def test_repeats_send_duplicates(call, sandbox, receiver):
    sandbox.webhooks = replace(sandbox.webhooks, repeats=3)
    call("create/ticket", subject="s", message="m", **WHATSAPP)
    assert len(receiver.of("message_status")) == 3


def test_rejected_webhook_is_repeated(call, sandbox, receiver):
    sandbox.wait_for_webhooks()
    receiver.statuses = [503, 200, 500, 500, 500]
    call("create/ticket", subject="s", message="m", **WHATSAPP)
    ticket, report = sandbox.webhooks_sent[-2:]
    assert (ticket.kind, report.kind) == ("ticket", "delivery")
    assert sorted([(ticket.tries, ticket.status), (report.tries, report.status)])[-1][0] in (2, 3)
    assert ticket.tries + report.tries == len(receiver.bodies) - 1


def test_connection_error_is_recorded(sandbox):
    with socket.socket() as not_listening:
        not_listening.bind(("127.0.0.1", 0))
        sandbox.redirect_url = f"http://127.0.0.1:{not_listening.getsockname()[1]}/"
        sandbox.send_webhook({"csi": {"id": 1}})
        sandbox.wait_for_webhooks()
    sent = sandbox.webhooks_sent[-1]
    assert (sent.tries, sent.status, sent.error) == (3, None, "ConnectionError")
    assert not sent.is_accepted


def test_encoding_error_does_not_stop_sender(sandbox, receiver):
    sandbox.webhooks = Webhooks(encoding="form", tries=1)
    sandbox.send_webhook({"text": "\ud800"})
    sandbox.send_webhook({"text": "a"})
    sandbox.wait_for_webhooks()
    assert [one.error for one in sandbox.webhooks_sent[-2:]] == ["UnicodeEncodeError", None]
    assert receiver.of("text") == ["a"]


def test_webhooks_sent_by_hand(call, sandbox, receiver):
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
def test_invalid_redirect_url_is_rejected(sandbox, url):
    with pytest.raises(ValueError, match="http or https"):
        sandbox.redirect_url = url
    response = requests.post(f"{sandbox.inbox_url}webhooks/url", data={"url": url}, timeout=60)
    assert response.status_code == 400


def test_no_url_sends_nothing():
    sandbox = Sandbox()
    sandbox.send_webhook({"ping": 1})
    sandbox.wait_for_webhooks()
    assert sandbox.webhooks_sent == ()


def test_all_invalid_settings_are_named():
    with pytest.raises(ValueError, match="encoding .*; delay .*; repeats .*; tries "):
        Webhooks(encoding="xml", delay=-1, repeats=0, tries=True)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"http://127.0.0.1/usedesk/{SECRET}", "http://127.0.0.1/usedesk/***"),
        (f"http://127.0.0.1/usedesk/{SECRET}/", "http://127.0.0.1/usedesk/***"),
    ],
)
def test_redirect_url_is_redacted(url, shown):
    assert redacted_redirect_url(url) == shown


class TestInbox:
    def test_page_shows_results_without_secrets(self, call, sandbox):
        ticket_id = call("create/ticket", subject="s", message="m", **WHATSAPP)["ticket_id"]
        page = requests.get(f"{sandbox.inbox_url}webhooks", timeout=60).text
        assert f'<a href="/tickets/{ticket_id}">{ticket_id}</a>' in page
        assert "DELIVERED" in page
        assert ">200<" in page
        assert "/usedesk/***" in page
        assert SECRET not in page
        assert "sandbox-secret" not in page

    def test_webhook_shows_body_and_response(self, call, sandbox, receiver):
        call("create/ticket", subject="Счёт", message="m")
        number = sandbox.webhooks_sent[-1].number
        page = requests.get(f"{sandbox.inbox_url}webhooks/{number}", timeout=60).text
        assert "Счёт" in page
        assert "sandbox-secret" not in page
        assert sandbox.webhooks_sent[-1].response in page
        assert requests.get(f"{sandbox.inbox_url}webhooks/99999", timeout=60).status_code == 404

    def test_webhook_is_sent_again(self, call, sandbox, receiver):
        call("create/ticket", subject="s", message="m")
        before = receiver.of("ticket")
        number = sandbox.webhooks_sent[-1].number
        requests.post(f"{sandbox.inbox_url}webhooks/{number}/resend", timeout=60).raise_for_status()
        sandbox.wait_for_webhooks()
        assert receiver.of("ticket") == before * 2
        gone = f"{sandbox.inbox_url}webhooks/99999/resend"
        assert requests.post(gone, timeout=60).status_code == 404

    def test_settings_form(self, sandbox, receiver):
        fields = {
            "delivery_status": "READ",
            "delay": "0.5",
            "encoding": "form",
            "repeats": "2",
            "tries": "1",
        }
        requests.post(f"{sandbox.inbox_url}webhooks/settings", data=fields, timeout=60).raise_for_status()
        assert sandbox.webhooks == Webhooks("READ", 0.5, "form", 2, 1, 0)
        fields = {**fields, "delivery_status": "", "delay": "-1"}
        assert (
            requests.post(f"{sandbox.inbox_url}webhooks/settings", data=fields, timeout=60).status_code == 400
        )
        requests.post(f"{sandbox.inbox_url}webhooks/url", data={"url": ""}, timeout=60).raise_for_status()
        assert sandbox.redirect_url is None

    def test_report_and_ping_forms(self, call, sandbox, receiver):
        ticket_id = call("create/ticket", subject="s", message="m")["ticket_id"]
        page = requests.get(f"{sandbox.inbox_url}tickets/{ticket_id}", timeout=60).text
        assert f'action="/tickets/{ticket_id}/report"' in page
        place = f"{sandbox.inbox_url}tickets/{ticket_id}/report"
        requests.post(place, data={"status": "FAILED"}, timeout=60).raise_for_status()
        requests.post(f"{sandbox.inbox_url}webhooks/ping", timeout=60).raise_for_status()
        sandbox.wait_for_webhooks()
        assert receiver.of("message_status")[-1]["delivery_status"] == "FAILED"
        assert len(receiver.of("ping")) == 2
        assert requests.post(place, data={"status": " "}, timeout=60).status_code == 400
        assert (
            requests.post(place.replace(str(ticket_id), "1"), data={"status": "X"}, timeout=60).status_code
            == 404
        )

    @pytest.mark.parametrize("path", ["webhooks/url", "webhooks/ping", "tickets/1/report"])
    def test_other_sites_are_refused(self, sandbox, path):
        elsewhere = {"Origin": "https://evil.example"}
        response = requests.post(
            sandbox.inbox_url + path, data={"url": "", "status": "X"}, headers=elsewhere, timeout=60
        )
        assert response.status_code == 403
        assert sandbox.redirect_url is not None
