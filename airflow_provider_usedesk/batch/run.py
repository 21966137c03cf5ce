"""Send the rows of a batch: some at a time, each once, and resumable wherever it ends."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, islice
from typing import Protocol

from airflow_provider_usedesk.api.answers import CreatedTicket
from airflow_provider_usedesk.api.errors import (
    UsedeskError,
    UsedeskInvalidRequest,
    UsedeskOutcomeUnknown,
    UsedeskRejected,
)
from airflow_provider_usedesk.batch.arguments import RowArguments
from airflow_provider_usedesk.batch.crew import TICK, Answer, Crew, Gate, HandedBack
from airflow_provider_usedesk.batch.ledger import Ledger, Open
from airflow_provider_usedesk.batch.plan import Check, Plan
from airflow_provider_usedesk.batch.recipients import Row, Unreadable
from airflow_provider_usedesk.batch.report import Outcome, Results, Summary, Tally, failures, progress
from airflow_provider_usedesk.batch.settings import Rules, as_number
from airflow_provider_usedesk.batch.worklist import Done, Sendable, Worklist
from airflow_provider_usedesk.send_once import Absent, Found, Unsure

log = logging.getLogger(__name__)

# Rows that may be in doubt at the same time: so many are asked about at most after a kill.
MAX_OPEN = 256
# Rows in a row without an answer that end a run.
MOST_UNANSWERED = 32
# Seconds that requests under way get to end when the task is told to stop.
LAST_ANSWERS = 3.0
# Seconds between two writes of answers while no row is released.
WRITE_EVERY = 1.0


class Paused(Exception):
    """
    Report that the rest waits for the end of the quiet hours.

    :param until: when that is, UTC
    """

    def __init__(self, until: datetime) -> None:
        super().__init__(f"Quiet hours until {until.isoformat()}.")
        self.until = until


class LookUp(Protocol):
    """Asks Usedesk which of some rows were sent, by their numbers."""

    def __call__(
        self, rows: Sequence[Sendable], open_rows: Open, knows_ticket: Callable[[int], bool]
    ) -> Mapping[int, Found[CreatedTicket] | Absent | Unsure]: ...


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

    Every row is written to the ledger before it is sent and after it was, so that the next try, wherever this
    one ends, sends what was not sent, and asks Usedesk about the few rows in between.

    :param rows: the recipients
    :param arguments: makes the parameters of a row
    :param ledger: what is remembered between the tries
    :param rules: how to send
    :param steps: what is done outside
    :param gate: is closed while nothing is to be sent
    """

    def __init__(
        self,
        rows: Iterable[Row | Unreadable],
        arguments: RowArguments,
        ledger: Ledger,
        rules: Rules,
        steps: Steps,
        gate: Gate,
    ) -> None:
        self._ledger = ledger
        self._rules = rules
        self._steps = steps
        self._gate = gate
        self._tally = Tally(steps.results)
        self._plan = Plan(rows, arguments, steps.check, self._tally)
        self._began = gate.clock()
        self._next_report = self._began + rules.report_seconds
        # By digest, what may have been sent: since when, and the rows that nobody knows about yet.
        self._open: dict[int, datetime] = {}
        self._until: datetime | None = None
        self._doubtful: dict[int, Sendable] = {}
        self._finished: set[int] = set()
        self._resent: set[int] = set()
        self._unanswered = 0
        self._crew = Crew(steps.send, rules.max_in_flight, gate)
        self._returned: list[Sendable] = []
        self._answered: list[Done] = []
        self._written_at = self._began
        self._rate = 0.0
        self._halt: UsedeskError | None = None
        self._is_stopped = False

    def stop(self) -> None:
        """Send nothing more; safe to call from a signal handler."""
        self._is_stopped = True
        self._gate.is_closed = True

    @property
    def was_stopped(self) -> bool:
        return self._is_stopped

    @property
    def is_changed(self) -> bool:
        """Whether the recipients are known to be others than in an earlier try."""
        return self._plan.is_changed

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
        with Worklist() as self._worklist:
            self._recall()
            if self._rules.validate == "first":
                self._read_on()
                self._plan.check_bad_rows(self._rules.max_bad_rows)
            try:
                self._send_everything()
            finally:
                self._end()
        summary = self.summary()
        self._tally.log(summary)
        return summary

    def summary(self) -> Summary:
        """Return what became of the rows so far."""
        plan, counts = self._plan, self._tally.counts
        ended = (Outcome.SENT, Outcome.REJECTED, Outcome.NOT_DELIVERED)
        unknown = len(self._doubtful)
        left = plan.to_send - sum(counts[outcome] for outcome in ended) - unknown
        return Summary(
            rows=plan.read if plan.is_read else None,
            **{**{outcome.value: counts[outcome] for outcome in Outcome}, "unknown": unknown, "left": left},
            seconds=round(self._gate.clock() - self._began, 1),
            requests=self._steps.requests(),
            recipients_changed=plan.is_changed,
        )

    def _recall(self) -> None:
        self._worklist.note_done(self._ledger.read())
        if (open_rows := self._ledger.open) is None:
            return
        for one in open_rows.digests:
            if not self._worklist.is_done(one):
                self._open[one] = open_rows.since
        self._until = open_rows.until
        if self._open:
            log.info("An earlier try may have sent %d rows without knowing of it.", len(self._open))

    def _read_on(self, limit: int | None = None) -> None:
        self._plan.go_on(self._worklist, self._ledger, limit, lambda: self._is_stopped)

    def _send_everything(self) -> None:
        if self._rules.validate == "first":
            self._doubtful = {row.digest: row for row in self._worklist.with_digests(self._open)}
        rows, again, in_doubt = self._rows(), self._settle(), -1
        # What got no answer is asked about at the end, or when it is too much to go on.
        while in_doubt != len(self._doubtful):
            self._send(chain(again, rows))
            in_doubt = len(self._doubtful)
            again = self._settle()
        if self._rules.in_quiet_hours == "leave" and not self._is_over():
            for row in chain(self._returned, rows):
                self._tally.write(Outcome.LEFT, row.number, row.key, reason="quiet hours")

    def _rows(self) -> Iterator[Sendable]:
        number = 0
        while not self._is_over():
            rows = self._worklist.after(number, MAX_OPEN)
            if not rows and not self._plan.is_read:
                self._read_on(MAX_OPEN)
                continue
            if not rows:
                return
            number = rows[-1].number
            for row in rows:
                if row.digest in self._open:
                    self._doubtful[row.digest] = row
                elif row.digest not in self._finished:
                    yield row

    def _send(self, rows: Iterator[Sendable]) -> None:
        """Send rows until there are none, or the run is over."""
        while not self._is_over():
            quiet_until = self._quiet_until()
            if quiet_until is None:
                self._gate.is_closed = self._is_stopped
                self._release(rows)
            elif not self._sits_out(quiet_until):
                return
            if self._crew.in_flight:
                self._take_answers(TICK)
            elif quiet_until is None and not self._returned:
                return
            self._report_now_and_then()

    def _release(self, rows: Iterator[Sendable]) -> None:
        """Hand rows to those who send, after they are written down as perhaps sent."""
        busy = self._rules.max_in_flight
        # As many more as are sent in a second, so that no thread waits for a write.
        most = min(busy + max(busy // 2, int(self._rate)), MAX_OPEN)
        if self._crew.in_flight > (busy + most) // 2:
            return
        ahead = most - self._crew.in_flight
        fresh = self._returned[:ahead]
        del self._returned[:ahead]
        fresh += islice(rows, max(min(ahead, MAX_OPEN - len(self._open)) - len(fresh), 0))
        if not fresh:
            return
        now = self._steps.now()
        self._open.update((row.digest, now) for row in fresh)
        self._until = now
        self._write_ledger()
        for row in fresh:
            self._crew.send(row)

    def _take_answers(self, seconds: float) -> None:
        for answer in self._crew.answers(seconds):
            self._take(answer)
        if self._answered and self._gate.clock() - self._written_at >= WRITE_EVERY:
            self._write_ledger()

    def _take(self, answer: Answer) -> None:
        row, came = answer.row, answer.came
        if isinstance(came, (CreatedTicket, UsedeskRejected)):
            self._unanswered = 0
        if isinstance(came, CreatedTicket):
            self._finish(row, came.ticket_id, came.not_delivered)
        elif isinstance(came, HandedBack):
            self._give_back(row)
        elif isinstance(came, (UsedeskInvalidRequest, UsedeskRejected)):
            del self._open[row.digest]
            self._tally.note(Outcome.REJECTED, row.number, row.key, reason=f"{type(came).__name__}: {came}")
        elif isinstance(came, UsedeskError) and not isinstance(came, UsedeskOutcomeUnknown):
            self._give_back(row)
            self._halt = self._halt or came
        else:
            self._doubtful[row.digest] = row
            self._unanswered += 1
            if not isinstance(came, UsedeskOutcomeUnknown):
                # Without its text, which nobody has looked through.
                self._halt = self._halt or UsedeskOutcomeUnknown(f"A send ended in {type(came).__name__}.")

    def _give_back(self, row: Sendable) -> None:
        del self._open[row.digest]
        self._returned.append(row)

    def _finish(self, row: Sendable, ticket_id: int, not_delivered: bool = False) -> None:
        done = Done(row.digest, ticket_id, not_delivered)
        self._open.pop(row.digest, None)
        if self._doubtful.pop(row.digest, None):
            self._finished.add(row.digest)
        self._worklist.note_done([done])
        self._answered.append(done)
        outcome = Outcome.NOT_DELIVERED if not_delivered else Outcome.SENT
        self._tally.note(outcome, row.number, row.key, ticket_id)

    def _settle(self) -> list[Sendable]:
        """Ask Usedesk about the rows in doubt, and return those that were certainly not sent."""
        doubtful = list(self._doubtful.values())
        if not doubtful or self._is_stopped or self._halt:
            return []
        self._write_ledger()
        # Reading is no sending: it goes on in quiet hours.
        self._gate.is_closed = self._is_stopped
        absent = []
        for row, found in self._asked(doubtful):
            if isinstance(found, Found):
                self._finish(row, found.answer.ticket_id)
            elif isinstance(found, Unsure):
                self._tally.add_reason(row.number, found.reason)
            elif row.digest in self._resent:
                self._tally.add_reason(row.number, "sent twice without an answer, and not there")
            else:
                del self._open[row.digest], self._doubtful[row.digest]
                self._finished.add(row.digest)
                self._resent.add(row.digest)
                absent.append(row)
        self._write_ledger()
        return absent

    def _asked(
        self, rows: Sequence[Sendable]
    ) -> Iterator[tuple[Sendable, Found[CreatedTicket] | Absent | Unsure]]:
        if self._rules.on_unknown == "send":
            return ((row, Absent()) for row in rows)
        if self._rules.on_unknown == "fail":
            reason = "it may have been sent, and on_unknown_outcome is 'fail'"
            return ((row, Unsure(reason)) for row in rows)
        try:
            found = self._steps.look_up(rows, self._open_rows(rows), self._worklist.knows_ticket)
        except HandedBack:
            return iter(())
        return ((row, found[row.number]) for row in rows)

    def _open_rows(self, rows: Iterable[Sendable] = ()) -> Open:
        digests = tuple(row.digest for row in rows) or tuple(self._open)
        now = self._steps.now()
        return Open(digests, min((self._open[one] for one in digests), default=now), self._until or now)

    def _write_ledger(self) -> None:
        self._ledger.write(self._answered, self._open_rows() if self._open else None)
        now = self._gate.clock()
        passed = max(now - self._written_at, TICK)
        self._rate = len(self._answered) / passed
        self._answered = []
        self._written_at = now

    def _quiet_until(self) -> datetime | None:
        quiet = self._rules.quiet_hours
        return quiet.end(self._steps.now()) if quiet else None

    def _sits_out(self, until: datetime) -> bool:
        """Let requests under way end in quiet hours, and tell whether the run goes on behind these."""
        self._gate.is_closed = True
        if self._crew.in_flight:
            return True
        if self._rules.in_quiet_hours == "leave":
            return False
        if self._answered:
            self._write_ledger()
        if self._rules.pauses:
            raise Paused(until)
        self._gate.sleep(TICK)
        return True

    def _is_over(self) -> bool:
        return (
            self._is_stopped
            or self._halt is not None
            or self._has_too_many_failures()
            # Usedesk is out of order, and each row without an answer has to be asked about.
            or self._unanswered > max(2 * self._rules.max_in_flight, MOST_UNANSWERED)
        )

    def _has_too_many_failures(self) -> bool:
        limit = self._rules.max_failures
        return limit is not None and failures(self.summary(), self._rules) > as_number(limit, self._plan.read)

    def _end(self) -> None:
        """Take the last answers, and write down where the next try goes on."""
        self._gate.is_closed = True
        deadline = self._gate.clock() + LAST_ANSWERS
        while self._crew.in_flight and not (self._is_stopped and self._gate.clock() > deadline):
            self._take_answers(TICK)
        self._crew.dismiss()
        self._write_ledger()
        for row in self._doubtful.values():
            self._tally.write(Outcome.UNKNOWN, row.number, row.key, reason="it may have been sent")

    def _report_now_and_then(self) -> None:
        now = self._gate.clock()
        if now < self._next_report:
            return
        self._next_report = now + self._rules.report_seconds
        summary = self.summary()
        log.info("%s", progress(summary))
        self._steps.report(summary)
