"""What the receiver has done since its start: counters, and warnings that do not flood the log."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Literal

from airflow_provider_usedesk.compat import stats

log = logging.getLogger(__name__)

Outcome = Literal["stored", "ignored", "refused", "failed"]

# Seconds between two warnings for the same connection and reason.
WARNING_INTERVAL = 60.0


class Counts:
    """
    Counts webhooks by outcome, and warns of those that were not accepted.

    :param clock: returns seconds
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._outcomes: Counter[str] = Counter(stored=0, ignored=0, refused=0, failed=0)
        self._warned_at: dict[tuple[str | None, str], float] = {}
        self._suppressed: Counter[tuple[str | None, str]] = Counter()

    def add(self, outcome: Outcome) -> None:
        """Count one webhook."""
        with self._lock:
            self._outcomes[outcome] += 1
        stats.count_in_service(f"webhooks.{outcome}")

    def refuse(self, conn_id: str | None, reason: str) -> None:
        """
        Count a webhook that was refused, and log the reason.

        :param conn_id: id of the connection; None if there is no such connection
        :param reason: a sentence of a fixed set, without any content of the request
        """
        self.add("refused")
        self._warn(conn_id, "refused", reason)

    def fail(self, conn_id: str | None, reason: str) -> None:
        """
        Count a webhook that could not be stored, and log the reason.

        :param conn_id: id of the connection; None if it is not known
        :param reason: a sentence without any content of the request
        """
        self.add("failed")
        self._warn(conn_id, "not stored; the sender is asked to send it again", reason)

    def as_dict(self) -> dict[str, int]:
        """Return the number of webhooks by outcome."""
        with self._lock:
            return dict(self._outcomes)

    def _warn(self, conn_id: str | None, what: str, reason: str) -> None:
        suppressed = self._suppressed_before((conn_id, reason))
        if suppressed is None:
            return
        more = f" The same happened to {suppressed} more since the last warning." if suppressed else ""
        of = f"for connection {conn_id}" if conn_id is not None else "for an unknown connection"
        log.warning("A webhook %s was %s: %s%s", of, what, reason, more)

    def _suppressed_before(self, key: tuple[str | None, str]) -> int | None:
        """Return how many warnings were suppressed since the last one; None to suppress this one, too."""
        now = self._clock()
        with self._lock:
            last = self._warned_at.get(key)
            if last is not None and now - last < WARNING_INTERVAL:
                self._suppressed[key] += 1
                return None
            self._warned_at[key] = now
            return self._suppressed.pop(key, 0)
