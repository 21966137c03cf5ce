"""Those who send the rows of a batch: a bounded number of threads, behind a lease that can be closed."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import SimpleQueue

from airflow_provider_usedesk.api.responses import CreatedTicket
from airflow_provider_usedesk.batch.row_store import Sendable

# Seconds after which a thread that waits looks whether it should stop.
TICK = 0.5
# Seconds in which answers are gathered.
GATHER = 0.01


class SendAborted(Exception):
    """Report that a row was not sent, because nothing is to be sent now."""


class SendLease:
    """
    Say whether rows may be sent now.

    It is closed until it is opened, and closes by itself: those who send must not outlive what is written of
    them, where the one who writes hangs or another try has begun.

    :param clock: tells the seconds passed
    :param sleep: waits for some seconds
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.clock = clock
        self.sleep = sleep
        self.is_stopped = False
        self._open_until = -math.inf

    def stop(self) -> None:
        """Close for good; safe to call from a signal handler, as nothing else sets what this does."""
        self.is_stopped = True

    def open(self, until: float) -> None:
        """
        Open.

        :param until: when it closes, by the clock
        """
        self._open_until = until

    def close(self) -> None:
        """Close until it is opened again."""
        self._open_until = -math.inf

    @property
    def is_closed(self) -> bool:
        return self.is_stopped or self.clock() >= self._open_until

    def pause(self, seconds: float) -> None:
        """
        Wait before sending.

        :raises SendAborted: when the lease is closed meanwhile
        """
        end = self.clock() + seconds
        while (left := end - self.clock()) > 0:
            if self.is_closed:
                raise SendAborted
            self.sleep(min(left, TICK))
        if self.is_closed:
            raise SendAborted


@dataclass(frozen=True)
class SendResult:
    """
    Hold what came of sending a row.

    :param row: the row
    :param came: the ticket, or the error
    """

    row: Sendable
    came: CreatedTicket | BaseException


class WorkerPool:
    """
    Send rows in a bounded number of threads.

    :param send: sends one row
    :param size: how many threads
    :param lease: while it is closed, rows are handed back
    """

    def __init__(self, send: Callable[[Sendable], CreatedTicket], size: int, lease: SendLease) -> None:
        self._send = send
        self._size = size
        self._lease = lease
        self._rows: SimpleQueue[Sendable | None] = SimpleQueue()
        self._answers: deque[SendResult] = deque()
        self._has_answers = threading.Event()
        self._threads = 0
        self.in_flight = 0

    def send(self, row: Sendable) -> None:
        """Send a row as soon as a thread is free."""
        self.in_flight += 1
        if self._threads < self._size:
            self._threads += 1
            # A daemon: a server that does not answer must not keep the process from ending.
            threading.Thread(target=self._work, name="usedesk-batch", daemon=True).start()
        self._rows.put(row)

    def answers(self, seconds: float) -> Iterator[SendResult]:
        """Give the answers that are there; wait some seconds for the first."""
        if not self._has_answers.wait(seconds):
            return
        # Others follow at once: woken for each, this thread would take their time.
        time.sleep(GATHER)
        self._has_answers.clear()
        # Taken only now: before Airflow 3, being told to stop is an error that may come anywhere.
        while self._answers:
            self.in_flight -= 1
            yield self._answers.popleft()

    def dismiss(self) -> None:
        """Let the threads end."""
        for _ in range(self._threads):
            self._rows.put(None)

    def _work(self) -> None:
        while (row := self._rows.get()) is not None:
            self._answers.append(SendResult(row, self._outcome(row)))
            self._has_answers.set()

    def _outcome(self, row: Sendable) -> CreatedTicket | BaseException:
        if self._lease.is_closed:
            return SendAborted()
        try:
            return self._send(row)
        except BaseException as error:
            return error
