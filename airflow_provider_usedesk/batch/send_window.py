"""The numbers that bound how many rows are sent at a time, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

MAX_OPEN = 256
"""Rows whose outcome may be unknown at the same time. After a kill, a search looks up at most so many."""
MOST_UNANSWERED = 32
"""Rows without a response, one after the other, that end a run."""
LONGEST_REQUEST = timedelta(seconds=70)
"""How long a request takes at most with the default timeouts of a connection."""
LAST_RESULTS_SECONDS = 3.0
"""How long requests under way may take when the task is stopped."""


@dataclass(frozen=True)
class SendWindow:
    """
    How many rows are sent at a time, and how often the checkpoint is written.

    :param max_in_flight: number of requests at the same time
    :param lease_seconds: how long the workers may begin to send after a write of the checkpoint; default: 15
    :param write_seconds: time between two writes of results while no row is released; default: 1
    """

    max_in_flight: int
    lease_seconds: float = 15.0
    write_seconds: float = 1.0

    @property
    def renew_seconds(self) -> float:
        """Time after which the lease is renewed."""
        return self.lease_seconds / 3

    @property
    def max_unanswered(self) -> int:
        """Rows without a response, one after the other, after which the service is considered down."""
        return max(2 * self.max_in_flight, MOST_UNANSWERED)

    def rows_to_release(self, in_flight: int, rate: float) -> int:
        """
        Return how many rows to give to the workers now.

        :param in_flight: rows that the workers have
        :param rate: rows sent in a second
        :return: 0 while the workers have enough, because each release costs a write of the checkpoint
        """
        # The rows of one more second, so that no worker waits for a write.
        target = min(self.max_in_flight + max(self.max_in_flight // 2, int(rate)), MAX_OPEN)
        if in_flight > (self.max_in_flight + target) // 2:
            return 0
        return target - in_flight

    def new_rows(self, to_release: int, in_flight: int, unknown: int) -> int:
        """
        Return how many of the rows to release may be new ones.

        :param to_release: rows to give to the workers now
        :param in_flight: rows that the workers have
        :param unknown: rows of unknown outcome
        """
        return min(to_release, MAX_OPEN - in_flight - unknown)
