"""The settings of a client: their forms, and their validation errors."""

from __future__ import annotations

import pytest

from airflow_provider_usedesk.api.errors import UsedeskBadConnection
from airflow_provider_usedesk.api.settings import Settings, base_url, read_settings

DEFAULT = "https://secure.usedesk.com/uapi"


@pytest.mark.parametrize(
    ("address", "port", "path", "expected"),
    [
        ("", None, "", DEFAULT),
        ("https://secure.usedesk.com/uapi/", None, "", DEFAULT),
        ("secure.usedesk.com/uapi", None, "", DEFAULT),
        ("secure.usedesk.com", None, "uapi", DEFAULT),
        ("https://api.usedesk.ru/", None, "", "https://api.usedesk.ru"),
        ("help.example:8443", None, "", "https://help.example:8443"),
        ("help.example", 8443, "/a/b", "https://help.example:8443/a/b"),
        ("http://help.example/x", None, "y/", "http://help.example/x/y"),
        ("https://[::1]:8443/uapi", None, "", "https://[::1]:8443/uapi"),
        (" HTTPS://Help.Example ", None, "", "https://help.example"),
    ],
)
def test_base_url_from_parts(address, port, path, expected):
    assert base_url(address, port=port, path=path) == expected


@pytest.mark.parametrize(
    "address",
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
        "pa55://x",
        "help pa55",
        '"conn_type": "usedesk", "password": "pa55"}',
    ],
)
def test_wrong_address_names_expected_form(address):
    with pytest.raises(
        ValueError, match="(has|is) .*it must be the URL of the API, .*https://secure.usedesk.com/uapi"
    ) as raised:
        base_url(address)
    assert "pa55" not in str(raised.value)


@pytest.mark.parametrize("port", [-5, 999_999])
def test_wrong_port_is_refused(port):
    with pytest.raises(ValueError, match="port"):
        base_url("help.example", port=port)


def test_path_needs_a_host():
    with pytest.raises(ValueError, match="has no host, but a path") as raised:
        base_url(path="pa55")
    assert "pa55" not in str(raised.value)


def test_token_is_not_a_part_of_the_url():
    token = "0123456789ABCDEF0123"
    with pytest.raises(UsedeskBadConnection, match="base_url contains the token") as raised:
        read_settings(token, f"https://help.example/{token}")
    assert token not in str(raised.value)
    assert read_settings("uapi", "https://help.example/uapi").token == "uapi"


def test_defaults_apply():
    settings = read_settings("t")
    assert settings.base_url == DEFAULT
    assert (settings.timeout, settings.connect_timeout, settings.max_wait) == (60, 10, 120)
    assert (settings.verify, settings.proxy, settings.requests_per_minute) == (True, None, None)


def test_options_accept_text_or_numbers(tmp_path):
    ca_file = tmp_path / "ca.pem"
    ca_file.touch()
    settings = read_settings(
        " t ",
        timeout="5",
        connect_timeout=2.5,
        max_wait=0,
        requests_per_minute="150",
        verify=str(ca_file),
        proxy="http://proxy.example:3128",
        web_url="https://help.example",
    )
    assert (settings.token, settings.timeout, settings.connect_timeout, settings.max_wait) == ("t", 5, 2.5, 0)
    assert (settings.requests_per_minute, settings.verify) == (150, str(ca_file))
    assert settings.proxy == "http://proxy.example:3128"
    for written, meant in (("false", False), (False, False), ("True", True), ("", True), (None, True)):
        assert read_settings("t", verify=written).verify is meant


def test_error_names_all_settings():
    options = {
        "timeout": "soon",
        "connect_timeout": 0,
        "max_wait": -1,
        "requests_per_minute": True,
        "rate_limit_scope": "machine",
        "verify": "/no/such/file",
        "proxy": "proxy:pa55",
    }
    with pytest.raises(UsedeskBadConnection) as raised:
        read_settings(" ", "ftp://x", **options)
    for name in ("token", "base_url", *options):
        assert name in str(raised.value)
    assert "pa55" not in str(raised.value)


def test_repr_has_no_token():
    settings = read_settings("pa55", proxy="http://me:pa55@proxy.example")
    assert "pa55" not in repr(settings)


class TestWebUrl:
    """The URL at which agents open tickets."""

    @pytest.mark.parametrize(
        ("address", "expected"),
        [
            ("", "https://secure.usedesk.com"),
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
    def test_address_implies_web_url(self, address, expected):
        assert read_settings("t", address).web_url == expected

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
    def test_option_overrides_address(self, written, expected):
        settings = read_settings("t", "https://api.usedesk.ru", web_url=written)
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
    def test_wrong_web_url_is_refused(self, written):
        with pytest.raises(UsedeskBadConnection, match="web_url must be the URL") as raised:
            read_settings("t", web_url=written)
        assert "pa55" not in str(raised.value)

    def test_ticket_url(self):
        assert read_settings("t").ticket_url(77) == "https://secure.usedesk.com/tickets/77"
        own = read_settings("t", "https://help.example", web_url="https://help.example/a/")
        assert own.ticket_url(77) == "https://help.example/a/tickets/77"
        assert Settings(token="t").ticket_url(77) is None
        assert read_settings("t", "https://help.example").ticket_url(77) is None
