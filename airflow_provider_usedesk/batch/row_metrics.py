"""The metrics of a batch: how many rows got which outcome since the last report."""

from __future__ import annotations

from collections import Counter

from airflow_provider_usedesk.batch.summary import Outcome, Summary
from airflow_provider_usedesk.compat import stats

# Final at once. A row of unknown outcome may still be found, and a row that is left has no outcome.
FINAL = tuple(outcome for outcome in Outcome if outcome not in (Outcome.UNKNOWN, Outcome.LEFT))


class RowMetrics:
    """Counts the rows of one attempt by outcome, each row once."""

    def __init__(self) -> None:
        self._reported: Counter[Outcome] = Counter()

    def report(self, summary: Summary) -> None:
        """Count the rows with a final outcome that were not counted yet."""
        for outcome in FINAL:
            self._count(outcome, summary.count(outcome) - self._reported[outcome])

    def finish(self, summary: Summary) -> None:
        """Count the rest, and the rows whose outcome stays unknown in this attempt."""
        self.report(summary)
        self._count(Outcome.UNKNOWN, summary.unknown - self._reported[Outcome.UNKNOWN])

    def _count(self, outcome: Outcome, number: int) -> None:
        stats.count(f"batch_rows.{outcome}", max(0, number))
        self._reported[outcome] += max(0, number)
