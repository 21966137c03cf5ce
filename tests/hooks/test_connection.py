"""Settings from an Airflow connection: its URL in every form, and errors with the labels of the form."""

from __future__ import annotations

import json
import logging

import pytest

from airflow_provider_usedesk.api.errors import UsedeskBadConnection
from airflow_provider_usedesk.compat.connection import extra_of
from airflow_provider_usedesk.compat.sdk import Connection
from airflow_provider_usedesk.hooks.connection import (
    base_url_of,
    field_labels,
    ignored_fields,
    read_settings_of,
    redis_conn_id,
)

DEFAULT = "https://secure.usedesk.com/uapi"


def connection(host=None, schema=None, port=None, password="token", extra=None, conn_id="mine"):
    return Connection(
        conn_id=conn_id,
        conn_type="usedesk",
        host=host,
        schema=schema,
        port=port,
        password=password,
        extra=extra if extra is None or isinstance(extra, str) else json.dumps(extra),
    )


@pytest.mark.parametrize(
    ("host", "schema", "port", "expected"),
    [
        (None, None, None, DEFAULT),
        ("", "", None, DEFAULT),
        ("", "https", None, DEFAULT),
        ("https://secure.usedesk.com/uapi/", None, None, DEFAULT),
        ("secure.usedesk.com/uapi", None, None, DEFAULT),
        ("secure.usedesk.com", "uapi", None, DEFAULT),
        ("https://api.usedesk.ru", None, None, "https://api.usedesk.ru"),
        ("https://api.usedesk.ru/", None, None, "https://api.usedesk.ru"),
        ("api.usedesk.ru", None, None, "https://api.usedesk.ru"),
        ("https://secure.usedesk.ru/uapi", None, None, "https://secure.usedesk.ru/uapi"),
        ("help.example:8443", None, None, "https://help.example:8443"),
        ("help.example", "a/b", 8443, "https://help.example:8443/a/b"),
        ("help.example", "https", 8443, "https://help.example:8443"),
        ("http://help.example/x/y/", None, None, "http://help.example/x/y"),
        ("help.example", "http", 8080, "http://help.example:8080"),
        ("http://127.0.0.1:8765/uapi", None, None, "http://127.0.0.1:8765/uapi"),
        ("https://[::1]:8443/uapi", None, None, "https://[::1]:8443/uapi"),
        ("HTTPS://Help.Example", None, None, "https://help.example"),
        ("help.example", "HTTP", None, "http://help.example"),
        ("help.example", "https/", 8443, "https://help.example:8443"),
        (" https://api.usedesk.ru ", None, None, "https://api.usedesk.ru"),
    ],
)
def test_base_url_of_connection(host, schema, port, expected):
    assert base_url_of(connection(host, schema, port)) == expected


def test_path_needs_a_host():
    with pytest.raises(ValueError, match="has no host, but a path"):
        base_url_of(connection(schema="uapi"))


def test_port_needs_a_host():
    with pytest.raises(ValueError, match="has no host"):
        base_url_of(connection(schema="https", port=8443))


def test_error_names_labels_of_fields():
    extra = {
        "timeout": "soon",
        "connect_timeout": 0,
        "max_wait": -1,
        "requests_per_minute": True,
        "rate_limit_scope": "machine",
        "verify": "/no/such/file",
        "proxy": "proxy:pa55",
        "web_url": "help.example",
        "redis_conn_id": "redis default",
    }
    with pytest.raises(UsedeskBadConnection) as raised:
        read_settings_of(connection("ftp://x", password=" ", extra=extra))
    labels = field_labels()
    for name in ("token", "base_url", *extra):
        assert labels[name] in str(raised.value)
    assert "pa55" not in str(raised.value)


def test_labels_match_form():
    labels = field_labels()
    assert (labels["token"], labels["base_url"]) == ("API token", "API base URL")
    assert labels["max_wait"] == "Longest wait (seconds)"


@pytest.mark.parametrize(("given", "expected"), [(" redis_id ", "redis_id"), ("", None), (None, None)])
def test_redis_conn_id_is_optional(given, expected):
    assert redis_conn_id({"redis_conn_id": given}) == expected


class TestExtra:
    @pytest.mark.parametrize("extra", ['["a"]', '"text"', "7", "{", "not JSON"])
    def test_extra_must_be_an_object(self, extra):
        with pytest.raises(UsedeskBadConnection, match="the extra must be a JSON object"):
            read_settings_of(connection(extra=extra))

    def test_twice_encoded_extra_is_named(self):
        with pytest.raises(ValueError, match="it may be encoded twice"):
            extra_of(connection(extra=json.dumps(json.dumps({"timeout": 5}))))

    @pytest.mark.parametrize("extra", [None, "", "{}", " {} "])
    def test_empty_extra_has_no_fields(self, extra):
        assert extra_of(connection(extra=extra)) == {}


class TestIgnoredFields:
    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("time_out", "time_out (is timeout meant?)"),
            ("verfy", "verfy (is verify meant?)"),
            ("Timeout", "Timeout (is timeout meant?)"),
            ("extra__usedesk__timeout", "extra__usedesk__timeout (is timeout meant?)"),
            ("api_token", "api_token (is the field API token meant?)"),
            ("base-url", "a name that is not shown here"),
            ("feedface0123", "a name that is not shown here"),
            ("team", "team"),
        ],
    )
    def test_nearest_name_is_given(self, name, text):
        [ignored] = ignored_fields({name: 1, "timeout": 5, "_remark": "ours"}, field_labels())
        assert ignored.startswith(text)
        assert "0123" not in ignored

    def test_warning_appears_once_for_a_connection(self, caplog):
        with caplog.at_level(logging.WARNING, "airflow_provider_usedesk"):
            for conn_id in ("first", "first", "second"):
                read_settings_of(connection(extra={"time_out": 5}, conn_id=conn_id))
        found = [record.getMessage() for record in caplog.records if "time_out" in record.getMessage()]
        assert ["first" in text for text in found] == [True, False]
