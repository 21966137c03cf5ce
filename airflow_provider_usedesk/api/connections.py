"""Connections that note whether a request was written, and that limit the time of a whole response."""

from __future__ import annotations

import enum
import http.client
import io
import threading
import time
from functools import cache
from typing import Any


class Phase(enum.Enum):
    """How far a request came."""

    UNKNOWN = "unknown"
    CONNECTING = "connecting"
    """Not a byte of the request was written, only those of the proxy and TLS."""
    SENDING = "sending"
    """At least one byte of the request may have been written."""


class Progress(threading.local):
    """The phase of the request that this thread makes."""

    phase = Phase.UNKNOWN


progress = Progress()


class NotedConnection:
    """Part of a connection class: notes the phase, and limits the time of a whole response."""

    _is_connecting = False
    sock: Any

    def connect(self) -> None:
        if progress.phase is not Phase.SENDING:
            progress.phase = Phase.CONNECTING
        self._is_connecting = True
        try:
            super().connect()  # type: ignore[misc]
        finally:
            self._is_connecting = False

    def send(self, data: Any) -> None:
        # While it connects, it writes to the proxy.
        if not self._is_connecting:
            if self.sock is None:
                self.connect()
            progress.phase = Phase.SENDING
        super().send(data)  # type: ignore[misc]

    def response_class(self, sock: Any, *args: Any, **kwargs: Any) -> http.client.HTTPResponse:
        """Return the response of the service, or of the proxy to CONNECT; ``http.client`` calls this."""
        return http.client.HTTPResponse(_TimedSocket(sock), *args, **kwargs)  # type: ignore[arg-type]


@cache
def noted(connection_class: type) -> type:
    """Return a connection class of urllib3 with :class:`NotedConnection`."""
    if issubclass(connection_class, NotedConnection):
        return connection_class
    return type(f"Noted{connection_class.__name__}", (NotedConnection, connection_class), {})


class _TimedSocket:
    """A socket whose timeout, counted from now, is the time for all that is read."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock

    def makefile(self, mode: str) -> Any:
        seconds = self._sock.gettimeout()
        if seconds is None:
            return self._sock.makefile(mode)
        return io.BufferedReader(_TimedReader(self._sock, time.monotonic() + seconds))


class _TimedReader(io.RawIOBase):
    def __init__(self, sock: Any, end: float) -> None:
        self._sock = sock
        self._file = sock.makefile("rb", buffering=0)
        self._end = end
        self._is_first = True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        # The first read has the timeout that the socket has; to set one is a system call.
        if not self._is_first:
            left = self._end - time.monotonic()
            if left <= 0:
                raise TimeoutError("the response took too long")
            self._sock.settimeout(left)
        self._is_first = False
        count: int | None = self._file.readinto(buffer)
        return count

    def close(self) -> None:
        self._file.close()
        super().close()
