"""The hook: its client for every form of a connection, and the connection test."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref
from unittest import mock

import pytest
import requests
from airflow.secrets.local_filesystem import LocalFilesystemBackend

from airflow_provider_usedesk.api.errors import UsedeskBadConnection
from airflow_provider_usedesk.compat.version import AIRFLOW
from airflow_provider_usedesk.hooks.usedesk import UsedeskHook
from tests.support.airflow import TOKEN, URL

DEFAULT = "https://secure.usedesk.com/uapi"


def as_json(**parts) -> str:
    return json.dumps({"conn_type": "usedesk", "password": TOKEN, **parts})


@pytest.mark.parametrize(
    ("connection", "expected"),
    [
        (as_json(), DEFAULT),
        (as_json(host="https://api.usedesk.ru/"), "https://api.usedesk.ru"),
        (as_json(host="https://secure.usedesk.ru/uapi"), "https://secure.usedesk.ru/uapi"),
        (as_json(host="help.example", port=8443), "https://help.example:8443"),
        (as_json(host="http://help.example:8080/a/b/"), "http://help.example:8080/a/b"),
        (f"usedesk://:{TOKEN}@", DEFAULT),
        (f"usedesk://:{TOKEN}@secure.usedesk.ru/uapi", "https://secure.usedesk.ru/uapi"),
        (f"usedesk://:{TOKEN}@help.example:8443", "https://help.example:8443"),
        (f"usedesk://:{TOKEN}@help.example:8443/uapi", "https://help.example:8443/uapi"),
        (f"usedesk://:{TOKEN}@help.example/http", "http://help.example"),
        (f"usedesk://:{TOKEN}@https%3A%2F%2Fsecure.usedesk.ru%2Fuapi%2F", "https://secure.usedesk.ru/uapi"),
        (f"usedesk://http://:{TOKEN}@help.example:8080/uapi", "http://help.example:8080/uapi"),
    ],
)
def test_every_connection_form_is_read(monkeypatch, connection, expected):
    monkeypatch.setenv("AIRFLOW_CONN_MINE", connection)
    client = UsedeskHook(usedesk_conn_id="mine").get_conn()
    assert client.settings.base_url == expected
    assert client.settings.token == TOKEN


def test_extra_sets_options(monkeypatch):
    extra = {"timeout": 5, "requests_per_minute": "150", "verify": "false", "web_url": "https://help.example"}
    monkeypatch.setenv("AIRFLOW_CONN_USEDESK_DEFAULT", as_json(extra=extra))
    settings = UsedeskHook().settings()
    assert (settings.timeout, settings.requests_per_minute, settings.verify) == (5, 150, False)
    assert settings.user_agent.startswith("apache-airflow/")


def test_constructor_reads_no_connection():
    with mock.patch.object(UsedeskHook, "get_connection", side_effect=AssertionError):
        assert UsedeskHook(usedesk_conn_id="not_there").usedesk_conn_id == "not_there"


def test_missing_token_is_reported(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_USEDESK_DEFAULT", json.dumps({"conn_type": "usedesk"}))
    with pytest.raises(UsedeskBadConnection, match="API token is empty"):
        UsedeskHook().create_ticket(subject="s", message="m")


def test_hook_frees_its_client_without_garbage_collection(monkeypatch, requests_mock):
    monkeypatch.setenv("AIRFLOW_CONN_USEDESK_DEFAULT", as_json())
    requests_mock.post(f"{DEFAULT}/create/ticket", json={"status": "success", "ticket_id": 7})
    gc.collect()
    gc.disable()
    try:
        hook = UsedeskHook()
        hook.create_ticket(subject="s", message="m")
        client = weakref.ref(hook.client)
        del hook
        assert client() is None
    finally:
        gc.enable()


def test_token_and_secrets_are_masked(monkeypatch):
    value = as_json(extra={"webhook_secret": "hidden-word, other-word"})
    monkeypatch.setenv("AIRFLOW_CONN_USEDESK_DEFAULT", value)
    with mock.patch("airflow_provider_usedesk.hooks.connection.mask_secret") as mask:
        UsedeskHook().get_conn()
    assert [call.args[0] for call in mask.call_args_list] == [TOKEN, "hidden-word", "other-word"]


needs_any_extra = pytest.mark.skipif(
    (3, 0) <= AIRFLOW < (3, 2), reason="Airflow 3.0 and 3.1 find no connection with such an extra"
)


@needs_any_extra
@pytest.mark.parametrize(
    "connection",
    [
        as_json(extra=["a"]),
        as_json(extra=json.dumps(json.dumps({"timeout": 5}))),
    ],
    ids=["list", "encoded twice"],
)
@pytest.mark.parametrize(
    "read",
    [
        lambda hook: hook.settings(),
        lambda hook: asyncio.run(hook.asettings()),
        lambda hook: hook.delivery_settings(),
        lambda hook: hook.takes_webhooks(),
    ],
    ids=["settings", "asettings", "delivery settings", "webhooks"],
)
def test_extra_without_object_is_reported(monkeypatch, connection, read):
    monkeypatch.setenv("AIRFLOW_CONN_USEDESK_DEFAULT", connection)
    with pytest.raises(UsedeskBadConnection, match="the extra must be a JSON object"):
        read(UsedeskHook())


@needs_any_extra
def test_extra_without_object_fails_the_test(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_USEDESK_DEFAULT", as_json(extra=["a"]))
    connected, message = UsedeskHook().test_connection()
    assert not connected
    assert "the extra must be a JSON object" in message


@pytest.mark.parametrize(
    "connection",
    [f"usedesk:///{TOKEN}", as_json(schema=TOKEN), as_json(), f"usedesk://:{TOKEN}@/{TOKEN}"],
    ids=["token as path", "token as schema", "JSON in an env file", "token twice"],
)
def test_misplaced_token_is_not_shown(monkeypatch, tmp_path, connection):
    # The backend reads each line of an .env file as a URI, JSON, too.
    path = tmp_path / "connections.env"
    path.write_text(f"mine={connection}\n")
    backend = LocalFilesystemBackend(connections_file_path=str(path))
    monkeypatch.setattr(UsedeskHook, "get_connection", backend.get_connection)
    connected, message = UsedeskHook(usedesk_conn_id="mine").test_connection()
    assert not connected
    assert "has no host, but a path" in message
    assert TOKEN not in message


def test_files_from_object_storage(usedesk, tmp_path):
    (tmp_path / "report.csv").write_bytes(b"a,b\n1,2\n")
    bodies = []

    def respond(request, context):
        bodies.append(request.body.read())
        return {"status": "success", "ticket_id": 1}

    usedesk.post(f"{URL}/create/ticket", json=respond)
    UsedeskHook().create_ticket(subject="s", message="m", files=f"file://{tmp_path}/report.csv")
    assert b'filename="report.csv"' in bodies[0]
    assert b"a,b\n1,2\n" in bodies[0]


class TestInterruptibleClient:
    @pytest.mark.parametrize(("max_wait", "expected"), [(30, 60), (90, 90)])
    def test_longer_max_wait_applies(self, monkeypatch, max_wait, expected):
        monkeypatch.setenv("AIRFLOW_CONN_USEDESK_DEFAULT", as_json(extra={"max_wait": 60}))
        client = UsedeskHook().interruptible_client(max_wait, sleep=lambda seconds: None)
        assert client.settings.max_wait == expected

    def test_sleep_can_end_a_wait(self, usedesk):
        usedesk.post(f"{URL}/create/ticket", exc=requests.ConnectTimeout)

        def interrupt(seconds):
            if seconds:
                raise InterruptedError

        client = UsedeskHook().interruptible_client(60, interrupt)
        with pytest.raises(InterruptedError):
            client.create_ticket(subject="s", message="m")
        assert usedesk.call_count == 1

    def test_sleep_is_called_before_each_change(self, usedesk):
        usedesk.post(f"{URL}/create/ticket", json={"status": "success", "ticket_id": 1})
        usedesk.post(f"{URL}/groups", json=[])
        calls = []
        client = UsedeskHook().interruptible_client(60, lambda seconds: calls.append(usedesk.call_count))
        client.groups()
        client.create_ticket(subject="s", message="m")
        client.create_ticket(subject="s", message="m")
        assert calls == [1, 2]


class TestConnectionTest:
    @pytest.mark.parametrize(
        ("response", "message"),
        [
            ({"json": [{"id": 1, "name": "Support"}]}, "connected, 1 group visible"),
            ({"json": [{"id": 1}, {"id": 2}]}, "connected, 2 groups visible"),
            ({"json": []}, "connected, 0 groups visible"),
        ],
    )
    def test_success_counts_groups(self, usedesk, response, message):
        usedesk.post(f"{URL}/groups", **response)
        assert UsedeskHook().test_connection() == (True, message)
        assert usedesk.last_request.json() == {"api_token": TOKEN}
        assert TOKEN not in usedesk.last_request.url

    @pytest.mark.parametrize(
        ("response", "reason"),
        [
            ({"json": {"code": 112, "error": f"invalid token {TOKEN}"}}, "API token"),
            ({"status_code": 404, "text": "<html>"}, "no Usedesk API at this URL"),
            ({"text": "<html>Login"}, "an HTML page"),
            ({"status_code": 429}, "too many requests"),
            ({"exc": requests.ConnectTimeout}, "help.example: no connection within the connect timeout"),
        ],
    )
    def test_failure_names_reason(self, usedesk, response, reason):
        usedesk.post(f"{URL}/groups", **response)
        connected, message = UsedeskHook().test_connection()
        assert not connected
        assert reason in message
        assert TOKEN not in message
        assert usedesk.call_count == 1

    def test_incomplete_connection_is_reported(self, monkeypatch):
        monkeypatch.setenv(
            "AIRFLOW_CONN_USEDESK_DEFAULT", json.dumps({"conn_type": "usedesk", "host": "ftp://x"})
        )
        connected, message = UsedeskHook().test_connection()
        assert not connected
        assert "API token is empty" in message
        assert "has another scheme than http and https" in message

    @pytest.mark.parametrize(
        ("response", "result"),
        [
            ([], "connected, 0 groups visible"),
            ({"error": "invalid token", "code": 112}, "invalid token (code 112). Check the API token"),
        ],
    )
    def test_ignored_field_is_reported(self, usedesk, monkeypatch, response, result):
        """A failure may come from the misspelt field."""
        value = as_json(host=URL, extra={"time_out": 5})
        monkeypatch.setenv("AIRFLOW_CONN_USEDESK_DEFAULT", value)
        usedesk.post(f"{URL}/groups", json=response)
        connected, message = UsedeskHook().test_connection()
        assert connected == (response == [])
        ignored = "fields of the extra that are ignored: time_out (is timeout meant?)"
        assert message.endswith(f"{result}; {ignored}")
