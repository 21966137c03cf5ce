"""Tracebacks with local variables: an interrupted request shows no token and no value of it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from types import TracebackType

import pytest

from airflow_provider_usedesk.api.client import UsedeskClient
from airflow_provider_usedesk.api.connections import NotedConnection
from airflow_provider_usedesk.api.hidden import HiddenBytes, HiddenDict, HiddenText, moved
from airflow_provider_usedesk.batch.row_store import CheckedRow
from airflow_provider_usedesk.hooks.usedesk import UsedeskHook
from airflow_provider_usedesk.notifications.sender import Alert
from airflow_provider_usedesk.operators.comment import CreateCommentOperator
from airflow_provider_usedesk.operators.ticket import CreateTicketOperator, UpdateTicketOperator
from tests.api.test_transport import serving
from tests.support.airflow import TOKEN
from tests.support.operators import run_attempt

PERSONAL = {"subject": "Invoice of Smith", "message": "Dear Anna"}
TICKET = {**PERSONAL, "client_phone": "79123456789"}
COMMENT = {"ticket_id": 7, "type": "public", "message": "Dear Anna", "cc": ["smith@example.org"]}
FILE = {"files": ("report.csv", b"Dear Anna")}
SECRETS = (TOKEN, "Smith", "smith", "Anna", "79123456789", "pa55")


class Interrupted(BaseException):
    """What a signal handler raises, such as that of execution_timeout."""


@pytest.fixture(params=["sending", "waiting", "before sending", "rate limit"])
def interrupted(request, monkeypatch):
    """Interrupt the first request at some point."""

    def interrupt(*args, **kwargs):
        raise Interrupted

    send = NotedConnection.send

    def send_head(self, data):
        if b"HTTP/1.1" not in bytes(data)[:200]:
            raise Interrupted
        send(self, data)

    if request.param == "sending":
        monkeypatch.setattr(NotedConnection, "send", send_head)
    elif request.param == "waiting":
        monkeypatch.setattr(http.client.HTTPResponse, "begin", interrupt)
    elif request.param == "before sending":
        monkeypatch.setattr(UsedeskClient, "_response_or_error", interrupt)
    else:
        monkeypatch.setattr("airflow_provider_usedesk.api.rate_limiter.RateLimiter._take", interrupt)


@pytest.fixture
def connection(monkeypatch):
    with serving() as service:
        value = json.dumps({"conn_type": "usedesk", "host": service.url, "password": TOKEN})
        monkeypatch.setenv("AIRFLOW_CONN_USEDESK_DEFAULT", value)
        yield service


CALLS = {
    "ticket": lambda: UsedeskHook().create_ticket(**TICKET),
    "ticket with file": lambda: UsedeskHook().create_ticket(**TICKET, **FILE),
    "template": lambda: UsedeskHook().send_whatsapp_template(
        channel_id=1, template_id=2, client_phone="79123456789", template_variables=["Anna"]
    ),
    "telegram": lambda: UsedeskHook().send_telegram_message(channel_id=1, **TICKET),
    "comment": lambda: UsedeskHook().create_comment(**COMMENT),
    "comment with file": lambda: UsedeskHook().create_comment(**COMMENT, **FILE),
    "update": lambda: UsedeskHook().update_ticket(ticket_id=7, subject="Invoice of Smith"),
    "clients": lambda: next(UsedeskHook().clients(query="79123456789")),
    "users": lambda: UsedeskHook().users(query="Smith"),
    "ticket operator": lambda: run_attempt(CreateTicketOperator, **TICKET),
    "comment operator": lambda: run_attempt(CreateCommentOperator, **COMMENT),
    "update operator": lambda: run_attempt(UpdateTicketOperator, ticket_id=7, subject="Invoice of Smith"),
}


@pytest.mark.usefixtures("interrupted", "connection")
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_locals_of_an_interrupted_request(call):
    with pytest.raises(Interrupted) as raised:
        call()
    shown = dict(local_variables(raised.tb))
    assert len(shown) > 10
    assert {place: text for place, text in shown.items() if any(one in text for one in SECRETS)} == {}


def test_credentials_of_a_proxy(monkeypatch):
    monkeypatch.setattr(http.client.HTTPResponse, "begin", lambda *args: (_ for _ in ()).throw(Interrupted))
    with serving() as service:
        proxy = service.url.replace("://", "://me:pa55@")
        client = UsedeskClient.connect(TOKEN, "http://help.example", proxy=proxy)
        with pytest.raises(Interrupted) as raised:
            client.groups()
    ours = {place: text for place, text in local_variables(raised.tb) if "urllib3" not in place}
    assert not any("pa55" in text for text in ours.values())


def local_variables(trace: TracebackType | None) -> Iterator[tuple[str, str]]:
    """Yield the representation of each local variable, but for those of the tests."""
    while trace is not None:
        frame, trace = trace.tb_frame, trace.tb_next
        if "/tests/" not in frame.f_code.co_filename:
            for name, value in frame.f_locals.items():
                place = f"{frame.f_code.co_filename}:{frame.f_code.co_name}:{name}"
                parts = value[:80] if isinstance(value, (str, bytes)) else None
                yield place, f"{value!r} {parts!r}"


def test_hidden_values_stay_usable():
    text, data = HiddenText("secret"), HiddenBytes(b"secret")
    assert (text, data, f"{text}", json.dumps(text)) == ("secret", b"secret", "secret", '"secret"')
    assert (data[0], data[1:], text[:2]) == (115, b"ecret", "se")
    for value in (text, text[:3], data, data[:3], HiddenDict(name="secret"), [text]):
        assert "sec" not in f"{value!r}"
    assert "sec" not in f"{data}"


def test_rows_and_alerts_show_no_values():
    row = CheckedRow(1, "79123456789", {"message": "Dear Anna"}, ["Smith.csv"])
    shown = repr([row, Alert({"message": "Dear Anna"})])
    assert not any(one in shown for one in SECRETS)


def test_moved_parameters_leave_nothing():
    params = {"subject": "s"}
    assert moved(params) == {"subject": "s"}
    assert params == {}
