"""Errors of requests without a response: whether the request may have reached Usedesk."""

from __future__ import annotations

import errno
import http.client
import re
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

import requests
from urllib3.exceptions import (
    ConnectTimeoutError,
    IncompleteRead,
    NewConnectionError,
    TimeoutError as UrllibTimeout,
)

from airflow_provider_usedesk.api import errors
from airflow_provider_usedesk.api.attachments import UploadError
from airflow_provider_usedesk.api.connections import Phase


@dataclass(frozen=True)
class Route:
    """
    How requests reach the service.

    :param host: host of the API base URL, with its port if the URL has one
    :param has_tls: whether the API base URL begins with https
    :param proxy: host and port of the proxy, if there is one
    :param ca_file: CA file or folder that replaces the default one for TLS
    """

    host: str = ""
    has_tls: bool = False
    proxy: str | None = None
    ca_file: str | None = None


class ResponseTooLarge(requests.RequestException):
    """
    A response is too large to be read.

    :param limit: bytes that are read
    """

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit


def error_without_response(
    exc: Exception, sending: bool, phase: Phase = Phase.UNKNOWN, route: Route | None = None
) -> errors.UsedeskError:
    """
    Return the error for an exception of the HTTP library.

    :param exc: exception that requests raised
    :param sending: whether the request changes something in Usedesk, so that a blind retry is not safe
    :param phase: how far the request came
    :param route: how it was to reach the service
    """
    if phase is not Phase.SENDING and isinstance(exc, ValueError):
        return errors.UsedeskBadConnection(
            f"The API base URL or the proxy cannot be used ({type(_root(exc)).__name__}). Nothing was sent."
        )
    if phase is Phase.CONNECTING or (phase is Phase.UNKNOWN and _never_connected(exc)):
        return _error_before_sending(exc, route or Route())
    what = f"Usedesk did not respond ({plain_reason(exc)})"
    if isinstance(_root(exc), UploadError):
        what = f"The upload to Usedesk broke off: {plain_reason(exc)}"
    if isinstance(exc, ResponseTooLarge):
        what = f"The response of Usedesk is longer than {exc.limit // 1_000_000} MB"
    if not sending:
        return errors.UsedeskUnavailable(f"{what}. The request can be repeated.")
    return errors.UsedeskOutcomeUnknown(
        f"{what}. The request may have been carried out: look in Usedesk before you send it again."
    )


def _error_before_sending(exc: Exception, route: Route) -> errors.UsedeskError:
    reason = _ca_file_reason(route.ca_file) or _tunnel_reason(exc, route) or _tls_reason(exc, route)
    if reason:
        return errors.UsedeskBadConnection(reason)
    is_proxy = isinstance(exc, requests.exceptions.ProxyError) and route.proxy
    target = f"the proxy {route.proxy}" if is_proxy else route.host or "Usedesk"
    has_closed = route.has_tls and not route.proxy and isinstance(_root(exc), _CLOSED)
    hint = f" {WITHOUT_TLS}" if has_closed else ""
    return errors.UsedeskUnavailable(
        f"No connection to {target}: {plain_reason(exc)}. Nothing was sent.{hint}"
    )


def plain_reason(exc: BaseException) -> str:
    """Return why a request has no response, without names and values of the HTTP library."""
    root = _root(exc)
    cause = root
    if isinstance(root, UploadError):
        return str(root)
    if isinstance(root, NewConnectionError):
        cause = root.__cause__ or root.__context__ or root
    if isinstance(cause, socket.gaierror):
        is_temporary = cause.errno == socket.EAI_AGAIN
        return "the name server does not respond" if is_temporary else "host name not found"
    if isinstance(cause, OSError) and cause.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return "network not reachable"
    tunnel = _TUNNEL.match(str(cause))
    if tunnel:
        return f"the proxy responded with HTTP {tunnel[1]}"
    known = (reason for classes, reason in _REASONS if isinstance(cause, classes))
    return next(known, type(cause).__name__)


_CLOSED = (
    ConnectionResetError,
    ConnectionAbortedError,
    BrokenPipeError,
    http.client.RemoteDisconnected,
    http.client.IncompleteRead,
    IncompleteRead,
    ssl.SSLEOFError,
    ssl.SSLZeroReturnError,
)
_REASONS: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((ConnectionRefusedError,), "connection refused"),
    (_CLOSED, "the other side closed the connection"),
    ((ConnectTimeoutError, requests.ConnectTimeout), "no connection within the connect timeout"),
    ((TimeoutError, UrllibTimeout, requests.Timeout), "no complete response in time"),
)
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")
WITHOUT_TLS = "If the server has no TLS, write http:// in the API base URL."


def _ca_file_reason(path: str | None) -> str | None:
    if path is None or Path(path).is_dir():
        return None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except FileNotFoundError:
        problem = "does not exist"
    except ssl.SSLError as error:
        problem = f"contains no certificates ({error.reason or type(error).__name__})"
    except OSError as error:
        problem = f"cannot be read ({type(error).__name__})"
    else:
        return None
    return (
        f"The CA file {path} {problem}. Nothing was sent. Check the TLS verification of the connection, "
        "REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE."
    )


_REFUSED_TUNNELS = {
    "403": "does not permit a connection to",
    "407": "wants a name and a password for a connection to",
}


def _tunnel_reason(exc: Exception, route: Route) -> str | None:
    found = _TUNNEL.match(str(_root(exc)))
    if not found or found[1] not in _REFUSED_TUNNELS:
        return None
    return (
        f"The proxy {route.proxy} {_REFUSED_TUNNELS[found[1]]} {route.host} (HTTP {found[1]}). Nothing was "
        "sent. Check the proxy."
    )


# The other side closed the connection, or has a passing problem: not a matter of the settings.
_PASSING_TLS_ERRORS = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
_PASSING_TLS_REASONS = ("UNEXPECTED_EOF_WHILE_READING", "TLSV1_ALERT_INTERNAL_ERROR")


# The other side responded to the TLS handshake with something else, such as a response in plain HTTP.
_NO_TLS_REASONS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE")


def _tls_reason(exc: Exception, route: Route) -> str | None:
    root = _root(exc)
    if not isinstance(root, ssl.SSLError) or isinstance(root, _PASSING_TLS_ERRORS):
        return None
    if root.reason in _PASSING_TLS_REASONS:
        return None
    if root.reason in _NO_TLS_REASONS:
        return f"{route.host or 'The server'} does not respond with TLS. Nothing was sent. {WITHOUT_TLS}"
    reason = getattr(root, "verify_message", "") or root.reason or type(root).__name__
    return (
        f"No secure connection to Usedesk ({reason}). Nothing was sent. Check the API base URL and the TLS "
        "verification."
    )


def _never_connected(exc: Exception) -> bool:
    root = _root(exc)
    # ProxyError alone proves nothing: urllib3 also raises it for a connection that broke later.
    return isinstance(exc, requests.ConnectTimeout) or isinstance(
        root, (NewConnectionError, ConnectTimeoutError, ssl.SSLCertVerificationError)
    )


def _root(exc: BaseException) -> BaseException:
    """Return the first cause of an exception, which requests and urllib3 wrap into others."""
    inner = getattr(exc, "reason", None)
    if not isinstance(inner, BaseException):
        inner = next((arg for arg in exc.args if isinstance(arg, BaseException)), None)
    return exc if inner is None else _root(inner)
