"""The threads that send the rows of a batch."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import SimpleQueue

from airflow_provider_usedesk.api.responses import CreatedTicket
from airflow_provider_usedesk.batch.row_store import CheckedRow
from airflow_provider_usedesk.batch.send_lease import SendAborted, SendLease

GATHER = 0.01
"""Seconds to gather more results after the first."""


@dataclass(frozen=True)
class SendResult:
    """
    The result of sending a row.

    :param row: the row
    :param outcome: the ticket, or the error
    """

    row: CheckedRow
    outcome: CreatedTicket | BaseException


class WorkerPool:
    """
    A bounded number of threads that send rows.

    :param send: sends one row
    :param size: number of threads
    :param lease: while it is closed, rows are not sent; their outcome is ``SendAborted``
    """

    def __init__(self, send: Callable[[CheckedRow], CreatedTicket], size: int, lease: SendLease) -> None:
        self._send = send
        self._size = size
        self._lease = lease
        self._rows: SimpleQueue[CheckedRow | None] = SimpleQueue()
        self._results: deque[SendResult] = deque()
        self._has_results = threading.Event()
        self._threads = 0
        self.in_flight = 0

    def send(self, row: CheckedRow) -> None:
        """Send a row as soon as a thread is free."""
        self.in_flight += 1
        if self._threads < self._size:
            self._threads += 1
            # A daemon: a server that does not respond must not keep the process from ending.
            threading.Thread(target=self._work, name="usedesk-batch", daemon=True).start()
        self._rows.put(row)

    def results(self, seconds: float) -> Iterator[SendResult]:
        """
        Yield the results that have arrived.

        :param seconds: how long to wait for the first of them
        """
        clock = self._lease.clock
        if not self._results and not clock.wait(self._has_results, seconds):
            return
        # More results follow at once; waking up for each would take time from the workers.
        clock.sleep(GATHER)
        self._has_results.clear()
        # One by one: in Airflow 2, SIGTERM raises an error anywhere, and no result must be lost by it.
        while self._results:
            self.in_flight -= 1
            yield self._results.popleft()

    def close(self) -> None:
        """Let the threads end after the rows that they have."""
        for _ in range(self._threads):
            self._rows.put(None)

    def _work(self) -> None:
        while (row := self._rows.get()) is not None:
            self._results.append(SendResult(row, self._outcome(row)))
            self._has_results.set()

    def _outcome(self, row: CheckedRow) -> CreatedTicket | BaseException:
        if self._lease.is_closed:
            return SendAborted()
        try:
            return self._send(row)
        except BaseException as error:
            return error
