"""How to reach one Usedesk: read from what a person typed, checked before anything is sent."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_usedesk.api.errors import UsedeskBadConnection
from airflow_provider_usedesk.api.rate_limiter import RateLimitStore
from airflow_provider_usedesk.api.values import flag

DEFAULT_BASE_URL = "https://secure.usedesk.com/uapi"
HOST = r"\w([\w-]*\w)?(\.\w([\w-]*\w)?)*\.?|[0-9a-f:.]*:[0-9a-f:.]*"


@dataclass(frozen=True)
class Settings:
    """
    Hold all that a client needs to know.

    :param token: API token of an API channel; never shown
    :param base_url: address of the API with its path
    :param timeout: seconds to wait for an answer
    :param connect_timeout: seconds to wait for a connection
    :param max_wait: seconds that one call may wait in all before it repeats what is safe to repeat
    :param requests_per_minute: pace of all requests with this token; None for no limit of our own
    :param verify: whether to check the TLS certificate, or the path of a CA file or folder
    :param proxy: URL of a proxy; None for what the environment says
    :param web_url: where people open tickets; None where it is not known
    :param user_agent: names the program that uses the client
    :param redis_conn_id: Airflow Connection of the Redis through which all workers keep one pace
    :param rate_limit_store: where the pace is remembered; None for the memory of the process
    """

    token: str = field(repr=False)
    base_url: str = DEFAULT_BASE_URL
    timeout: float = 60.0
    connect_timeout: float = 10.0
    max_wait: float = 120.0
    requests_per_minute: float | None = None
    verify: bool | str = True
    proxy: str | None = field(default=None, repr=False)
    web_url: str | None = None
    user_agent: str = ""
    redis_conn_id: str | None = None
    rate_limit_store: RateLimitStore | None = field(default=None, repr=False)

    def ticket_url(self, ticket_id: int) -> str | None:
        """Return where people open a ticket, if that is known."""
        return None if self.web_url is None else f"{self.web_url}/tickets/{ticket_id}"


def read_settings(
    *,
    token: str | None,
    host: str | None = None,
    schema: str | None = None,
    port: int | None = None,
    extra: Mapping[str, Any] | None = None,
    user_agent: str = "",
) -> Settings:
    """
    Read settings from the parts of a connection.

    :param token: API token
    :param host: whole URL, or host with or without port and path; empty for the default
    :param schema: ``http`` or ``https``, or the path, where a connection URI has its path
    :param port: port, where the host does not have it
    :param extra: the other settings by name
    :param user_agent: names the program that uses the client
    :raises UsedeskBadConnection: naming every part that is wrong
    """
    reader = _Reader(extra or {})
    if not token or not token.strip():
        reader.validation_errors.append("the password is empty: it must hold the API token of an API channel")
    address = reader.read(lambda: base_url(host, schema, port), DEFAULT_BASE_URL)
    settings = Settings(
        token=(token or "").strip(),
        base_url=address,
        timeout=reader.number("timeout", Settings.timeout),
        connect_timeout=reader.number("connect_timeout", Settings.connect_timeout),
        max_wait=reader.number("max_wait", Settings.max_wait, least=0),
        requests_per_minute=reader.number("requests_per_minute", None),
        verify=reader.option("verify", _verify, True),
        proxy=reader.option("proxy", _proxy, None),
        web_url=reader.option("web_url", _web_url, web_url(address)),
        user_agent=user_agent,
        redis_conn_id=reader.option("redis_conn_id", _conn_id, None),
    )
    reader.raise_any()
    return settings


def base_url(host: str | None = None, schema: str | None = None, port: int | None = None) -> str:
    """
    Put the address of the API together from the parts of a connection.

    :param host: a whole URL, or a host with or without port and path; empty for the default
    :param schema: ``http`` or ``https``, or the path, where a connection URI has its path
    :raises ValueError: saying what was understood and what is expected
    """
    host, schema = (host or "").strip(), (schema or "").strip().strip("/")
    schema = schema.lower() if schema.lower() in ("http", "https") else schema
    if not host and not port:
        if schema in ("", "http", "https"):
            return DEFAULT_BASE_URL
        raise ValueError(_wrong_address("no host", f"path /{schema}"))
    scheme, path = (schema, "") if schema in ("http", "https") else ("https", schema)
    address = host if "://" in host else f"{scheme}://{host}"
    try:
        parts = urlsplit(address)
        written_port = parts.port
    except ValueError:
        raise ValueError(_wrong_address("an address that is not a URL")) from None
    understood = (f"scheme {parts.scheme}", f"host {parts.hostname or 'none'}")
    if parts.scheme not in ("http", "https") or not _is_host(parts.hostname):
        raise ValueError(_wrong_address(*understood))
    if parts.netloc.endswith(":") or not 0 <= (port or 0) <= 65535:
        raise ValueError(_wrong_address(*understood, "a port that is none"))
    if "@" in parts.netloc or parts.query or parts.fragment or re.search(r"[\s\\]|//", parts.path):
        raise ValueError(_wrong_address(*understood, "and more that does not belong to a base URL"))
    name = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
    number = written_port or port
    whole_path = "/".join(part for part in (parts.path.strip("/"), path) if part)
    return f"{parts.scheme}://{name}{f':{number}' if number else ''}{f'/{whole_path}' if whole_path else ''}"


def web_url(address: str) -> str | None:
    """
    Derive from the base URL of the API where people open tickets; own editions do not tell it.

    :param address: base URL of the API
    """
    host = urlsplit(address).hostname or ""
    for domain in ("usedesk.com", "usedesk.ru"):
        if host == domain or host.endswith(f".{domain}"):
            return f"https://secure.{domain}"
    return None


class _Reader:
    """Read options one by one and collect what is wrong with them."""

    def __init__(self, extra: Mapping[str, Any]) -> None:
        self._extra = extra
        self.validation_errors: list[str] = []

    def read(self, make: Callable[[], Any], default: Any) -> Any:
        try:
            return make()
        except ValueError as error:
            self.validation_errors.append(str(error))
            return default

    def option(self, name: str, parse: Callable[[Any], Any], default: Any) -> Any:
        value = self._extra.get(name)
        if value is None or value == "":
            return default
        return self.read(lambda: parse(value), default)

    def number(self, name: str, default: float | None, least: float | None = None) -> Any:
        return self.option(name, lambda value: _number(name, value, least), default)

    def raise_any(self) -> None:
        if self.validation_errors:
            raise UsedeskBadConnection(
                f"The Usedesk connection is not complete: {'; '.join(self.validation_errors)}."
            )


def _is_host(name: str | None) -> bool:
    return bool(name) and re.fullmatch(HOST, str(name)) is not None


def _wrong_address(*understood: str) -> str:
    return (
        f"the host was understood as {', '.join(understood)}; expected is the base URL of the API, such as "
        f"{DEFAULT_BASE_URL}, https://api.usedesk.ru or your own host with its path"
    )


def _number(name: str, value: Any, least: float | None) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number) or not (number > 0 or number == least):
        raise ValueError(f"{name} must be a number {'from' if least == 0 else 'greater than'} 0")
    return number


def _verify(value: Any) -> bool | str:
    try:
        return flag(value)
    except ValueError:
        if isinstance(value, str) and Path(value).exists():
            return value
        raise ValueError("verify must be true, false, or the path of a CA file that exists") from None


def _proxy(value: Any) -> str:
    address = str(value).strip()
    if not re.match(r"(https?|socks[45]h?)://[^\s/]+", address):
        raise ValueError("proxy must be a URL, such as http://proxy.example:3128")
    return address


def _web_url(value: Any) -> str:
    address = str(value).strip().rstrip("/")
    try:
        parts = urlsplit(address)
        is_address = parts.scheme in ("http", "https") and _is_host(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address or "@" in parts.netloc or re.search(r"[\s\\?#]", address):
        raise ValueError(
            "web_url must be the address where people open tickets, such as https://secure.usedesk.com"
        )
    return address


def _conn_id(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[\w#!().:/\\-]+", value.strip()):
        raise ValueError("redis_conn_id must be the id of an Airflow Connection of type redis")
    return value.strip()
