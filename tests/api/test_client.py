"""The client: one POST per send, retried only when the request had no effect."""

from __future__ import annotations

import re
import socket
import ssl
import threading
import traceback
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
import requests
import requests_mock as mocked

from airflow_provider_usedesk.api import errors
from airflow_provider_usedesk.api.client import UsedeskClient
from airflow_provider_usedesk.api.rate_limiter import MemoryStore
from airflow_provider_usedesk.api.retry import wait_before_retry
from airflow_provider_usedesk.api.settings import read_settings

URL = "https://help.example/uapi"
TOKEN = "feedfacecafebeefedc-token"
SUCCESS = {"status": "success", "ticket_id": 2154861}
TICKET = {"subject": "s", "message": "m", "client_phone": "+7 912 345 67 89"}
COMMENT = {"ticket_id": 77, "message": "m", "type": "public"}
UPDATE = {"ticket_id": 77, "status": "solved"}
CHAT_MESSAGE = {"company_id": 1, "channel_id": 2, "text": "t"}
USER = {"name": "Olga", "email": "olga@example.org", "password": "invented", "group": 77}
SENDS = [
    ("create/ticket", "create_ticket", TICKET, SUCCESS),
    ("create/comment", "create_comment", COMMENT, {"status": "success", "comment_id": "5"}),
    ("update/ticket", "update_ticket", UPDATE, {"status": "success"}),
    ("create/client", "create_client", {"name": "Anna"}, {"status": True, "client_id": 5}),
    ("update/client", "update_client", {"client_id": 5, "note": "n"}, {"status": True, "client_id": 5}),
    ("chat/addMessage", "add_chat_message", CHAT_MESSAGE, {"chat_id": 5, "ticket_id": None}),
    (
        "chat/sendMessage",
        "send_chat_message",
        {"chat_id": 5, "user_id": 6, "text": "t"},
        {"status": "success"},
    ),
    ("chat/changeAssignee", "change_chat_assignee", {"chat_id": 5, "user_id": 6}, {"chat_id": "5"}),
    ("create/user", "create_user", USER, {"status": "success", "user_id": 5}),
    ("update/user", "update_user", {"user_id": 5, "role": "admin"}, {"status": "success", "user_id": 5}),
    ("delete/user", "delete_user", {"user_id": 5}, {"status": "success", "user_id": 5}),
]
PARAMS = {send: params for _, send, params, _ in SENDS}


