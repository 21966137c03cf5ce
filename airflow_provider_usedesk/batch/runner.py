"""One run of a batch: each row is sent once, and a run that ends anywhere can be continued."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace

from airflow_provider_usedesk.api.errors import UsedeskError
from airflow_provider_usedesk.batch.batch_io import BatchIO
from airflow_provider_usedesk.batch.checkpoint import Checkpoint
from airflow_provider_usedesk.batch.loader import RowLoader
from airflow_provider_usedesk.batch.options import BatchOptions
from airflow_provider_usedesk.batch.row import Row, UnreadableRow
from airflow_provider_usedesk.batch.row_metrics import RowMetrics
from airflow_provider_usedesk.batch.row_params import RowParams
from airflow_provider_usedesk.batch.row_states import RowState
from airflow_provider_usedesk.batch.row_store import RowStore
from airflow_provider_usedesk.batch.run_state import RunState
from airflow_provider_usedesk.batch.send_lease import SendLease
from airflow_provider_usedesk.batch.send_loop import SendLoop
from airflow_provider_usedesk.batch.send_window import LAST_RESULTS_SECONDS, MAX_OPEN
from airflow_provider_usedesk.batch.summary import Outcome, OutcomeRecorder, Summary
from airflow_provider_usedesk.batch.unknown_outcomes import OutcomeResolver


class BatchRun:
    """
    One run of a batch.

    The checkpoint has every row before it is sent, and after it was sent. The next attempt sends the rows
    that were not sent, and looks up the few rows in between in Usedesk.

    :param rows: the recipients
    :param row_params: makes the parameters of a row
    :param checkpoint: the stored state of the batch
    :param options: how to send
    :param io: the functions through which the batch reaches Usedesk, the result file and Airflow
    :param lease: the permission to send
    """

    def __init__(
        self,
        rows: Iterable[Row | UnreadableRow],
        row_params: RowParams,
        checkpoint: Checkpoint,
        options: BatchOptions,
        io: BatchIO,
        lease: SendLease,
    ) -> None:
        self._options = options
        self._lease = lease
        self._metrics = RowMetrics()
        io = replace(io, report=self._reported(io.report))
        self._store = RowStore()
        self._recorder = OutcomeRecorder(io.results)
        loader = RowLoader(
            rows, row_params, io.check, self._recorder, self._store, checkpoint, options.on_duplicate
        )
        self._state = RunState(loader, self._store, self._recorder, checkpoint, options, io, lease)
        self._send_loop = SendLoop(self._state, options, io, lease)
        self._resolver = OutcomeResolver(self._state, options, io, lease)

    def stop(self) -> None:
        """Send no more rows. A signal handler may call this."""
        self._lease.stop()

    @property
    def was_stopped(self) -> bool:
        return self._lease.is_stopped

    @property
    def was_cut_short(self) -> bool:
        """Whether the run ended with rows left, for another reason than quiet hours."""
        has_rest = not self._state.loader.is_complete or self.summary().left > 0
        return has_rest and not self._send_loop.leaves_rest

    @property
    def has_too_many_failures(self) -> bool:
        """Whether more rows failed than ``max_failures`` permits."""
        return self._state.has_too_many_failures()

    @property
    def halted_by(self) -> UsedeskError | None:
        """The error that ended the run because every row would meet it."""
        return self._state.halted_by

    def summary(self) -> Summary:
        """Return the summary of the rows so far."""
        return self._state.summary()

    def run(self) -> Summary:
        """
        Send the rows.

        :return: the summary
        :raises TooManyBadRows: if too many rows are invalid; no row was sent
        :raises Paused: if quiet hours begin, and the options say so
        :raises CheckpointTaken: if another attempt of the task has begun
        """
        with self._store:
            self._state.load_checkpoint()
            if self._options.validate == "first":
                self._state.load_all_rows()
            try:
                self._resolve_unknown_outcomes()
                self._send_and_resolve()
                self._leave_rest()
            except BaseException:
                self._finish(LAST_RESULTS_SECONDS)
                raise
            self._finish()
        summary = self.summary()
        self._recorder.log(summary)
        return summary

    def _reported(self, report: Callable[[Summary], None]) -> Callable[[Summary], None]:
        def report_and_count(summary: Summary) -> None:
            self._metrics.report(summary)
            report(summary)

        return report_and_count

    def _send_and_resolve(self) -> None:
        unknown = -1
        # Unknown outcomes are resolved at the end, or when there are too many to send on.
        while unknown != self._state.unknown:
            self._send_loop.run()
            unknown = self._state.unknown
            self._resolve_unknown_outcomes()

    def _resolve_unknown_outcomes(self) -> None:
        if not self._state.unknown:
            return
        self._send_loop.drain()
        if not self._state.is_stopped and not self._state.halted_by:
            self._resolver.resolve()

    def _leave_rest(self) -> None:
        """Write the rows to the result file that quiet hours leave to the next run of the task."""
        if not self._send_loop.leaves_rest:
            return
        self._write_rest()
        # Of the rows that were read just now, some may have been sent by an earlier attempt.
        self._resolve_unknown_outcomes()
        self._write_rest()

    def _write_rest(self) -> None:
        while rows := self._state.row_states.rows_in(RowState.READY) or self._state.read_rows(MAX_OPEN):
            for row in rows:
                self._state.row_states.end(row)
                self._recorder.write(Outcome.LEFT, row.number, row.key, reason="quiet hours")

    def _finish(self, seconds: float = math.inf) -> None:
        """Take the last results, and write the checkpoint for the next attempt."""
        try:
            self._send_loop.drain(seconds)
        finally:
            self._send_loop.close()
            self._state.checkpoint.sending_until = self._lease.clock.now()
            self._state.checkpoint.write()
            self._metrics.finish(self.summary())
        for row in self._state.row_states.rows_in(RowState.UNKNOWN):
            self._recorder.write(Outcome.UNKNOWN, row.number, row.key, reason="it may have been sent")
