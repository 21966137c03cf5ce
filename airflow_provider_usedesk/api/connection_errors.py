"""Errors of requests without a response: whether the request may have reached Usedesk."""

from __future__ import annotations

import ssl

import requests
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from airflow_provider_usedesk.api import errors


def error_without_response(exc: Exception, sending: bool) -> errors.UsedeskError:
    """
    Return the error for an exception of the HTTP library.

    :param exc: exception that requests raised
    :param sending: whether the request changes something in Usedesk, so that a blind retry is not safe
    """
    kind = type(_root(exc)).__name__
    if isinstance(exc, ValueError):
        return errors.UsedeskBadConnection(
            f"The API base URL or the proxy cannot be used ({kind}). Nothing was sent."
        )
    if _is_wrong_tls(exc):
        return errors.UsedeskBadConnection(
            f"No secure connection to Usedesk ({kind}). Nothing was sent. Check the API base URL and the "
            "TLS verification."
        )
    if _never_connected(exc):
        return errors.UsedeskUnavailable(f"No connection to Usedesk ({kind}). Nothing was sent.")
    if not sending:
        return errors.UsedeskUnavailable(f"Usedesk did not respond ({kind}). The request can be repeated.")
    return errors.UsedeskOutcomeUnknown(
        f"Usedesk did not respond ({kind}). The request may have been carried out: look in Usedesk before "
        "you send it again."
    )


def _never_connected(exc: Exception) -> bool:
    if isinstance(exc, requests.ConnectTimeout):
        return True
    root = _root(exc)
    # ProxyError alone proves nothing: urllib3 also raises it for a connection that broke later.
    is_refused_tunnel = type(root) is OSError and str(root).startswith("Tunnel connection failed")
    return is_refused_tunnel or isinstance(root, (NewConnectionError, ConnectTimeoutError))


def _is_wrong_tls(exc: Exception) -> bool:
    root = _root(exc)
    # Any other TLS error can also occur after the request arrived.
    return isinstance(root, ssl.SSLCertVerificationError) or (
        isinstance(root, ssl.SSLError) and getattr(root, "reason", None) == "WRONG_VERSION_NUMBER"
    )


def _root(exc: BaseException) -> BaseException:
    """Return the first cause of an exception, which requests and urllib3 wrap into others."""
    inner = getattr(exc, "reason", None)
    if not isinstance(inner, BaseException):
        inner = next((arg for arg in exc.args if isinstance(arg, BaseException)), None)
    return exc if inner is None else _root(inner)
