"""Send the rows of a batch: some at a time, each once, and resumable wherever it ends."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from airflow_provider_usedesk.api.errors import (
    UsedeskError,
    UsedeskInvalidRequest,
    UsedeskOutcomeUnknown,
    UsedeskRejected,
)
from airflow_provider_usedesk.api.responses import CreatedTicket
from airflow_provider_usedesk.batch.checkpoint import Checkpoint, OpenRow
from airflow_provider_usedesk.batch.loader import Check, RowLoader
from airflow_provider_usedesk.batch.options import BatchOptions, as_number
from airflow_provider_usedesk.batch.row_params import RowParams
from airflow_provider_usedesk.batch.row_store import Done, RowStore, Sendable
from airflow_provider_usedesk.batch.rows import Row, Unreadable
from airflow_provider_usedesk.batch.summary import Outcome, Results, Summary, Tally, failures, progress
from airflow_provider_usedesk.batch.unknown_outcomes import Doubt
from airflow_provider_usedesk.batch.worker_pool import TICK, SendAborted, SendLease, SendResult, WorkerPool
from airflow_provider_usedesk.idempotency.decision import Absent, Ambiguous, Found

log = logging.getLogger(__name__)

# Rows that may be in doubt at the same time: so many are asked about at most after a kill.
MAX_OPEN = 256
# Rows in a row without an answer that end a run.
MOST_UNANSWERED = 32
# Seconds that requests under way get to end when the task is told to stop.
LAST_ANSWERS = 3.0
# Seconds between two writes of answers while no row is released.
WRITE_EVERY = 1.0
# Seconds for which those who send may begin to, as it is written; while they wait it is written anew.
LEASE = 15.0


class Paused(Exception):
    """
    Report that the rest waits for the end of the quiet hours.

    :param until: when that is, UTC
    """

    def __init__(self, until: datetime) -> None:
        super().__init__(f"Quiet hours until {until.isoformat()}.")
        self.until = until


LookUpResult = Found[CreatedTicket] | Absent | Ambiguous


class LookUp(Protocol):
    """Asks Usedesk which of some rows were sent, and tells it of each by its number."""

    def __call__(
        self, doubts: Sequence[Doubt], knows_ticket: Callable[[int], bool]
    ) -> Iterable[tuple[int, LookUpResult]]: ...


@dataclass(frozen=True)
class Steps:
    """
    Hold what a batch does outside of itself.

    :param check: checks the parameters of the row with a key: what Usedesk gets, and files of its own
    :param send: sends a row
    :param look_up: asks Usedesk which rows were sent
    :param results: writes down what became of each row
    :param report: tells others of the progress
    :param requests: tells how many requests were made
    :param now: tells the time
    """

    check: Check
    send: Callable[[Sendable], CreatedTicket]
    look_up: LookUp
    results: Results
    report: Callable[[Summary], None] = lambda summary: None
    requests: Callable[[], int] = lambda: 0
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


class BatchRun:
    """
    Send the rows of a batch.

    Every row is written to the checkpoint before and after it is sent. The next attempt sends the rows that
    were not sent, and looks up the few rows in between in Usedesk.

    :param rows: the recipients
    :param arguments: makes the parameters of a row
    :param checkpoint: what is remembered between the tries
    :param rules: how to send
    :param steps: what is done outside
    :param lease: is closed while nothing is to be sent
    """

    def __init__(
        self,
        rows: Iterable[Row | Unreadable],
        arguments: RowParams,
        checkpoint: Checkpoint,
        rules: BatchOptions,
        steps: Steps,
        lease: SendLease,
    ) -> None:
        self._checkpoint = checkpoint
        self._options = rules
        self._steps = steps
        self._lease = lease
        self._tally = Tally(steps.results)
        self._loader = RowLoader(rows, arguments, steps.check, self._tally)
        self._pool = WorkerPool(steps.send, rules.max_in_flight, lease)
        self._began = lease.clock()
        self._next_report = self._began + rules.report_seconds
        self._number = 0
        # By digest: what is being sent; what else may have been sent; and those of its rows that are known.
        self._sending: dict[int, OpenRow] = {}
        self._in_doubt: dict[int, OpenRow] = {}
        self._doubtful: dict[int, Sendable] = {}
        self._settled: set[int] = set()
        self._resent: set[int] = set()
        self._unanswered = 0
        self._returned: list[Sendable] = []
        self._answered: list[Done] = []
        self._lease_end = steps.now()
        self._renew_at = -math.inf
        self._written_at = self._began
        self._rate = 0.0
        self._halt: UsedeskError | None = None
        self._leaves_the_rest = False

    def stop(self) -> None:
        """Send nothing more; safe to call from a signal handler."""
        self._lease.stop()

    @property
    def was_stopped(self) -> bool:
        return self._lease.is_stopped

    @property
    def was_cut_short(self) -> bool:
        """Whether it ended with rows that are left, and not because quiet hours leave them."""
        return not self._leaves_the_rest and (not self._loader.is_read or self.summary().left > 0)

    @property
    def halted_by(self) -> UsedeskError | None:
        """The error that ended the run, for it would meet every row."""
        return self._halt

    def run(self) -> Summary:
        """
        Send, and return what became of the rows.

        :raises TooManyBadRows: before anything is sent
        :raises Paused: when quiet hours begin, where that was asked for
        """
        with RowStore() as self._row_store:
            self._load()
            if self._options.validate == "first":
                self._read_on()
                self._loader.check_bad_rows(self._options.max_bad_rows)
            try:
                self._send_everything()
            except BaseException:
                self._end(LAST_ANSWERS)
                raise
            self._end()
        summary = self.summary()
        self._tally.log(summary)
        return summary

    def summary(self) -> Summary:
        """Return what became of the rows so far."""
        loader, counts = self._loader, self._tally.counts
        ended = (Outcome.SENT, Outcome.REJECTED, Outcome.NOT_DELIVERED)
        unknown = len(self._doubtful)
        left = loader.to_send - sum(counts[outcome] for outcome in ended) - unknown
        return Summary(
            rows=loader.read if loader.is_read else None,
            **{**{outcome.value: counts[outcome] for outcome in Outcome}, "unknown": unknown, "left": left},
            seconds=round(self._lease.clock() - self._began, 1),
            requests=self._steps.requests(),
            recipients_changed=loader.is_changed,
        )

    def _load(self) -> None:
        self._row_store.note_done(self._checkpoint.read())
        self._in_doubt = {
            row.digest: row for row in self._checkpoint.open if not self._row_store.is_done(row.digest)
        }
        if self._in_doubt:
            log.info("An earlier try may have sent %d rows without knowing of it.", len(self._in_doubt))

    def _read_on(self, limit: int | None = None) -> None:
        self._loader.go_on(self._row_store, self._checkpoint, limit, lambda: self.was_stopped)

    def _send_everything(self) -> None:
        if self._options.validate == "first":
            self._doubtful = {row.digest: row for row in self._row_store.with_digests(self._in_doubt)}
        self._settle()
        in_doubt = -1
        # What got no answer is asked about at the end, or when it is too much to go on.
        while in_doubt != len(self._doubtful):
            self._send()
            in_doubt = len(self._doubtful)
            self._settle()
        if self._leaves_the_rest:
            self._note_left()
            # Of those that were read only now some may be in doubt.
            self._settle()
            self._note_left()

    def _send(self) -> None:
        """Send rows until there are none, or the run is over."""
        self._leaves_the_rest = False
        while not self._is_over():
            quiet_until = self._quiet_until()
            if quiet_until is None:
                self._release()
            elif not self._sits_out(quiet_until):
                return
            if self._pool.in_flight:
                self._take_answers(TICK)
            elif quiet_until is None and not self._returned:
                return
            self._report_now_and_then()

    def _release(self) -> None:
        """Hand rows to those who send, after they are written down as perhaps sent."""
        fresh = self._fresh_rows()
        began = self._lease.clock()
        if not fresh and (began < self._renew_at or not self._sending):
            return
        now = self._steps.now()
        self._lease_end = now + timedelta(seconds=LEASE)
        self._renew_at = began + LEASE / 3
        self._sending.update(
            (row.digest, OpenRow(row.digest, now, self._lease_end, row.shown)) for row in fresh
        )
        self._write_checkpoint()
        self._lease.open(began + LEASE)
        for row in fresh:
            self._pool.send(row)

    def _fresh_rows(self) -> list[Sendable]:
        """Take as many rows as are to be sent now."""
        busy, in_flight = self._options.max_in_flight, self._pool.in_flight
        # As many more as are sent in a second, so that no thread waits for a write.
        most = min(busy + max(busy // 2, int(self._rate)), MAX_OPEN)
        if in_flight > (busy + most) // 2:
            return []
        ahead = most - in_flight
        rows = self._returned[:ahead]
        del self._returned[:ahead]
        room = min(ahead, MAX_OPEN - in_flight - len(self._doubtful)) - len(rows)
        return rows + self._planned(room)

    def _planned(self, count: int) -> list[Sendable]:
        """Take the next rows of the row_store that were not sent, and put aside those that may have been."""
        rows: list[Sendable] = []
        while len(rows) < count and not self._is_over():
            found = self._row_store.after(self._number, count - len(rows))
            if not found and self._loader.is_read:
                break
            if not found:
                self._read_on(MAX_OPEN)
            for row in found:
                self._number = row.number
                if row.digest in self._in_doubt:
                    self._doubtful[row.digest] = row
                elif row.digest not in self._settled:
                    rows.append(row)
        return rows

    def _take_answers(self, seconds: float) -> None:
        for answer in self._pool.answers(seconds):
            self._take(answer)
        if self._answered and self._lease.clock() - self._written_at >= WRITE_EVERY:
            self._write_checkpoint()

    def _take(self, answer: SendResult) -> None:
        row, came = answer.row, answer.came
        if isinstance(came, (CreatedTicket, UsedeskRejected)):
            self._unanswered = 0
        if isinstance(came, CreatedTicket):
            self._finish(row, came.ticket_id, came.not_delivered)
        elif isinstance(came, SendAborted):
            self._give_back(row)
        elif isinstance(came, (UsedeskInvalidRequest, UsedeskRejected)):
            del self._sending[row.digest]
            self._tally.note(Outcome.REJECTED, row.number, row.key, reason=f"{type(came).__name__}: {came}")
        elif isinstance(came, UsedeskError) and not isinstance(came, UsedeskOutcomeUnknown):
            self._give_back(row)
            self._halt = self._halt or came
        else:
            self._doubt(row)
            if not isinstance(came, UsedeskOutcomeUnknown):
                # Without its text, which nobody has looked through.
                self._halt = self._halt or UsedeskOutcomeUnknown(f"A send ended in {type(came).__name__}.")

    def _give_back(self, row: Sendable) -> None:
        del self._sending[row.digest]
        self._returned.append(row)

    def _doubt(self, row: Sendable) -> None:
        self._in_doubt[row.digest] = replace(self._sending[row.digest], until=self._steps.now())
        self._doubtful[row.digest] = row
        self._unanswered += 1
        del self._sending[row.digest]

    def _finish(self, row: Sendable, ticket_id: int, not_delivered: bool = False) -> None:
        done = Done(row.digest, ticket_id, not_delivered)
        # Before the row is closed: a signal may interrupt anywhere, and who writes then must have both.
        self._answered.append(done)
        self._sending.pop(row.digest, None)
        self._in_doubt.pop(row.digest, None)
        if self._doubtful.pop(row.digest, None):
            self._settled.add(row.digest)
        self._row_store.note_done([done])
        outcome = Outcome.NOT_DELIVERED if not_delivered else Outcome.SENT
        self._tally.note(outcome, row.number, row.key, ticket_id)

    def _settle(self) -> None:
        """LookUp Usedesk about the rows in doubt; those that were certainly not sent are to be sent again."""
        if not self._doubtful:
            return
        self._drain()
        if self.was_stopped or self._halt:
            return
        self._write_checkpoint()
        # Reading is no sending: it goes on in quiet hours, and for as long as it takes.
        self._lease.open(math.inf)
        rows = {row.number: row for row in self._doubtful.values()}
        with suppress(SendAborted):
            for number, verdict in self._verdicts(list(rows.values())):
                self._judge(rows[number], verdict)
        self._lease.close()
        self._write_checkpoint()

    def _verdicts(self, rows: Sequence[Sendable]) -> Iterable[tuple[int, LookUpResult]]:
        if self._options.on_unknown == "send":
            return [(row.number, Absent()) for row in rows]
        if self._options.on_unknown == "fail":
            reason = "it may have been sent, and on_unknown_outcome is 'fail'"
            return [(row.number, Ambiguous(reason)) for row in rows]
        doubts = []
        for row in rows:
            sent = self._in_doubt[row.digest]
            doubts.append(Doubt(row, sent.since, sent.until, is_alike=sent.shown == row.shown))
        return self._steps.look_up(doubts, self._row_store.knows_ticket)

    def _judge(self, row: Sendable, verdict: LookUpResult) -> None:
        if isinstance(verdict, Found):
            self._finish(row, verdict.response.ticket_id)
        elif isinstance(verdict, Ambiguous):
            self._tally.add_reason(row.number, verdict.reason)
        elif row.digest in self._resent:
            self._tally.add_reason(row.number, "sent twice without an answer, and not there")
        else:
            self._resent.add(row.digest)
            self._settled.add(row.digest)
            self._returned.append(row)
            del self._in_doubt[row.digest], self._doubtful[row.digest]

    def _write_checkpoint(self) -> None:
        sending = [replace(row, until=self._lease_end) for row in self._sending.values()]
        self._checkpoint.write(self._answered, [*self._in_doubt.values(), *sending])
        now = self._lease.clock()
        passed = max(now - self._written_at, TICK)
        self._rate = len(self._answered) / passed
        self._answered = []
        self._written_at = now

    def _quiet_until(self) -> datetime | None:
        quiet = self._options.quiet_hours
        return quiet.end(self._steps.now()) if quiet else None

    def _sits_out(self, until: datetime) -> bool:
        """Let requests under way end in quiet hours, and tell whether the run goes on behind these."""
        self._lease.close()
        if self._pool.in_flight:
            return True
        if self._options.in_quiet_hours == "leave":
            self._leaves_the_rest = True
            return False
        if self._answered:
            self._write_checkpoint()
        if self._options.pauses:
            raise Paused(until)
        self._lease.sleep(TICK)
        return True

    def _note_left(self) -> None:
        while rows := self._returned or self._planned(MAX_OPEN):
            self._returned = []
            for row in rows:
                self._tally.write(Outcome.LEFT, row.number, row.key, reason="quiet hours")

    def _is_over(self) -> bool:
        return (
            self.was_stopped
            or self._halt is not None
            or self._has_too_many_failures()
            # Usedesk is out of order, and each row without an answer has to be asked about.
            or self._unanswered > max(2 * self._options.max_in_flight, MOST_UNANSWERED)
        )

    def _has_too_many_failures(self) -> bool:
        limit = self._options.max_failures
        return limit is not None and failures(self.summary(), self._options) > as_number(
            limit, self._loader.read
        )

    def _drain(self, patience: float = math.inf) -> None:
        """Take the answers that are still to come; not for long when the task is told to stop."""
        self._lease.close()
        end = self._lease.clock() + patience
        while self._pool.in_flight:
            now = self._lease.clock()
            if self.was_stopped:
                end = min(end, now + LAST_ANSWERS)
            if now > end:
                return
            self._take_answers(TICK)

    def _end(self, patience: float = math.inf) -> None:
        """Take the last answers, and write down where the next try goes on."""
        try:
            self._drain(patience)
        finally:
            self._pool.dismiss()
            self._lease_end = self._steps.now()
            self._write_checkpoint()
        for row in self._doubtful.values():
            self._tally.write(Outcome.UNKNOWN, row.number, row.key, reason="it may have been sent")

    def _report_now_and_then(self) -> None:
        now = self._lease.clock()
        if now < self._next_report:
            return
        self._next_report = now + self._options.report_seconds
        summary = self.summary()
        log.info("%s", progress(summary))
        self._steps.report(summary)
        self._steps.results.show()
