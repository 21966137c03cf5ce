"""Errors of requests without a response: whether the request may have reached Usedesk."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from pathlib import Path

import requests
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from airflow_provider_usedesk.api import errors
from airflow_provider_usedesk.api.connections import Phase


@dataclass(frozen=True)
class Route:
    """
    How requests reach the service.

    :param host: host of the API base URL
    :param proxy: host and port of the proxy, if there is one
    :param ca_file: CA file or folder that replaces the default one for TLS
    """

    host: str = ""
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
            f"The API base URL or the proxy cannot be used ({_kind(exc)}). Nothing was sent."
        )
    if phase is Phase.CONNECTING or (phase is Phase.UNKNOWN and _never_connected(exc)):
        return _error_before_sending(exc, route or Route())
    what = f"Usedesk did not respond ({_kind(exc)})"
    if isinstance(exc, ResponseTooLarge):
        what = f"The response of Usedesk is longer than {exc.limit // 1_000_000} MB"
    if not sending:
        return errors.UsedeskUnavailable(f"{what}. The request can be repeated.")
    return errors.UsedeskOutcomeUnknown(
        f"{what}. The request may have been carried out: look in Usedesk before you send it again."
    )


def _error_before_sending(exc: Exception, route: Route) -> errors.UsedeskError:
    reason = _ca_file_reason(route.ca_file) or _tunnel_reason(exc, route) or _tls_reason(exc)
    if reason:
        return errors.UsedeskBadConnection(reason)
    return errors.UsedeskUnavailable(f"No connection to Usedesk ({_kind(exc)}). Nothing was sent.")


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
    found = re.match(r"Tunnel connection failed: (\d{3})", str(_root(exc)))
    if not found or found[1] not in _REFUSED_TUNNELS:
        return None
    return (
        f"The proxy {route.proxy} {_REFUSED_TUNNELS[found[1]]} {route.host} (HTTP {found[1]}). Nothing was "
        "sent. Check the proxy."
    )


# The other side closed the connection, or has a passing problem: not a matter of the settings.
_PASSING_TLS_ERRORS = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
_PASSING_TLS_REASONS = ("UNEXPECTED_EOF_WHILE_READING", "TLSV1_ALERT_INTERNAL_ERROR")


def _tls_reason(exc: Exception) -> str | None:
    root = _root(exc)
    if not isinstance(root, ssl.SSLError) or isinstance(root, _PASSING_TLS_ERRORS):
        return None
    if root.reason in _PASSING_TLS_REASONS:
        return None
    reason = getattr(root, "verify_message", "") or root.reason or _kind(exc)
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


def _kind(exc: Exception) -> str:
    return type(_root(exc)).__name__


def _root(exc: BaseException) -> BaseException:
    """Return the first cause of an exception, which requests and urllib3 wrap into others."""
    inner = getattr(exc, "reason", None)
    if not isinstance(inner, BaseException):
        inner = next((arg for arg in exc.args if isinstance(arg, BaseException)), None)
    return exc if inner is None else _root(inner)
