"""The loop that sends the rows of a batch."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from airflow_provider_usedesk.api.errors import (
    UsedeskError,
    UsedeskInvalidRequest,
    UsedeskOutcomeUnknown,
    UsedeskRejected,
)
from airflow_provider_usedesk.api.responses import CreatedTicket
from airflow_provider_usedesk.batch.batch_io import BatchIO
from airflow_provider_usedesk.batch.options import BatchOptions
from airflow_provider_usedesk.batch.progress import ProgressReporter
from airflow_provider_usedesk.batch.row_states import RowState
from airflow_provider_usedesk.batch.row_store import CheckedRow
from airflow_provider_usedesk.batch.run_state import RunState
from airflow_provider_usedesk.batch.send_lease import TICK, SendAborted, SendLease
from airflow_provider_usedesk.batch.send_window import LAST_RESULTS_SECONDS
from airflow_provider_usedesk.batch.worker_pool import WorkerPool
from airflow_provider_usedesk.delivery.confirmation import NotConfirmed


class Paused(Exception):
    """
    Quiet hours have begun, and the other rows wait for their end.

    :param until: when they end, UTC
    """

    def __init__(self, until: datetime) -> None:
        super().__init__(f"Quiet hours until {until.isoformat()}.")
        self.until = until


class SendLoop:
    """
    Sends rows until none is ready, or the run is over.

    :param state: the state of the run
    :param options: the options of the batch
    :param io: the functions of the batch
    :param lease: the permission to send
    """

    def __init__(self, state: RunState, options: BatchOptions, io: BatchIO, lease: SendLease) -> None:
        self._state = state
        self._options = options
        self._lease = lease
        self._clock = lease.clock
        self._pool = WorkerPool(io.send, options.max_in_flight, lease)
        self._reporter = ProgressReporter(state, io, options.report_seconds, self._clock)
        self._renew_at = -math.inf
        self.leaves_rest = False
        """Whether the loop ended in quiet hours, whose rows are left to the next run of the task."""

    def run(self) -> None:
        """
        Send rows.

        :raises Paused: if quiet hours begin, and the options say so
        :raises CheckpointTaken: if another attempt of the task has begun
        """
        self.leaves_rest = False
        while not self._state.is_over():
            quiet_until = self._quiet_until()
            if quiet_until is None:
                self._release_rows()
            elif not self._wait_in_quiet_hours(quiet_until):
                return
            if self._pool.in_flight:
                self._take_results()
            elif quiet_until is None and not self._state.row_states.count(RowState.READY):
                return
            self._reporter.report_if_due()

    def drain(self, seconds: float = math.inf) -> None:
        """
        Release no more rows, and wait for the results of those in flight.

        :param seconds: how long; default: as long as it takes, but a few seconds when the task is stopped
        """
        self._lease.close()
        end = self._clock.monotonic() + seconds
        while self._pool.in_flight:
            now = self._clock.monotonic()
            if self._state.is_stopped:
                end = min(end, now + LAST_RESULTS_SECONDS)
            if now > end:
                return
            self._take_results()

    def close(self) -> None:
        """Let the workers end."""
        self._pool.close()

    def _release_rows(self) -> None:
        """Give rows to the workers, after the checkpoint has them as open, and renew the lease."""
        rows = self._next_rows()
        began, window, states = self._clock.monotonic(), self._state.window, self._state.row_states
        if not rows and (began < self._renew_at or not states.count(RowState.SENDING)):
            return
        now = self._clock.now()
        self._state.checkpoint.sending_until = until = now + timedelta(seconds=window.lease_seconds)
        self._renew_at = began + window.renew_seconds
        for row in rows:
            states.start(row, now, until)
        self._state.checkpoint.write()
        # If the write took longer than the lease, the workers abort the rows, and they are released again.
        self._lease.open(began + window.lease_seconds, until)
        for row in rows:
            self._pool.send(row)

    def _next_rows(self) -> list[CheckedRow]:
        state, in_flight = self._state, self._pool.in_flight
        count = state.window.rows_to_release(in_flight, state.checkpoint.rate)
        if not count:
            return []
        again = state.row_states.rows_in(RowState.READY)[:count]
        new = state.window.new_rows(count, in_flight, state.unknown) - len(again)
        return again + state.read_rows_to_send(new)

    def _take_results(self) -> None:
        for result in self._pool.results(TICK):
            self._take(result.row, result.outcome)
        self._state.checkpoint.write_if_due(self._state.window.write_seconds)

    def _take(self, row: CheckedRow, outcome: CreatedTicket | BaseException) -> None:
        """Move a row to the state that follows from the outcome of sending it."""
        state = self._state
        if isinstance(outcome, (CreatedTicket, NotConfirmed, UsedeskRejected)):
            state.unanswered = 0
        match outcome:
            case CreatedTicket():
                state.finish(row, outcome.ticket_id, outcome.not_delivered)
            case NotConfirmed(ticket_id=int(ticket_id)):
                state.finish(row, ticket_id, not_delivered=True, reason=str(outcome))
                if outcome.is_shared_channel:
                    state.halt(outcome)
            case SendAborted():
                state.row_states.abort(row)
            case UsedeskInvalidRequest() | UsedeskRejected():
                state.reject(row, outcome)
            case UsedeskOutcomeUnknown():
                self._lose(row)
            case UsedeskError():
                state.row_states.abort(row)
                state.halt(outcome)
            case _:
                self._lose(row)
                # Without its text, which nobody has checked for personal data.
                state.halt(UsedeskOutcomeUnknown(f"Sending a row ended with {type(outcome).__name__}."))

    def _lose(self, row: CheckedRow) -> None:
        self._state.row_states.lose(row, until=self._clock.now())
        self._state.unanswered += 1

    def _quiet_until(self) -> datetime | None:
        quiet_hours = self._options.quiet_hours
        return quiet_hours.end(self._clock.now()) if quiet_hours else None

    def _wait_in_quiet_hours(self, until: datetime) -> bool:
        """Let the requests in flight end, then wait; return whether the loop continues."""
        self._lease.close()
        if self._pool.in_flight:
            return True
        if self._options.in_quiet_hours == "leave":
            self.leaves_rest = True
            return False
        self._state.checkpoint.write_if_due(0)
        if self._options.pauses:
            raise Paused(until)
        self._clock.sleep(TICK)
        return True