class Time:
    """A clock that moves only when something sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def make_client(time):
    def make(**extra):
        settings = replace(read_settings(TOKEN, URL, **extra), user_agent="apache-airflow/3.3.2")
        return UsedeskClient(settings, sleep=time.sleep, clock=lambda: time.now, jitter=lambda: 0.5)

    return make


@pytest.fixture
def client(make_client):
    return make_client()


@pytest.fixture
def usedesk():
    with mocked.Mocker() as mocker:
        yield mocker


def test_ticket_is_one_json_post(client, usedesk):
    usedesk.post(f"{URL}/create/ticket", json=SUCCESS)
    assert client.create_ticket(**TICKET).ticket_id == 2154861
    [request] = usedesk.request_history
    assert request.json() == {
        "api_token": TOKEN,
        "subject": "s",
        "message": "m",
        "client_phone": "79123456789",
    }
    assert request.headers["Content-Type"] == "application/json"
    assert TOKEN not in request.url
    assert "Authorization" not in request.headers


@pytest.mark.parametrize(
    ("send", "params"),
    [
        ("send_whatsapp_message", {"channel_id": 1, "user_id": 2}),
        ("send_viber_message", {"channel_id": 1}),
        ("send_telegram_message", {"channel_id": 1}),
    ],
)
def test_messages_use_create_ticket(client, usedesk, send, params):
    usedesk.post(f"{URL}/create/ticket", json={**SUCCESS, "message_status": "not delivered"})
    assert getattr(client, send)(**TICKET, **params).not_delivered
    assert usedesk.last_request.json().get("from") == ("user" if "whatsapp" in send else None)


def test_whatsapp_template_request(client, usedesk):
    usedesk.post(f"{URL}/create/ticket", json=SUCCESS)
    client.send_whatsapp_template(channel_id=123, client_phone="79511234567", template_id=8094)
    assert usedesk.last_request.json() == {
        "api_token": TOKEN,
        "channel_id": 123,
        "from": "user",
        "client_phone": "79511234567",
        "template_id": 8094,
    }


def test_files_are_sent_as_multipart(client, usedesk):
    usedesk.post(f"{URL}/create/ticket", json=SUCCESS)
    files = [('отчёт "1".txt', "содержимое".encode()), ("b.bin", b"\x00\xff"), ("empty.txt", b"")]
    client.create_ticket(**TICKET, tag=["a", "b"], files=files)
    request = usedesk.last_request
    assert request.headers["Content-Type"].startswith("multipart/form-data; boundary=")
    body = request.body.read()
    assert int(request.headers["Content-Length"]) == len(body)
    assert body.count(b'name="files[]"') == 3
    assert 'filename="отчёт %221%22.txt"'.encode() in body
    assert "содержимое".encode() in body
    assert TOKEN.encode() in body


def test_settings_apply_to_requests(make_client, usedesk):
    usedesk.post(f"{URL}/create/ticket", json=SUCCESS)
    make_client(timeout=5, connect_timeout=2, verify=False, proxy="http://proxy.example:1").create_ticket(
        **TICKET
    )
    request = usedesk.last_request
    assert request.timeout == (2, 5)
    assert request.verify is False
    assert request.proxies["https"] == request.proxies["http"] == "http://proxy.example:1"


def test_requests_have_default_timeouts(client, usedesk):
    usedesk.post(f"{URL}/create/ticket", json=SUCCESS)
    client.create_ticket(**TICKET)
    assert usedesk.last_request.timeout == (10, 60)


def test_user_agent_names_versions(client, usedesk):
    usedesk.post(f"{URL}/create/ticket", json=SUCCESS)
    client.create_ticket(**TICKET)
    products = [product.split("/")[0] for product in usedesk.last_request.headers["User-Agent"].split()]
    assert products == ["airflow-provider-usedesk", "apache-airflow", "python", "requests"]


def test_invalid_arguments_are_not_sent(client, usedesk):
    with pytest.raises(errors.UsedeskInvalidRequest):
        client.create_ticket(subject="s", message="")
    assert usedesk.call_count == 0


def test_groups_are_read(client, usedesk):
    usedesk.post(
        f"{URL}/groups", json=[{"id": "1", "name": "Support", "users": []}, {"id": 2, "name": "Sales"}]
    )
    assert [(group.id, group.name) for group in client.groups()] == [(1, "Support"), (2, "Sales")]
    assert usedesk.last_request.json() == {"api_token": TOKEN}


def test_comment_is_json_post(client, usedesk):
    usedesk.post(f"{URL}/create/comment", json={"status": "success", "comment_id": "5"})
    assert client.create_comment(**COMMENT, cc="a@example.org").comment_id == 5
    assert usedesk.last_request.json() == {"api_token": TOKEN, **COMMENT, "cc": ["a@example.org"]}


def test_comment_with_files_is_multipart(client, usedesk):
    usedesk.post(f"{URL}/create/comment", json={"status": "success", "comment_id": 5})
    client.create_comment(**COMMENT, cc=["a@example.org"], files=[("a.txt", b"content"), ("b.txt", b"")])
    body = usedesk.last_request.body.read()
    assert body.count(b'name="files[]"') == 2
    assert b"content" in body
    assert b'name="cc[0]"' in body
    assert TOKEN.encode() in body


def test_update_is_json_post(client, usedesk):
    usedesk.post(f"{URL}/update/ticket", json={"status": "success"})
    assert client.update_ticket(**UPDATE, assignee_id="null", lists=[]) is None
    assert usedesk.last_request.json() == {
        "api_token": TOKEN,
        "ticket_id": 77,
        "status": 2,
        "assignee_id": "null",
        "lists": [],
    }


@pytest.mark.parametrize("send", ["create_comment", "update_ticket"])
def test_all_validation_errors_precede_request(client, usedesk, send):
    with pytest.raises(errors.UsedeskInvalidRequest) as raised:
        getattr(client, send)(ticket_id="x", user_id="y", nonsense=1)
    assert len(raised.value.validation_errors) >= 3
    assert usedesk.call_count == 0


@pytest.mark.parametrize(
    ("send", "response"),
    [
        ("create_comment", {"status": "success"}),
        ("create_comment", {"status": "success", "comment_id": 0}),
        ("create_comment", {"status": "success", "comment_id": None}),
        ("create_comment", {"comment_id": 5}),
        ("update_ticket", {}),
        ("update_ticket", {"status": "done"}),
        ("update_ticket", {"status": True}),
        ("create_client", {"client_id": 5}),
        ("create_client", {"status": True, "client_id": None}),
        ("create_client", {"status": False, "client_id": 5}),
        ("update_client", {"status": None}),
        ("create_user", {"status": "success"}),
        ("create_user", {"error": "no", "user_id": 5}),
        ("add_chat_message", {"chat_id": None}),
        ("send_chat_message", {"chat_id": 5}),
        ("change_chat_assignee", {"status": "success"}),
    ],
)
def test_unclear_response_is_unknown_outcome(client, usedesk, send, response):
    usedesk.post(mocked.ANY, json=response)
    with pytest.raises(errors.UsedeskOutcomeUnknown, match="look in Usedesk"):
        getattr(client, send)(**PARAMS[send])
    assert usedesk.call_count == 1


@pytest.mark.parametrize(
    ("send", "response"),
    [
        ("add_chat_message", {"status": False}),
        ("update_client", {"status": False, "client_id": 5}),
        ("update_user", {"status": "failed", "user_id": 5}),
        ("create_client", {"error": {"phone": ["wrong format"]}}),
    ],
)
def test_clear_refusal_is_rejected(client, usedesk, send, response):
    usedesk.post(mocked.ANY, json=response)
    with pytest.raises(errors.UsedeskRejected):
        getattr(client, send)(**PARAMS[send])
    assert usedesk.call_count == 1


@pytest.mark.parametrize(("path", "send", "params", "success"), SENDS)
def test_each_method_has_its_path(client, usedesk, path, send, params, success):
    usedesk.post(f"{URL}/{path}", json=success)
    getattr(client, send)(**params)
    assert usedesk.call_count == 1


def test_region_applies_to_phone_of_a_client(make_client, usedesk):
    pytest.importorskip("phonenumbers")
    usedesk.post(mocked.ANY, json={"status": True, "client_id": 5})
    client = make_client(phone_region="RU")
    client.create_client(phone="8 912 345-67-89")
    client.update_client(client_id=5, phone="8 912 345-67-89")
    assert [request.json()["phone"] for request in usedesk.request_history] == ["79123456789"] * 2


def test_ticket_with_rights_and_service_level(client, usedesk):
    usedesk.post(f"{URL}/ticket", json={"ticket": {"id": 77}, "rights": "read", "sla": {"close": "1:00"}})
    ticket = client.ticket(77, accessible_for_agent_id=2156, properties=["sla"])
    expected = {"ticket_id": 77, "accessible_for_agent_id": 2156, "properties": ["sla"]}
    assert usedesk.last_request.json() == {"api_token": TOKEN, **expected}
    assert (ticket.rights, ticket.sla.close) == ("read", "1:00")
    with pytest.raises(errors.UsedeskInvalidRequest, match="accessible_for_agent_id: "):
        client.ticket(77, accessible_for_agent_id="x")


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda client: list(client.clients(search_type="full")), "search_type"),
        (lambda client: client.users(user_type="boss"), "user_type"),
        (lambda client: list(client.tickets(order="up")), "order"),
    ],
)
def test_unknown_word_of_a_filter_is_rejected(client, usedesk, call, name):
    with pytest.raises(errors.UsedeskInvalidRequest, match=f"{name}: must be one of"):
        call(client)
    assert usedesk.call_count == 0


@pytest.mark.parametrize(
    ("call", "path", "params", "response"),
    [
        (lambda client: client.ticket(77), "ticket", {"ticket_id": 77}, {"ticket": {"id": 77}}),
        (lambda client: client.client(9), "client", {"client_id": 9}, [{"client": {"id": 9}}]),
        (lambda client: client.channels(), "channels", {}, []),
        (lambda client: client.channels("whatsapp"), "channels", {"channel_type": "whatsapp"}, []),
        (lambda client: client.users(), "users", {}, []),
        (
            lambda client: client.users(user_type="admin", group_id=[1, 2], query=None),
            "users",
            {"user_type": "admin", "group_id": "1,2"},
            [],
        ),
        (lambda client: client.ticket_fields(), "ticket/fields", {}, []),
        (lambda client: list(client.tags()), "tags", {"offset": 0}, []),
        (lambda client: list(client.tags("debt")), "tags", {"query": "debt", "offset": 0}, []),
        (
            lambda client: list(client.clients(query="Anna", search_type="full_match")),
            "clients",
            {"query": "Anna", "search_type": "full_match", "offset": 0},
            [],
        ),
    ],
)
def test_read_sends_parameters_in_body(client, usedesk, call, path, params, response):
    usedesk.post(f"{URL}/{path}", json=response)
    call(client)
    [request] = usedesk.request_history
    assert request.json() == {"api_token": TOKEN, **params}
    assert TOKEN not in request.url


def test_datetimes_are_sent_as_utc_minutes(client, usedesk):
    usedesk.post(f"{URL}/clients", json=[])
    moscow = timezone(timedelta(hours=3))
    list(
        client.clients(
            created_after=datetime(2026, 11, 22, 1, 30, 59, tzinfo=moscow),
            created_before=datetime(2026, 11, 22, 12, 0, tzinfo=UTC),
        )
    )
    sent = usedesk.last_request.json()
    assert (sent["created_after"], sent["created_before"]) == ("2026-11-21 22:30", "2026-11-22 12:00")


class TestChannels:
    CHANNELS = ({"channel_id": 683, "channel_name": "Mail", "channel_type": "email"},)

    def test_get_fallback_keeps_token_in_body(self, client, usedesk):
        usedesk.post(f"{URL}/channels", status_code=405, text="<html>")
        usedesk.get(f"{URL}/channels", json=self.CHANNELS)
        [channel] = client.channels("email")
        assert (channel.id, channel.name, channel.type) == (683, "Mail", "email")
        assert [request.method for request in usedesk.request_history] == ["POST", "GET"]
        for request in usedesk.request_history:
            assert request.json() == {"api_token": TOKEN, "channel_type": "email"}
            assert TOKEN not in request.url

    @pytest.mark.parametrize("status", [404, 302])
    def test_other_statuses_cause_no_fallback(self, client, usedesk, status):
        usedesk.post(f"{URL}/channels", status_code=status)
        with pytest.raises(errors.UsedeskBadConnection):
            client.channels()
        assert usedesk.call_count == 1

    def test_both_methods_rejected_is_bad_connection(self, client, usedesk):
        usedesk.post(f"{URL}/channels", status_code=405)
        usedesk.get(f"{URL}/channels", status_code=405)
        with pytest.raises(errors.UsedeskBadConnection) as raised:
            client.channels()
        assert raised.value.status == 405

    def test_both_methods_are_retried(self, client, usedesk):
        usedesk.post(f"{URL}/channels", [{"status_code": 502}, {"status_code": 405}])
        usedesk.get(f"{URL}/channels", [{"status_code": 502}, {"json": []}])
        assert client.channels() == []


class TestPaging:
    """The unit of ``offset`` is not documented: pages and rows both return every row once."""

    LISTS = (("tickets", "id"), ("tags", "ticket_tag_id"), ("clients", "id"))

    @pytest.mark.parametrize(("name", "id_name"), LISTS)
    @pytest.mark.parametrize("rows_per_offset", [100, 1], ids=["pages", "rows"])
    @pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 250, 300])
    def test_every_row_is_returned_once(self, client, usedesk, name, id_name, rows_per_offset, count):
        rows = [{id_name: number} for number in range(1, count + 1)]

        def respond(request, context):
            start = request.json()["offset"] * rows_per_offset
            return rows[start : start + 100]

        usedesk.post(f"{URL}/{name}", json=respond)
        assert [row.id for row in getattr(client, name)()] == list(range(1, count + 1))
        # That offset counts rows is checked with one more read.
        assert usedesk.call_count <= count // 100 + (2 if rows_per_offset == 100 else 3)

    @pytest.mark.parametrize(("name", "id_name"), LISTS)
    def test_ignored_offset_ends_paging(self, client, usedesk, name, id_name):
        usedesk.post(f"{URL}/{name}", json=[{id_name: number} for number in range(1, 101)])
        assert len(list(getattr(client, name)())) == 100
        assert usedesk.call_count == 7

    @pytest.mark.parametrize(("name", "id_name"), LISTS)
    def test_pages_are_read_lazily(self, client, usedesk, name, id_name):
        usedesk.post(f"{URL}/{name}", json=[{id_name: number} for number in range(1, 101)])
        found = getattr(client, name)()
        assert usedesk.call_count == 0
        assert next(iter(found)).id == 1
        assert usedesk.call_count == 1

    def test_moved_rows_keep_offset_unit(self, client, usedesk):
        """60 tickets move to the front of a list by last change between page one and page two."""
        rows = [{"id": number} for number in range(1, 401)]
        pages = []

        def respond(request, context):
            pages.append(request.json()["offset"])
            if len(pages) == 2:
                moved = rows[300:360]
                rows[:] = moved + [row for row in rows if row not in moved]
            return rows[pages[-1] * 100 : pages[-1] * 100 + 100]

        usedesk.post(f"{URL}/tickets", json=respond)
        found = {row.id for row in client.tickets(sort="last_updated_at", order="desc")}
        assert set(range(1, 401)) - found <= set(range(301, 361))
        assert pages == [0, 1, 2, 3, 4]

    @pytest.mark.parametrize("rows_per_offset", [100, 1], ids=["pages", "rows"])
    @pytest.mark.parametrize("call", [2, 3, 4])
    @pytest.mark.parametrize("count", [1, 99, 100, 101, 350])
    def test_new_rows_hide_no_row(self, client, usedesk, rows_per_offset, call, count):
        rows = [{"id": number} for number in range(1, 1001)]

        def respond(request, context):
            if usedesk.call_count == call:
                rows[:0] = [{"id": number} for number in range(5001, 5001 + count)]
            start = request.json()["offset"] * rows_per_offset
            return rows[start : start + 100]

        usedesk.post(f"{URL}/tickets", json=respond)
        assert {row.id for row in client.tickets(order="desc")} >= set(range(1, 1001))

    def test_new_row_keeps_row_offsets_detected(self, client, usedesk):
        rows = [{"id": number} for number in range(1, 251)]

        def respond(request, context):
            if usedesk.call_count == 2:
                rows.insert(0, {"id": 999})
            start = request.json()["offset"]
            return rows[start : start + 100]

        usedesk.post(f"{URL}/tickets", json=respond)
        assert {row.id for row in client.tickets(order="desc")} >= set(range(1, 251))
        assert usedesk.call_count <= 5

    def test_every_page_has_the_filters(self, client, usedesk):
        usedesk.post(
            f"{URL}/tags",
            [{"json": [{"ticket_tag_id": number} for number in range(1, 101)]}, {"json": []}],
        )
        list(client.tags("debt"))
        assert [request.json()["query"] for request in usedesk.request_history] == ["debt", "debt"]
        assert [request.json()["offset"] for request in usedesk.request_history] == [0, 1]


class TestRetries:
    @pytest.mark.parametrize(("path", "send", "params", "success"), SENDS)
    @pytest.mark.parametrize(
        "failure",
        [
            {"exc": requests.ReadTimeout},
            {"exc": requests.ConnectionError("Connection aborted.", ConnectionResetError(104, "reset"))},
            {"exc": requests.exceptions.ChunkedEncodingError},
            {"exc": requests.exceptions.ContentDecodingError},
            {"exc": requests.exceptions.SSLError("EOF")},
            {"exc": requests.exceptions.SSLError(ssl.SSLError(1, "[SSL: DECRYPTION_FAILED] bad record mac"))},
            {"exc": requests.exceptions.ProxyError("Unable to connect to proxy", ConnectionResetError(104))},
            {"exc": OSError("disk")},
            {"status_code": 500},
            {"status_code": 502, "text": "<html>"},
            {"status_code": 503, "headers": {"Retry-After": "1"}},
            {"status_code": 504},
            {"text": "<html>Login</html>"},
            {"text": ""},
            {"json": []},
            {"text": '{"status": "succ'},
            {"json": {"code": 111, "error": "server error"}},
        ],
    )
    def test_unknown_outcome_is_not_retried(
        self, client, usedesk, time, failure, path, send, params, success
    ):
        usedesk.post(f"{URL}/{path}", **failure)
        with pytest.raises(errors.UsedeskOutcomeUnknown):
            getattr(client, send)(**params)
        assert usedesk.call_count == 1
        assert time.slept == []

    @pytest.mark.parametrize(("path", "send", "params", "success"), SENDS)
    @pytest.mark.parametrize(
        "failure",
        [
            {"exc": requests.ConnectTimeout},
            {"status_code": 429},
            {"json": {"code": "121", "error": "limit"}},
        ],
    )
    def test_requests_without_effect_are_retried(
        self, client, usedesk, time, failure, path, send, params, success
    ):
        usedesk.post(f"{URL}/{path}", [failure, failure, {"json": success}])
        getattr(client, send)(**params)
        assert usedesk.call_count == 3
        assert time.slept == [0.75, 1.5]

    def test_retry_after_is_respected(self, client, usedesk, time):
        refusal = {"status_code": 429, "headers": {"Retry-After": "20"}}
        usedesk.post(f"{URL}/create/ticket", [refusal, {"json": SUCCESS}])
        client.create_ticket(**TICKET)
        assert time.slept == [20.5]

    def test_max_wait_limits_total_wait(self, make_client, usedesk, time):
        usedesk.post(f"{URL}/create/ticket", status_code=429)
        with pytest.raises(errors.UsedeskRateLimited):
            make_client(max_wait=30).create_ticket(**TICKET)
        assert 15 < sum(time.slept) <= 30

    def test_long_retry_after_fails_at_once(self, client, usedesk, time):
        usedesk.post(f"{URL}/create/ticket", status_code=429, headers={"Retry-After": "3600"})
        with pytest.raises(errors.UsedeskRateLimited) as raised:
            client.create_ticket(**TICKET)
        assert raised.value.retry_after == 3600
        assert time.slept == []

    def test_retry_after_is_at_most_one_hour(self, client, usedesk):
        """Whoever waits for it, such as the polls of a triggerer, would otherwise stop for a week."""
        usedesk.post(f"{URL}/tickets", status_code=429, headers={"Retry-After": "604800"})
        with pytest.raises(errors.UsedeskRateLimited, match="asks to wait 604800 s") as raised:
            next(client.ticket_pages())
        assert raised.value.retry_after == 3600

    def test_connect_timeout_sends_nothing(self, client, usedesk):
        usedesk.post(f"{URL}/create/ticket", exc=requests.ConnectTimeout)
        with pytest.raises(errors.UsedeskUnavailable, match="(?i)nothing was sent"):
            client.create_ticket(**TICKET)

    def test_rejection_is_not_retried(self, client, usedesk):
        usedesk.post(f"{URL}/create/ticket", json={"code": 119, "error": "wrong client"})
        with pytest.raises(errors.UsedeskClientNotFound):
            client.create_ticket(**TICKET)
        assert usedesk.call_count == 1

    def test_reads_are_retried_after_failures(self, client, usedesk):
        usedesk.post(f"{URL}/groups", [{"status_code": 502}, {"exc": requests.ReadTimeout}, {"json": []}])
        assert client.groups() == []

    def test_retry_sends_files_again(self, client, usedesk):
        bodies = []

        def respond(request, context):
            bodies.append(request.body.read())
            context.status_code = 429 if len(bodies) == 1 else 200
            return SUCCESS if len(bodies) > 1 else {}

        usedesk.post(f"{URL}/create/ticket", json=respond)
        client.create_ticket(**TICKET, files=[("a.txt", b"content")])
        assert [b"content" in body for body in bodies] == [True, True]

    def test_waits_grow_to_limit_with_jitter(self):
        failed = errors.UsedeskUnavailable("x")
        assert [wait_before_retry(n, failed, 1.0) for n in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]
        assert wait_before_retry(3, failed, 0.0) == 2
        limited = errors.UsedeskRateLimited("x", retry_after=7)
        assert wait_before_retry(3, limited, 0.5) == 7.5


class TestBeforeSend:
    @pytest.fixture
    def events(self):
        return []

    @pytest.fixture
    def make(self, time, events):
        def make(before_send, **options):
            return UsedeskClient(
                read_settings(TOKEN, URL, **options),
                sleep=lambda seconds: events.append("wait") or time.sleep(seconds),
                clock=lambda: time.now,
                jitter=lambda: 0.5,
                before_send=before_send,
            )

        return make

    @pytest.mark.parametrize(("path", "send", "params", "success"), SENDS)
    def test_it_precedes_each_post(self, make, usedesk, events, path, send, params, success):
        def respond(request, context):
            events.append("POST")
            context.status_code = 429 if events.count("POST") == 1 else 200
            return {} if context.status_code == 429 else success

        usedesk.post(
            f"{URL}/{path}", [{"exc": requests.ConnectTimeout}, {"json": respond}, {"json": respond}]
        )
        getattr(make(lambda: events.append("before")), send)(**params)
        assert events == ["before", "wait", "before", "POST", "wait", "before", "POST"]

    def test_it_follows_the_wait_for_a_permit(self, make, usedesk, events):
        usedesk.post(mocked.ANY, json=SUCCESS)
        client = make(lambda: events.append("before"), requests_per_minute=60)
        for _ in range(2):
            client.create_ticket(**TICKET)
        assert events == ["before", "wait", "before"]

    @pytest.mark.parametrize(
        "error",
        [
            RuntimeError("stop"),
            OSError("stop"),
            errors.UsedeskUnavailable("stop"),
            errors.UsedeskRateLimited("stop", status=429, retry_after=1),
        ],
    )
    def test_its_exception_ends_the_call(self, make, usedesk, events, error):
        usedesk.post(mocked.ANY, json=SUCCESS)

        def stop():
            raise error

        client = make(stop)
        for _ in range(2):
            with pytest.raises(type(error)) as raised:
                client.create_ticket(**TICKET)
            assert raised.value is error
            assert (raised.value.__cause__, raised.value.__context__) == (None, None)
        assert (usedesk.call_count, events) == (0, [])

    def test_reads_do_not_call_it(self, make, usedesk, events):
        usedesk.post(f"{URL}/groups", json=[])
        make(lambda: events.append("before")).groups()
        assert events == []


def test_redirects_are_not_followed(client, usedesk):
    usedesk.post(f"{URL}/create/ticket", status_code=302, headers={"Location": "https://elsewhere.example/"})
    with pytest.raises(errors.UsedeskOutcomeUnknown):
        client.create_ticket(**TICKET)
    assert usedesk.call_count == 1


def test_requests_per_minute_spaces_requests(make_client, usedesk, time):
    usedesk.post(f"{URL}/groups", json=[])
    client = make_client(requests_per_minute=60)
    for _ in range(3):
        client.groups()
    assert time.slept == [1.0, 1.0]
    time.now += 10
    client.groups()
    assert time.slept == [1.0, 1.0]


class TestSharedRateLimit:
    """Clients of one account share the rate limit; test_rate_limit_state.py tests the decisions."""

    @pytest.fixture
    def shared(self, time):
        """Make clients that share one rate limit store."""
        store = MemoryStore(lambda: time.now)

        def make(token=TOKEN, **extra):
            settings = replace(read_settings(token, URL, **extra), rate_limit_store=store)
            return UsedeskClient(settings, sleep=time.sleep, clock=lambda: time.now, jitter=lambda: 0.5)

        return make

    def test_clients_of_account_share_rate_limit(self, shared, usedesk, time):
        usedesk.post(f"{URL}/groups", json=[])
        for _ in range(3):
            shared(requests_per_minute=60).groups()
        shared("other", requests_per_minute=60).groups()
        assert time.slept == [1.0, 1.0]

    def test_scope_host_shares_over_all_tokens(self, shared, usedesk, time):
        usedesk.post(f"{URL}/groups", json=[])
        for token in (TOKEN, "other", "third"):
            shared(token, requests_per_minute=60, rate_limit_scope="host").groups()
        assert time.slept == [1.0, 1.0]

    @pytest.mark.parametrize("refusal", [{"status_code": 429}, {"json": {"code": 121, "error": "limit"}}])
    def test_refusal_backs_off_whole_account(self, shared, usedesk, time, refusal):
        usedesk.post(f"{URL}/groups", [{**refusal, "headers": {"Retry-After": "20"}}, {"json": []}])
        with pytest.raises(errors.UsedeskRateLimited):
            shared(max_wait=0).groups()
        assert time.slept == []
        shared().groups()
        assert time.slept == [20.0]

    def test_backoff_beyond_max_wait_fails_unsent(self, shared, usedesk, time):
        usedesk.post(f"{URL}/groups", status_code=429, headers={"Retry-After": "20"})
        for _ in range(2):
            with pytest.raises(errors.UsedeskRateLimited) as raised:
                shared(max_wait=10).groups()
        assert usedesk.call_count == 1
        assert raised.value.retry_after == 20
        assert time.slept == []
        assert TOKEN not in str(raised.value) + repr(vars(raised.value))

    def test_max_wait_ignores_request_spacing(self, shared, usedesk, time):
        usedesk.post(f"{URL}/groups", json=[])
        for _ in range(3):
            shared(requests_per_minute=2, max_wait=0).groups()
        assert time.slept == [30.0, 30.0]

    def test_default_store_is_shared_in_process(self, usedesk):
        usedesk.post(f"{URL}/groups", status_code=429, headers={"Retry-After": "3600"})
        for _ in range(2):
            with pytest.raises(errors.UsedeskRateLimited):
                UsedeskClient.connect(TOKEN, URL).groups()
        assert usedesk.call_count == 1


# Defined here, because a traceback shows the source lines of the calls.
PERSONAL_TICKET = {
    "subject": "Dear Anna",
    "message": "Dear Anna",
    "client_name": "Anna Smith",
    "client_phone": "79123456789",
    "client_city": "Ufa",
}
PERSONAL_COMMENT = {**COMMENT, "message": "Dear Anna", "cc": ["Smith@example.org"], "bcc": "b@c.de"}


class TestRedaction:
    @pytest.mark.parametrize(
        "failure",
        [
            {"exc": requests.ReadTimeout},
            {"exc": requests.ConnectTimeout},
            {"status_code": 500},
            {"json": {"code": 112, "error": f"token {TOKEN} of Anna Smith is wrong"}},
            {"json": {"error": "phone 79123456789 of Anna Smith from Ufa: Dear Anna"}},
        ],
    )
    def test_ticket_errors_contain_no_secrets(self, client, usedesk, caplog, failure):
        caplog.set_level("DEBUG")
        usedesk.post(f"{URL}/create/ticket", **failure)
        with pytest.raises(errors.UsedeskError) as raised:
            client.create_ticket(**PERSONAL_TICKET)
        output = "".join(traceback.TracebackException.from_exception(raised.value).format())
        output += caplog.text + repr(vars(raised.value))
        for secret in (TOKEN, "Smith", "79123456789", "Dear", "Ufa"):
            assert secret not in output

    @pytest.mark.parametrize(
        "failure",
        [
            {"exc": requests.ReadTimeout},
            {"status_code": 500},
            {"json": {"code": 113, "error": f"{TOKEN}: no Smith@example.org, b@c.de, Dear Anna"}},
        ],
    )
    @pytest.mark.parametrize(
        ("send", "params"),
        [("create_comment", PERSONAL_COMMENT), ("update_ticket", {"ticket_id": 77, "subject": "Dear Anna"})],
    )
    def test_other_errors_contain_no_secrets(self, client, usedesk, caplog, failure, send, params):
        caplog.set_level("DEBUG")
        usedesk.post(mocked.ANY, **failure)
        with pytest.raises(errors.UsedeskError) as raised:
            getattr(client, send)(**params)
        output = "".join(traceback.TracebackException.from_exception(raised.value).format())
        output += caplog.text + repr(vars(raised.value))
        for secret in (TOKEN, "Smith", "b@c.de", "Dear"):
            assert secret not in output

    @pytest.mark.parametrize("files", [None, [("a.txt", b"x")]])
    def test_traceback_locals_contain_no_token(self, client, usedesk, files):
        usedesk.post(f"{URL}/create/ticket", exc=requests.ReadTimeout)
        with pytest.raises(errors.UsedeskError) as raised:
            client.create_ticket(**TICKET, files=files)
        output = traceback.TracebackException.from_exception(raised.value, capture_locals=True)
        assert TOKEN not in "".join(output.format())

    def test_repr_contains_no_token(self, client):
        assert TOKEN not in repr(client) + repr(client.settings) + repr(vars(client))


def test_no_connection_means_nothing_sent():
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = f"http://127.0.0.1:{server.getsockname()[1]}"
    for base_url, proxy in ((closed, None), ("http://no-such-host.invalid", None), (URL, closed)):
        client = UsedeskClient.connect(TOKEN, base_url, proxy=proxy, max_wait=0)
        with pytest.raises(errors.UsedeskUnavailable, match="(?i)nothing was sent"):
            client.create_ticket(**TICKET)


@contextmanager
def breaking_proxy():
    """A proxy that reads a whole request and then closes the connection."""
    bodies = []

    def serve():
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                head, body = read_head(connection)
                length = int(re.search(rb"content-length: (\d+)", head.lower())[1])
                while len(body) < length:
                    body += connection.recv(65536)
                bodies.append(body)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", bodies
        server.shutdown(socket.SHUT_RDWR)


def read_head(connection):
    read = b""
    while b"\r\n\r\n" not in read:
        read += connection.recv(65536)
    return read.split(b"\r\n\r\n", 1)


@pytest.mark.parametrize("files", [None, [("a.txt", b"x" * 100_000)]], ids=["json", "multipart"])
def test_lost_proxy_response_is_not_retried(files):
    with breaking_proxy() as (proxy, bodies):
        client = UsedeskClient.connect(TOKEN, "http://help.example/uapi", proxy=proxy, max_wait=3)
        with pytest.raises(errors.UsedeskOutcomeUnknown):
            client.create_ticket(**TICKET, files=files)
        assert len(bodies) == 1


def test_plain_http_server_is_bad_connection():
    with socket.create_server(("127.0.0.1", 0)) as server:
        responder = threading.Thread(
            target=lambda: server.accept()[0].sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        )
        responder.start()
        client = UsedeskClient.connect(TOKEN, f"https://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(errors.UsedeskBadConnection, match="(?i)nothing was sent"):
            client.create_ticket(**TICKET)
        responder.join()


def test_errors_contain_no_search_terms(client, usedesk):
    usedesk.post(f"{URL}/clients", json={"code": 119, "error": "nothing for Anna Smith"})
    usedesk.post(f"{URL}/tickets", json={"error": "no ticket with Passport 4507"})
    with pytest.raises(errors.UsedeskClientNotFound) as caught:
        list(client.clients(query="Anna Smith"))
    assert "Anna" not in str(caught.value)
    with pytest.raises(errors.UsedeskRejected) as caught:
        list(client.tickets(fields=[{"id": 1, "value": "Passport 4507"}]))
    assert "4507" not in str(caught.value)


@pytest.mark.parametrize("body", ["", "<html>", '{"message": "no"}', '{"error": "Method Not Allowed"}'])
def test_channels_fall_back_to_get(client, usedesk, body):
    usedesk.post(f"{URL}/channels", status_code=405, text=body)
    usedesk.get(f"{URL}/channels", json=[{"channel_id": 1, "channel_name": "API", "channel_type": "api"}])
    assert [channel.id for channel in client.channels()] == [1]
    assert TOKEN not in usedesk.last_request.url


def test_error_names_invalid_filters(client, usedesk):
    with pytest.raises(errors.UsedeskInvalidRequest) as caught:
        list(client.tickets(offset=1, fstatus=object(), query="x"))
    assert [error.split(":")[0] for error in caught.value.validation_errors] == ["offset", "fstatus"]
    assert usedesk.call_count == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda client: client.ticket("abc"), "ticket_id: must be a 32-bit id"),
        (lambda client: client.ticket(None), "ticket_id: must be a 32-bit id"),
        (lambda client: client.client("x"), "client_id: must be a 32-bit id"),
        (lambda client: list(client.tickets(fstats=2)), "fstats: is not a parameter of tickets; is fstatus"),
        (lambda client: client.users(usr_type="admin"), "is user_type meant"),
        (lambda client: list(client.clients(created_after="yesterday")), "created_after: must be a datetime"),
    ],
)
def test_invalid_read_arguments_are_not_sent(client, usedesk, call, message):
    with pytest.raises(errors.UsedeskInvalidRequest, match=message):
        call(client)
    assert usedesk.call_count == 0


def test_filters_accept_sets_and_datetimes(client, usedesk):
    usedesk.post(f"{URL}/tickets", json=[])
    created = datetime(2026, 11, 23, 12, 30, tzinfo=timezone(timedelta(hours=3)))
    list(client.tickets(fstatus={2, 1}, created_after=created, tag="a"))
    sent = usedesk.last_request.json()
    assert (sent["fstatus"], sent["created_after"], sent["tag"]) == ("1,2", "2026-11-23 09:30", "a")
