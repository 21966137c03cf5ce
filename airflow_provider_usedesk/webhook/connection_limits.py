"""Limits of connections that send no request, which uvicorn does not have."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

# Seconds for the headers of a request to arrive.
HEADER_SECONDS = 10.0
# Number of open connections. Above it, the connection that has waited longest for a request is closed.
MAX_CONNECTIONS = 500

# The order in which connections began to wait: their times can be equal.
_numbers = count()


class LimitedProtocol(H11Protocol):
    """
    Close a connection whose request does not arrive in time.

    If there are too many connections, close the one that has waited longest for its request. So neither idle
    connections nor slow headers keep webhooks out.
    """

    _deadline: asyncio.TimerHandle | None = None
    _number = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._start_deadline()
        if len(self.connections) > MAX_CONNECTIONS:
            self._close_oldest()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._is_waiting():
            self._cancel_deadline()
        elif self._deadline is None:
            self._start_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_deadline()
        super().connection_lost(exc)

    def _is_waiting(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _start_deadline(self) -> None:
        self._number = next(_numbers)
        self._deadline = self.loop.call_later(HEADER_SECONDS, self._close_if_waiting)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _close_if_waiting(self) -> None:
        self._deadline = None
        if self._is_waiting():
            self.transport.close()

    def _close_oldest(self) -> None:
        waiting = [
            one
            for one in self.connections
            if isinstance(one, LimitedProtocol) and one._is_waiting() and not one.transport.is_closing()
        ]
        if waiting:
            min(waiting, key=lambda one: one._number).transport.close()
