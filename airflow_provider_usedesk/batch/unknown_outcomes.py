"""Rows that may have been sent: looked up in Usedesk, then finished, sent again, or left as unknown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from contextlib import suppress

from airflow_provider_usedesk.api.responses import CreatedTicket
from airflow_provider_usedesk.batch.batch_io import BatchIO, UnknownOutcome
from airflow_provider_usedesk.batch.options import BatchOptions
from airflow_provider_usedesk.batch.row_states import RowState
from airflow_provider_usedesk.batch.row_store import CheckedRow
from airflow_provider_usedesk.batch.run_state import RunState
from airflow_provider_usedesk.batch.send_lease import SendAborted, SendLease
from airflow_provider_usedesk.idempotency.decision import Absent, Ambiguous, Found, SearchResult


class OutcomeResolver:
    """
    Resolves unknown outcomes.

    :param state: the state of the run
    :param options: the options of the batch
    :param io: the functions of the batch
    :param lease: the permission to send, which is open while rows are looked up
    """

    def __init__(self, state: RunState, options: BatchOptions, io: BatchIO, lease: SendLease) -> None:
        self._state = state
        self._options = options
        self._io = io
        self._lease = lease

    def resolve(self) -> None:
        """
        Look up all rows of unknown outcome, while no other row is in flight.

        Rows that were certainly not sent become ready again.
        """
        self._state.checkpoint.write()
        # Reading is not sending: it is allowed in quiet hours, and takes as long as it takes.
        self._lease.open(math.inf)
        rows = {row.number: row for row in self._state.row_states.rows_in(RowState.UNKNOWN)}
        with suppress(SendAborted):
            for number, result in self._look_up(list(rows.values())):
                self._apply(rows[number], result)
        self._lease.close()
        self._state.checkpoint.write()

    def _look_up(self, rows: Sequence[CheckedRow]) -> Iterable[tuple[int, SearchResult[CreatedTicket]]]:
        if self._options.on_unknown == "send":
            return [(row.number, Absent()) for row in rows]
        if self._options.on_unknown == "fail":
            reason = "it may have been sent, and on_unknown_outcome is 'fail'"
            return [(row.number, Ambiguous(reason)) for row in rows]
        return self._io.look_up([self._outcome(row) for row in rows], self._state.store.has_ticket)

    def _outcome(self, row: CheckedRow) -> UnknownOutcome:
        sent = self._state.row_states.time_of(row)
        return UnknownOutcome(row, sent.since, sent.until)

    def _apply(self, row: CheckedRow, result: SearchResult[CreatedTicket]) -> None:
        state = self._state
        if isinstance(result, Found):
            state.finish(row, result.response.ticket_id)
        elif isinstance(result, Ambiguous):
            state.recorder.add_reason(row.number, result.reason, row.line)
        elif state.row_states.was_absent(row):
            reason = "it was sent twice without a response, and Usedesk has no ticket of it"
            state.recorder.add_reason(row.number, reason, row.line)
        else:
            state.row_states.send_again(row)
