"""Where the server listens, and by which names it can be addressed."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "localhost")
LOOPBACK_ADDRESSES = (*LOOPBACK, "::1")
ALL_ADDRESSES = ("0.0.0.0", "::", "")  # noqa: S104 (recognized here, and never a default)
REASONS = {
    errno.EADDRINUSE: "port {port} is in use; choose another with --port",
    errno.EACCES: "port {port} must not be opened by this user; choose one above 1023 with --port",
    errno.EADDRNOTAVAIL: "{host} is no address of this machine; choose another with --host",
}


class PortUnavailable(OSError):
    """The port cannot be opened; the text says why."""


def allowed_names(host: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return the names by which a server on ``host`` can be addressed; ``*`` is any name."""
    if host not in LOOPBACK_ADDRESSES:
        return (*LOOPBACK, *names) if names else ("*",)
    return (*LOOPBACK, *(["[::1]"] if host == "::1" else []), *names)


def public_name(host: str, names: Sequence[str]) -> str:
    """Return the name for URLs: the first allowed one, or the address."""
    if names and names[0] != "*":
        return names[0]
    address = "127.0.0.1" if host in ALL_ADDRESSES else host
    return f"[{address}]" if ":" in address else address


def open_port(host: str, port: int) -> socket.socket:
    """
    Open a port.

    :param host: address to listen on
    :param port: port; 0 for a free one
    :raises PortUnavailable: if it cannot be opened
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except socket.gaierror:
        raise PortUnavailable(f"{host} is no address; choose another with --host") from None
    except OverflowError:
        raise PortUnavailable("the port must be a number from 0 to 65535") from None
    except OSError as error:
        reason = REASONS.get(error.errno or 0, "port {port} cannot be opened: {error}")
        text = reason.format(port=port, host=host, error=error.strerror)
        raise PortUnavailable(text) from None


def checked_http_url(name: str, url: str | None) -> str | None:
    """
    Check a URL; return it without a slash at the end.

    :param name: the argument, for the error
    :param url: the URL; None or an empty string for none
    :raises ValueError: if it is not an http or https URL
    """
    address = (url or "").strip().rstrip("/")
    if not address:
        return None
    try:
        is_valid = urlsplit(address).scheme in ("http", "https") and bool(urlsplit(address).hostname)
    except ValueError:
        is_valid = False
    if not is_valid:
        raise ValueError(f"{name} must be an http or https URL.")
    return address
