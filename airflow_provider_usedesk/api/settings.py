"""The settings of a client, checked before anything is sent."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from airflow_provider_usedesk.api.errors import UsedeskBadConnection
from airflow_provider_usedesk.api.hidden import HiddenText
from airflow_provider_usedesk.api.phone import region_code
from airflow_provider_usedesk.api.rate_limiter import RateLimitStore
from airflow_provider_usedesk.api.results import PrivateResult
from airflow_provider_usedesk.api.values import flag

DEFAULT_BASE_URL = "https://secure.usedesk.com/uapi"
RATE_LIMIT_SCOPES = ("token", "host")
# Characters of a token that is recognized in another field; a shorter one can be a part of any word.
MIN_RECOGNIZED = 16
HOST = r"\w([\w-]*\w)?(\.\w([\w-]*\w)?)*\.?|[0-9a-f:.]*:[0-9a-f:.]*"


@dataclass(frozen=True)
class Settings(PrivateResult):
    """
    The settings of one client.

    :param token: API token of an API channel; never shown
    :param base_url: URL of the API with its path
    :param timeout: seconds for a whole response, from the end of the request to the last byte
    :param connect_timeout: seconds to wait for a connection
    :param max_wait: seconds that all waits of one call together may take; 0 for no wait
    :param requests_per_minute: rate limit of all requests with this token; None for no limit until Usedesk
        refuses a request
    :param rate_limit_scope: what shares the rate limit: ``token`` for all requests with this URL and token,
        ``host`` for all requests to the host of this URL, with any token
    :param verify: whether to check the TLS certificate, or the path of a CA file or folder
    :param proxy: URL of a proxy; None for the proxy of the environment
    :param web_url: URL at which agents open tickets; None if it is not known
    :param phone_region: country of phone numbers without country code, two letters; None if all have one
    :param user_agent: name of the program that uses the client
    :param rate_limit_store: store of the rate limit; None for the memory of the process
    """

    token: str = field(repr=False)
    base_url: str = DEFAULT_BASE_URL
    timeout: float = 60.0
    connect_timeout: float = 10.0
    max_wait: float = 120.0
    requests_per_minute: float | None = None
    rate_limit_scope: str = "token"
    verify: bool | str = True
    proxy: str | None = field(default=None, repr=False)
    web_url: str | None = None
    phone_region: str | None = None
    user_agent: str = ""
    rate_limit_store: RateLimitStore | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        # Local variables of a traceback can contain them.
        object.__setattr__(self, "token", HiddenText(self.token))
        if self.proxy is not None:
            object.__setattr__(self, "proxy", HiddenText(self.proxy))

    @property
    def longest_request(self) -> float:
        """Seconds that a request takes at most, without its upload."""
        return self.connect_timeout + self.timeout

    def ticket_url(self, ticket_id: int) -> str | None:
        """Return the URL at which agents open a ticket; None if it is not known."""
        return None if self.web_url is None else f"{self.web_url}/tickets/{ticket_id}"


def read_settings(token: str, address: str = "", **options: Any) -> Settings:
    """
    Return checked settings.

    :param token: API token of an API channel
    :param address: URL of the API, or its host with or without port and path; default: that of Usedesk
    :param options: other settings by name; None or an empty text for the default
    :raises UsedeskBadConnection: naming every setting that is wrong
    """
    settings, reasons = checked_settings(token, lambda: base_url(address), options)
    if reasons:
        raise UsedeskBadConnection(f"The settings are not complete: {'; '.join(reasons)}.")
    return settings


def checked_settings(
    token: str | None,
    read_base_url: Callable[[], str],
    options: Mapping[str, Any],
    names: Mapping[str, str] | None = None,
    user_agent: str = "",
) -> tuple[Settings, list[str]]:
    """
    Check settings; return them, with the default in place of each wrong one, and what is wrong.

    :param token: API token of an API channel
    :param read_base_url: returns the URL of the API, or raises ValueError
    :param options: other settings by name; None or an empty text for the default
    :param names: how the reasons call the settings; default: by their own names
    :param user_agent: name of the program that uses the client
    """
    reader = OptionReader(options, names or {})
    if not token or not token.strip():
        reader.reject("token", "is empty: it must be the token of an API channel")
    address = reader.read("base_url", read_base_url, DEFAULT_BASE_URL)
    if token and len(token) >= MIN_RECOGNIZED and token.strip().lower() in address.lower():
        reader.reject("base_url", "contains the token, which belongs only in its own field")
    settings = Settings(
        token=(token or "").strip(),
        base_url=address,
        timeout=reader.number("timeout", Settings.timeout),
        connect_timeout=reader.number("connect_timeout", Settings.connect_timeout),
        max_wait=reader.number("max_wait", Settings.max_wait, least=0),
        requests_per_minute=reader.number("requests_per_minute", None),
        rate_limit_scope=reader.option("rate_limit_scope", _scope, Settings.rate_limit_scope),
        verify=reader.option("verify", _verify, True),
        proxy=reader.option("proxy", _proxy, None),
        web_url=reader.option("web_url", _web_url, web_url(address)),
        phone_region=reader.option("phone_region", region_code, None),
        user_agent=user_agent,
    )
    return settings, reader.reasons


def base_url(address: str = "", *, port: int | None = None, path: str = "") -> str:
    """
    Return the URL of the API from its parts.

    :param address: a whole URL, or a host with or without port and path; empty for the default URL
    :param port: port, if the address has none
    :param path: path, added to that of the address
    :raises ValueError: saying what is wrong and what is expected, without a part of the address: a token
        can be in the wrong field
    """
    address, path = address.strip(), path.strip().strip("/")
    if not address and not port:
        if not path:
            return DEFAULT_BASE_URL
        raise ValueError(_wrong_address("has no host, but a path"))
    try:
        parts = urlsplit(address if "://" in address else f"https://{address}")
        own_port = parts.port
    except ValueError:
        raise ValueError(_wrong_address("is not a URL")) from None
    reason = _reason_against(parts, port)
    if reason:
        raise ValueError(_wrong_address(reason))
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
    number = own_port or port
    whole_path = "/".join(part for part in (parts.path.strip("/"), path) if part)
    return f"{parts.scheme}://{host}{f':{number}' if number else ''}{f'/{whole_path}' if whole_path else ''}"


def web_url(address: str) -> str | None:
    """
    Return the URL at which agents open tickets; None for a server edition, whose URL does not tell it.

    :param address: URL of the API
    """
    host = urlsplit(address).hostname or ""
    for domain in ("usedesk.com", "usedesk.ru"):
        if host == domain or host.endswith(f".{domain}"):
            return f"https://secure.{domain}"
    return None


class OptionReader:
    """Read settings one by one and collect what is wrong with them."""

    def __init__(self, options: Mapping[str, Any], names: Mapping[str, str]) -> None:
        self._options = options
        self._names = names
        self.reasons: list[str] = []

    def reject(self, name: str, reason: str) -> None:
        self.reasons.append(f"{self._names.get(name, name)} {reason}")

    def read(self, name: str, make: Callable[[], Any], default: Any) -> Any:
        try:
            return make()
        except ValueError as error:
            self.reject(name, str(error))
            return default

    def option(self, name: str, parse: Callable[[Any], Any], default: Any) -> Any:
        value = self._options.get(name)
        if value is None or value == "":
            return default
        return self.read(name, lambda: parse(value), default)

    def number(self, name: str, default: float | None, least: float | None = None) -> Any:
        return self.option(name, lambda value: _number(value, least), default)


def _is_host(name: str | None) -> bool:
    return bool(name) and re.fullmatch(HOST, str(name)) is not None


def _reason_against(parts: SplitResult, port: int | None) -> str | None:
    if not parts.hostname:
        return "has no host"
    if parts.scheme not in ("http", "https"):
        return "has another scheme than http and https"
    if not _is_host(parts.hostname):
        return "has a host that is not a host name"
    if parts.netloc.endswith(":") or not 0 <= (port or 0) <= 65535:
        return "has an invalid port"
    if "@" in parts.netloc:
        return "has a user name or a password before the host"
    if parts.query or parts.fragment or re.search(r"[\s\\]|//", parts.path):
        return "has more than scheme, host, port and path"
    return None


def _wrong_address(reason: str) -> str:
    return (
        f"{reason}; it must be the URL of the API, such as {DEFAULT_BASE_URL}, https://api.usedesk.ru or "
        "your own host with its path"
    )


def _number(value: Any, least: float | None) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number) or not (number > 0 or number == least):
        raise ValueError(f"must be a number {'from' if least == 0 else 'greater than'} 0")
    return number


def _scope(value: Any) -> str:
    scope = str(value).strip().lower()
    if scope not in RATE_LIMIT_SCOPES:
        raise ValueError(f"must be {' or '.join(RATE_LIMIT_SCOPES)}")
    return scope


def _verify(value: Any) -> bool | str:
    try:
        return flag(value)
    except ValueError:
        if isinstance(value, str) and Path(value).exists():
            return value
        missing = f"; there is no {value}" if isinstance(value, str) else ""
        raise ValueError(f"must be true, false, or the path of a CA file that exists{missing}") from None


def _proxy(value: Any) -> str:
    address = str(value).strip()
    if not re.match(r"(https?|socks[45]h?)://[^\s/]+", address):
        raise ValueError("must be a URL, such as http://proxy.example:3128")
    return address


def _web_url(value: Any) -> str:
    address = str(value).strip().rstrip("/")
    try:
        parts = urlsplit(address)
        is_address = parts.scheme in ("http", "https") and _is_host(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address or "@" in parts.netloc or re.search(r"[\s\\?#]", address):
        raise ValueError("must be the URL at which agents open tickets, such as https://secure.usedesk.com")
    return address
