"""Settings from an Airflow connection: its URL in every form, and errors with the labels of the form."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from airflow_provider_usedesk.api.errors import UsedeskBadConnection
from airflow_provider_usedesk.hooks.connection import (
    base_url_of,
    field_labels,
    redis_conn_id,
    settings_of,
)

DEFAULT = "https://secure.usedesk.com/uapi"


def connection(host=None, schema=None, port=None, password="token"):
    return SimpleNamespace(host=host, schema=schema, port=port, password=password)


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
    with pytest.raises(ValueError, match="no host, path /uapi"):
        base_url_of(connection(schema="uapi"))


def test_port_needs_a_host():
    with pytest.raises(ValueError, match="host none"):
        base_url_of(connection(schema="https", port=8443))


def test_error_names_labels_of_fields():
    extra = {
        "timeout": "soon",
        "connect_timeout": 0,
        "max_wait": -1,
        "requests_per_minute": True,
        "verify": "/no/such/file",
        "proxy": "proxy:pa55",
        "web_url": "help.example",
        "redis_conn_id": "redis default",
    }
    with pytest.raises(UsedeskBadConnection) as raised:
        settings_of(connection("ftp://x", password=" "), extra)
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
