"""The state of one run of a batch: its rows, their outcomes, the checkpoint, and whether the run is over."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from airflow_provider_usedesk.api.errors import UsedeskError
from airflow_provider_usedesk.batch.batch_io import BatchIO
from airflow_provider_usedesk.batch.checkpoint import Checkpoint, OpenRow
from airflow_provider_usedesk.batch.checkpoint_writer import CheckpointWriter
from airflow_provider_usedesk.batch.loader import RowLoader
from airflow_provider_usedesk.batch.options import BatchOptions, as_number
from airflow_provider_usedesk.batch.row_states import RowState, RowStates, Sender
from airflow_provider_usedesk.batch.row_store import CheckedRow, FinishedRow, RowStore
from airflow_provider_usedesk.batch.send_lease import SendLease
from airflow_provider_usedesk.batch.send_window import MAX_OPEN, SendWindow
from airflow_provider_usedesk.batch.summary import Outcome, OutcomeRecorder, Summary, failures

log = logging.getLogger(__name__)


class RunState:
    """
    The state of one run.

    :param loader: loads the recipients
    :param store: the row store
    :param recorder: records the outcomes of the rows
    :param checkpoint: the checkpoint
    :param options: the options of the batch
    :param io: the functions of the batch
    :param lease: the permission to send
    """

    def __init__(
        self,
        loader: RowLoader,
        store: RowStore,
        recorder: OutcomeRecorder,
        checkpoint: Checkpoint,
        options: BatchOptions,
        io: BatchIO,
        lease: SendLease,
    ) -> None:
        self.loader = loader
        self.store = store
        self.recorder = recorder
        self.row_states = RowStates(options.longest_request)
        self.checkpoint = CheckpointWriter(checkpoint, self.row_states, lease.clock)
        self.window = SendWindow(options.max_in_flight)
        self.halted_by: UsedeskError | None = None
        self.unanswered = 0
        """Rows without a response, one after the other."""
        self._stored = checkpoint
        self._options = options
        self._io = io
        self._lease = lease
        self._began = lease.clock.monotonic()
        self._began_at = lease.clock.now()

    @property
    def unknown(self) -> int:
        """Number of rows that may have been sent."""
        return self.row_states.count(RowState.UNKNOWN)

    @property
    def is_stopped(self) -> bool:
        return self._lease.is_stopped

    def load_checkpoint(self) -> None:
        """Load which rows earlier attempts finished, and which they left open."""
        self.store.add_finished(self._stored.load())
        self.row_states.inherit(self._not_finished(self._stored.open))
        count = self.row_states.count(RowState.LEFT_OPEN)
        self.row_states.inherit(self._not_finished(self._stored.open_elsewhere), Sender.ELSEWHERE)
        if count:
            log.info(
                "An earlier attempt may have sent %d rows whose outcome it did not store. "
                "They are looked up before they are sent.",
                count,
            )

    def _not_finished(self, rows: Iterable[OpenRow]) -> list[OpenRow]:
        return [row for row in rows if not self.store.is_finished(row.digest)]

    def load_all_rows(self) -> None:
        """
        Load and check all rows before any is sent, unless an earlier attempt did so with the same rows.

        :raises TooManyBadRows: if too many are invalid
        """
        if self.loader.skip_check(self._options.max_bad_rows, lambda: self.is_stopped):
            return
        self.loader.load(is_stopped=lambda: self.is_stopped)
        self.loader.check_bad_rows(self._options.max_bad_rows)
        for row in self.store.with_digests(self.row_states.left_open()):
            self.row_states.find(row)

    def read_rows_to_send(self, count: int) -> list[CheckedRow]:
        """
        Read the next rows that are ready; if others may have sent them, they have to be looked up instead.

        :param count: at most so many rows
        """
        since = self._options.look_up_since
        if since is None or count <= 0:
            return self.read_rows(count)
        # A stale worker of another instance may send until its lease ends.
        until = self._began_at + timedelta(seconds=self.window.lease_seconds)
        # As many as possible, because each search lists all tickets since then.
        for row in self.read_rows(MAX_OPEN - self.row_states.count(RowState.SENDING) - self.unknown):
            self.row_states.suspect(row, since, until)
        return []

    def read_rows(self, count: int) -> list[CheckedRow]:
        """
        Read the next rows that are ready from the row store, and load more of them if it has no more.

        :param count: at most so many rows
        """
        ready: list[CheckedRow] = []
        while len(ready) < count and not self.is_over():
            found = self.store.after(self.row_states.last_read, count - len(ready))
            if not found and self.loader.is_complete:
                break
            if not found:
                self.loader.load(MAX_OPEN, lambda: self.is_stopped)
            ready += [row for row in found if self.row_states.read(row)]
        return ready

    def finish(self, row: CheckedRow, ticket_id: int, not_delivered: bool = False, reason: str = "") -> None:
        """
        Record that a row has a ticket.

        :param row: a row that was sent
        :param ticket_id: id of the ticket
        :param not_delivered: whether the messenger did not accept the message; default: false
        :param reason: why it counts as not delivered; default: empty
        """
        finished = FinishedRow(row.digest, ticket_id, not_delivered)
        # First: a signal may interrupt after any line, and then the last write must have the ticket.
        self.checkpoint.add(finished)
        self.row_states.end(row)
        self.store.add_finished([finished])
        outcome = Outcome.NOT_DELIVERED if not_delivered else Outcome.SENT
        self.recorder.record(outcome, row.number, row.key, ticket_id, reason)

    def reject(self, row: CheckedRow, error: UsedeskError) -> None:
        """
        Record that Usedesk rejected a row.

        :param row: a row that was not sent
        :param error: why
        """
        self.row_states.end(row)
        reason = f"{type(error).__name__}: {error}"
        self.recorder.record(Outcome.REJECTED, row.number, row.key, reason=reason, line=row.line)

    def halt(self, error: UsedeskError) -> None:
        """End the run because of an error that every row would meet; the first such error counts."""
        self.halted_by = self.halted_by or error

    def is_over(self) -> bool:
        """Return whether the run sends no more rows, even if some are left."""
        return (
            self.is_stopped
            or self.halted_by is not None
            or self.has_too_many_failures()
            # Usedesk is down, and each row without a response has to be looked up.
            or self.unanswered > self.window.max_unanswered
        )

    def has_too_many_failures(self) -> bool:
        """Return whether more rows failed than ``max_failures`` permits."""
        limit = self._options.max_failures
        if limit is None:
            return False
        return failures(self.summary(), self._options) > as_number(limit, self.loader.total or 0)

    def summary(self) -> Summary:
        """Return the summary of the rows so far."""
        loader, counts, unknown = self.loader, self.recorder.counts, self.unknown
        ended = counts[Outcome.SENT] + counts[Outcome.REJECTED] + counts[Outcome.NOT_DELIVERED]
        outcomes: dict[str, Any] = {outcome.value: counts[outcome] for outcome in Outcome}
        outcomes.update(unknown=unknown, left=loader.rows_to_send - ended - unknown)
        return Summary(
            rows=loader.total,
            seconds=round(self._lease.clock.monotonic() - self._began, 1),
            requests=self._io.count_requests(),
            recipients_changed=loader.recipients_changed,
            **outcomes,
        )
