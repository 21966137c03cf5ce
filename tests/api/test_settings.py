"""The address and the options of a connection: every way to write them, and clear words for wrong ones."""

from __future__ import annotations

import pytest

from airflow_provider_usedesk.api.errors import UsedeskBadConnection
from airflow_provider_usedesk.api.settings import Settings, base_url, read_settings

DEFAULT = "https://secure.usedesk.com/uapi"


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
        (" https://api.usedesk.ru ", None, None, "https://api.usedesk.ru"),
    ],
)
def test_base_url(host, schema, port, expected):
    assert base_url(host, schema, port) == expected


@pytest.mark.parametrize(
    "host",
    [
        "ftp://help.example",
        "https://",
        "https:///uapi",
        "https://user:pa55@help.example",
        "https://help.example?api_token=pa55",
        "https://help.example#x",
        "https://help.example:port",
        "help example",
        "https://help.example/a b",
        "http://[::1",
        "https://https://secure.usedesk.com/uapi",
        "https:/secure.usedesk.com",
        "a..b",
        "-",
        ".",
    ],
)
def test_a_wrong_address_says_what_was_understood_and_expected(host):
    with pytest.raises(
        ValueError, match="understood as .*expected is .*https://secure.usedesk.com/uapi"
    ) as raised:
        base_url(host)
    assert "pa55" not in str(raised.value)


@pytest.mark.parametrize("port", [-5, 999_999])
def test_a_wrong_port(port):
    with pytest.raises(ValueError, match="port"):
        base_url("help.example", None, port)


def test_a_path_without_a_host_is_wrong():
    with pytest.raises(ValueError, match="no host, path /uapi"):
        base_url(None, "uapi")


def test_defaults_always_apply():
    settings = read_settings(token="t")
    assert settings.base_url == DEFAULT
    assert (settings.timeout, settings.connect_timeout, settings.max_wait) == (60, 10, 120)
    assert (settings.verify, settings.proxy, settings.requests_per_minute) == (True, None, None)


def test_options_as_a_form_or_json_gives_them(tmp_path):
    ca_file = tmp_path / "ca.pem"
    ca_file.touch()
    settings = read_settings(
        token=" t ",
        extra={
            "timeout": "5",
            "connect_timeout": 2.5,
            "max_wait": 0,
            "requests_per_minute": "150",
            "verify": str(ca_file),
            "proxy": "http://proxy.example:3128",
            "web_url": "https://help.example",
            "redis_conn_id": " redis_default ",
        },
    )
    assert settings.redis_conn_id == "redis_default"
    assert (settings.token, settings.timeout, settings.connect_timeout, settings.max_wait) == ("t", 5, 2.5, 0)
    assert (settings.requests_per_minute, settings.verify) == (150, str(ca_file))
    assert settings.proxy == "http://proxy.example:3128"
    for written, meant in (("false", False), (False, False), ("True", True), ("", True), (None, True)):
        assert read_settings(token="t", extra={"verify": written}).verify is meant


def test_everything_wrong_is_named_at_once():
    extra = {
        "timeout": "soon",
        "connect_timeout": 0,
        "max_wait": -1,
        "requests_per_minute": True,
        "verify": "/no/such/file",
        "proxy": "proxy:pa55",
        "redis_conn_id": "redis default",
    }
    with pytest.raises(UsedeskBadConnection) as raised:
        read_settings(token=" ", host="ftp://x", extra=extra)
    for name in ("password", "host", *extra):
        assert name in str(raised.value)
    assert "pa55" not in str(raised.value)


def test_the_token_is_not_in_the_repr():
    settings = read_settings(token="pa55", extra={"proxy": "http://me:pa55@proxy.example"})
    assert "pa55" not in repr(settings)


class TestWebUrl:
    """Where people open tickets."""

    @pytest.mark.parametrize(
        ("host", "expected"),
        [
            (None, "https://secure.usedesk.com"),
            ("https://secure.usedesk.com/uapi", "https://secure.usedesk.com"),
            ("https://api.usedesk.ru", "https://secure.usedesk.ru"),
            ("https://secure.usedesk.ru/uapi", "https://secure.usedesk.ru"),
            ("HTTPS://API.Usedesk.ru", "https://secure.usedesk.ru"),
            ("usedesk.com", "https://secure.usedesk.com"),
            ("https://help.example/uapi", None),
            ("https://notusedesk.com", None),
            ("https://usedesk.com.example", None),
            ("https://api-usedesk.example", None),
            ("http://127.0.0.1:8765/uapi", None),
        ],
    )
    def test_follows_from_the_address_where_that_tells_it(self, host, expected):
        assert read_settings(token="t", host=host).web_url == expected

    @pytest.mark.parametrize(
        ("written", "expected"),
        [
            ("https://help.example", "https://help.example"),
            (" https://help.example/ ", "https://help.example"),
            ("https://help.example/agents//", "https://help.example/agents"),
            ("http://help.example:8443/a", "http://help.example:8443/a"),
            ("", "https://secure.usedesk.ru"),
            (None, "https://secure.usedesk.ru"),
        ],
    )
    def test_the_extra_comes_first(self, written, expected):
        settings = read_settings(token="t", host="https://api.usedesk.ru", extra={"web_url": written})
        assert settings.web_url == expected

    @pytest.mark.parametrize(
        "written",
        [
            "javascript:alert(1)",
            "javascript://help.example/%0aalert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "help.example",
            "//help.example",
            "https://",
            "https://me:pa55@help.example",
            "https://pa55@help.example",
            "https://help.example?token=pa55",
            "https://help.example#pa55",
            "https://help.example/a b",
            "https://help.example\\@pa55",
            "https://help.example:port",
            "https://[::1",
            "https://a..b",
            "https://help.example\njavascript:alert(1)",
            5,
            True,
            ["https://help.example"],
        ],
    )
    def test_refused(self, written):
        with pytest.raises(UsedeskBadConnection, match="web_url must be the address") as raised:
            read_settings(token="t", extra={"web_url": written})
        assert "pa55" not in str(raised.value)

    def test_of_a_ticket(self):
        assert read_settings(token="t").ticket_url(77) == "https://secure.usedesk.com/tickets/77"
        own = read_settings(
            token="t", host="https://help.example", extra={"web_url": "https://help.example/a/"}
        )
        assert own.ticket_url(77) == "https://help.example/a/tickets/77"
        assert Settings(token="t").ticket_url(77) is None
        assert read_settings(token="t", host="https://help.example").ticket_url(77) is None
