"""The rehearsal of a batch: every row is read, rendered and checked, and none is sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from airflow_provider_usedesk.batch.checkpoint import OpenRow, Recipients
from airflow_provider_usedesk.batch.clock import Clock
from airflow_provider_usedesk.batch.loader import RowLoader
from airflow_provider_usedesk.batch.result_file import ResultWriter
from airflow_provider_usedesk.batch.row import Row, UnreadableRow
from airflow_provider_usedesk.batch.row_params import RowParams
from airflow_provider_usedesk.batch.row_store import CheckedRow, FinishedRow, RowStore
from airflow_provider_usedesk.batch.sender import RowCheck
from airflow_provider_usedesk.batch.summary import Outcome, OutcomeRecorder, Summary


class NoCheckpoint:
    """Stands in for the checkpoint where nothing is sent: it is empty, and stores nothing."""

    clear_count = 0
    open: Sequence[OpenRow] = ()
    open_elsewhere: Sequence[OpenRow] = ()
    recipients: Recipients | None = None

    def has_begun(self) -> bool:
        return False

    def load(self) -> Iterator[FinishedRow]:
        return iter(())

    def write(self, finished: Sequence[FinishedRow], open_rows: Sequence[OpenRow]) -> None:
        pass

    def write_recipients(self, recipients: Recipients) -> None:
        pass


class Rehearsal:
    """
    One rehearsal of a batch. It writes the request of each row to the result file, and sends nothing.

    :param rows: the recipients
    :param row_params: makes the parameters of a row
    :param check: checks the parameters of a row
    :param results: the result file
    :param clock: the clock; default: that of the system
    """

    def __init__(
        self,
        rows: Iterable[Row | UnreadableRow],
        row_params: RowParams,
        check: RowCheck,
        results: ResultWriter,
        clock: Clock | None = None,
    ) -> None:
        self._check = check
        self._results = results
        self._clock = clock or Clock()
        self._began = self._clock.monotonic()
        self._store = RowStore()
        self._recorder = OutcomeRecorder(results)
        self._loader = RowLoader(rows, row_params, check, self._recorder, self._store, NoCheckpoint())
        self.was_stopped = False

    def stop(self) -> None:
        """Read no more rows. A signal handler may call this."""
        self.was_stopped = True

    def run(self) -> Summary:
        """Check all rows, and return the summary: the valid ones are ``left``."""
        with self._store:
            # Row by row, so that the result file has them in their order.
            while not (self._loader.is_complete or self.was_stopped):
                number = self._loader.rows_read
                self._loader.load(1)
                for row in self._store.after(number, 1):
                    self._write(row)
        summary = self.summary()
        self._recorder.log(summary)
        return summary

    def summary(self) -> Summary:
        """Return the summary of the rows so far."""
        counts: dict[str, Any] = {outcome.value: self._recorder.counts[outcome] for outcome in Outcome}
        return Summary(
            rows=self._loader.rows_read if self._loader.is_complete else None,
            seconds=round(self._clock.monotonic() - self._began, 1),
            dry_run=True,
            **counts,
        )

    def _write(self, row: CheckedRow) -> None:
        self._recorder.counts[Outcome.LEFT] += 1
        request = dict(row.fields)
        if files := self._check.attachments(row):
            request["files"] = [file.name for file in files]
        self._results.write(row.number, row.key, Outcome.LEFT, None, "dry_run", request)
