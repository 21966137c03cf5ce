"""The permission to send rows, which expires unless it is renewed."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from airflow_provider_usedesk.batch.clock import Clock

TICK = 0.5
"""Seconds between two checks whether to stop, while something waits."""


NEVER = datetime.max.replace(tzinfo=UTC)


class SendAborted(Exception):
    """A row was not sent, because no row may be sent now."""


class SendLease:
    """
    The permission to send rows.

    It is closed until it is opened. It expires unless it is renewed, so that a stale worker cannot send: one
    whose main thread hangs, or one after which another attempt has begun.

    :param clock: measures the time; default: that of this machine
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.is_stopped = False
        self._open_until = -math.inf
        self._open_until_utc = NEVER

    def stop(self) -> None:
        """Close for good. A signal handler may call this: no other method changes what it sets."""
        self.is_stopped = True

    def open(self, until: float, until_utc: datetime = NEVER) -> None:
        """
        Open, or renew.

        :param until: when it expires, by ``clock.monotonic()``, which may stand still with the machine
        :param until_utc: when it expires, by ``clock.now()``, which somebody may set; default: never
        """
        self._open_until_utc = until_utc
        self._open_until = until

    def close(self) -> None:
        """Close until the next call of ``open``."""
        self._open_until = -math.inf

    @property
    def is_closed(self) -> bool:
        return (
            self.is_stopped
            or self.clock.monotonic() >= self._open_until
            or self.clock.now() >= self._open_until_utc
        )

    def pause(self, seconds: float) -> None:
        """
        Wait before a request.

        :param seconds: how long
        :raises SendAborted: if the lease is closed now or closes while this waits
        """
        end = self.clock.monotonic() + seconds
        while (left := end - self.clock.monotonic()) > 0:
            if self.is_closed:
                raise SendAborted
            self.clock.sleep(min(left, TICK))
        if self.is_closed:
            raise SendAborted
