"""The clock of a batch: the only place where a batch reads the time or waits."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime


class Clock:
    """The clock of this machine; tests replace it by one that does not wait."""

    def monotonic(self) -> float:
        """Return the seconds since some fixed moment."""
        return time.monotonic()

    def now(self) -> datetime:
        """Return the current time, UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Wait for some seconds."""
        time.sleep(seconds)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait for an event, at most some seconds, and return whether it happened."""
        return event.wait(seconds)
