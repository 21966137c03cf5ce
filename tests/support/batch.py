"""Stand-ins for the tests of batches: a clock that does not wait, a store whose writes can be observed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from airflow_provider_usedesk.batch.clock import Clock
from airflow_provider_usedesk.compat.stores import MemoryStore

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class FakeClock(Clock):
    """
    A clock whose time passes only when somebody waits, or reads it. Its ``moment`` is set by the test.

    :param tick: seconds that pass with each reading of the monotonic time
    :param real_wait: seconds that a wait for an event really takes, at most; threads need some
    """

    def __init__(self, tick: float = 0.0, real_wait: float = 0.05) -> None:
        self.tick = tick
        self.real_wait = real_wait
        self.seconds = 0.0
        self.moment = NOON
        self._lock = threading.Lock()

    def monotonic(self) -> float:
        with self._lock:
            self.seconds += self.tick
            return self.seconds

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.seconds += seconds

    def wait(self, event: threading.Event, seconds: float) -> bool:
        if event.wait(self.real_wait):
            return True
        self.sleep(seconds)
        return False


class ObservedStore(MemoryStore):
    """A store in memory that calls a function before each write, and counts the writes."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0
        self.before_write: Callable[[str], Any] = lambda key: None

    def set(self, key: str, value: Any) -> None:
        self.before_write(key)
        self.writes += 1
        super().set(key, value)
