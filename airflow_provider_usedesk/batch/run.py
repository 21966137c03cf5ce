"""Send the rows of a batch: some at a time, each once, and resumable wherever it ends."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from itertools import chain, islice
from queue import Empty, SimpleQueue
from typing import Any, Literal, Protocol

from airflow_provider_usedesk.api.answers import CreatedTicket
from airflow_provider_usedesk.api.errors import (
    UsedeskError,
    UsedeskInvalidRequest,
    UsedeskOutcomeUnknown,
    UsedeskRejected,
)
from airflow_provider_usedesk.batch.arguments import FaultyRow, RowArguments
from airflow_provider_usedesk.batch.ledger import Ledger, Open, Seen
from airflow_provider_usedesk.batch.quiet_hours import QuietHours
from airflow_provider_usedesk.batch.recipients import Row, Unreadable
from airflow_provider_usedesk.batch.worklist import Done, Sendable, Worklist
from airflow_provider_usedesk.send_once import Absent, Found, OnUnknown, Unsure

log = logging.getLogger(__name__)

# Rows that may be in doubt at the same time: so many are asked about at most after a kill.
MAX_OPEN = 256
# Rows in a row without an answer that end a run.
MOST_UNANSWERED = 32
# Seconds after which a thread that waits looks whether it should stop.
TICK = 0.5
# Seconds that requests under way get to end when the task is told to stop.
LAST_ANSWERS = 3.0
# Seconds between two writes of answers while no row is released.
WRITE_EVERY = 1.0
# Reasons that the log names before it leaves the others to the result file.
NAMED_REASONS = 10


class Outcome(StrEnum):
    """Say what became of a row."""

    SENT = "sent"
    SKIPPED = "skipped"
    DUPLICATE = "duplicate"
    BAD = "bad"
    REJECTED = "rejected"
    NOT_DELIVERED = "not_delivered"
    UNKNOWN = "unknown"
    LEFT = "left"


@dataclass(frozen=True)
class Rules:
    """
    Say how a batch is sent.

    :param max_in_flight: requests under way at the same time
    :param validate: ``first`` checks all rows before any is sent, ``row`` each before it is sent
    :param max_bad_rows: faulty rows, as a number or a share, with which rows are sent all the same
    :param max_failures: failures, as a number or a share, that a run goes on with; None for any
    :param fail_on: whether the batch has failed when ``any`` row did, when ``all`` did, or for ``none``
    :param ignore_not_delivered: whether a message that the messenger did not take is no failure
    :param on_unknown: what to do about rows that an earlier try may have sent
    :param quiet_hours: when nothing is sent
    :param in_quiet_hours: whether rows ``wait`` or are left (``leave``) then
    :param pauses: whether to wait by raising :class:`Paused`
    :param report_seconds: between two reports of the progress
    """

    max_in_flight: int = 8
    validate: Literal["first", "row"] = "first"
    max_bad_rows: float = 0
    max_failures: float | None = None
    fail_on: Literal["any", "all", "none"] = "any"
    ignore_not_delivered: bool = False
    on_unknown: OnUnknown = "verify"
    quiet_hours: QuietHours | None = None
    in_quiet_hours: Literal["wait", "leave"] = "wait"
    pauses: bool = False
    report_seconds: float = 30.0


@dataclass(frozen=True)
class Summary:
    """
    Hold what became of the rows.

    :param rows: how many there are; None while not all are read
    :param sent: sent in this try
    :param skipped: sent by an earlier try
    :param duplicate: left out, as another row has the same key
    :param bad: with faults, not sent
    :param rejected: refused by Usedesk
    :param not_delivered: not taken by the messenger; there is a ticket
    :param unknown: perhaps sent
    :param left: not sent yet
    :param seconds: how long it took
    :param requests: how many requests it took
    :param recipients_changed: whether the recipients are others than in the first try
    """

    rows: int | None = None
    sent: int = 0
    skipped: int = 0
    duplicate: int = 0
    bad: int = 0
    rejected: int = 0
    not_delivered: int = 0
    unknown: int = 0
    left: int = 0
    seconds: float = 0.0
    requests: int = 0
    recipients_changed: bool = False

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class TooManyBadRows(UsedeskInvalidRequest):
    """Report that nothing was sent, for too many rows have faults."""


class Paused(Exception):
    """
    Report that the rest waits for the end of the quiet hours.

    :param until: when that is, UTC
    """

    def __init__(self, until: datetime) -> None:
        super().__init__(f"Quiet hours until {until.isoformat()}.")
        self.until = until


class HandedBack(Exception):
    """Report that a row was not sent, because nothing is to be sent now."""


class Gate:
    """
    Say whether rows may be sent now.

    :param clock: tells the seconds passed
    :param sleep: waits for some seconds
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.is_closed = False
        self.clock = clock
        self.sleep = sleep

    def pause(self, seconds: float) -> None:
        """
        Wait before sending.

        :raises HandedBack: when the gate is closed meanwhile
        """
        end = self.clock() + seconds
        while (left := end - self.clock()) > 0:
            if self.is_closed:
                raise HandedBack
            self.sleep(min(left, TICK))


class Results(Protocol):
    """Where what became of each row is written."""

    def write(self, number: int, key: str, outcome: str, ticket_id: int | None, reason: str) -> None: ...


class NoResults:
    """Stand in where nobody wants a result file."""

    def write(self, number: int, key: str, outcome: str, ticket_id: int | None, reason: str) -> None:
        """Do nothing."""


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

    check: Callable[[str, dict[str, Any]], tuple[Mapping[str, Any], Sequence[str]]]
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
        self._source = iter(rows)
        self._arguments = arguments
        self._ledger = ledger
        self._rules = rules
        self._steps = steps
        self._gate = gate
        self._counts: Counter[Outcome] = Counter()
        self._reasons: list[str] = []
        self._fingerprint = sha256()
        self._read = 0
        self._to_send = 0
        self._is_read = False
        self._is_changed = False
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
        return self._is_changed

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
                self._plan()
                self._check_bad_rows()
            try:
                self._send_everything()
            finally:
                self._end()
        summary = self.summary()
        self._log_end(summary)
        return summary

    def summary(self) -> Summary:
        """Return what became of the rows so far."""
        counts = {outcome.value: self._counts[outcome] for outcome in Outcome}
        ended = (Outcome.SENT, Outcome.REJECTED, Outcome.NOT_DELIVERED)
        unknown = len(self._doubtful)
        left = self._to_send - sum(self._counts[outcome] for outcome in ended) - unknown
        return Summary(
            rows=self._read if self._is_read else None,
            **{**counts, "unknown": unknown, "left": left},
            seconds=round(self._gate.clock() - self._began, 1),
            requests=self._steps.requests(),
            recipients_changed=self._is_changed,
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

    def _plan(self, limit: int | None = None) -> None:
        """Read rows, check them, and put those that are to be sent on the list."""
        last = self._read + limit if limit else None
        for row in islice(self._source, limit):
            self._read += 1
            if isinstance(row, Unreadable):
                self._fingerprint.update(b"?")
                self._note(Outcome.BAD, row.number, "", reason=row.reason)
            else:
                self._plan_one(row)
            if self._is_stopped or self._read == last:
                return
        self._is_read = True
        self._compare_with_earlier()

    def _plan_one(self, row: Row) -> None:
        self._fingerprint.update(json.dumps(row.columns, default=str, sort_keys=True).encode())
        key = ""
        try:
            key = self._arguments.key(row.columns)
            fields, files = self._steps.check(key, self._arguments.parameters(row.columns))
        except (FaultyRow, UsedeskInvalidRequest) as fault:
            self._note(Outcome.BAD, row.number, key, reason="; ".join(fault.faults))
            return
        claimed = self._worklist.claim(key, row.number)
        if isinstance(claimed, Done):
            self._note_done_before(row.number, key, claimed)
        elif claimed is not None:
            self._note(Outcome.DUPLICATE, row.number, key, reason=f"the same key as row {claimed}")
        else:
            self._worklist.add(Sendable(row.number, key, fields, files))
            self._to_send += 1

    def _note_done_before(self, number: int, key: str, done: Done) -> None:
        # What was not delivered stays a failure, as it does for a single message.
        self._to_send += done.not_delivered
        outcome = Outcome.NOT_DELIVERED if done.not_delivered else Outcome.SKIPPED
        self._note(outcome, number, key, done.ticket_id)

    def _check_bad_rows(self) -> None:
        bad = self._counts[Outcome.BAD]
        if self._is_read and bad > _limit(self._rules.max_bad_rows, self._read):
            more = [f"and {bad - len(self._reasons)} more rows"] if bad > len(self._reasons) else []
            raise TooManyBadRows([f"{bad} of {self._read} rows have faults", *self._reasons, *more])

    def _compare_with_earlier(self) -> None:
        seen, before = Seen(self._read, self._fingerprint.hexdigest()), self._ledger.seen
        self._ledger.write_seen(seen)
        if before is None or before == seen:
            return
        self._is_changed = True
        log.warning(
            "The recipients are not those of the earlier try: %d rows now, %d then. Rows are known by their "
            "keys: %d of them were sent and are not sent again; %d that were sent are no longer among them.",
            seen.rows,
            before.rows,
            self._counts[Outcome.SKIPPED],
            self._worklist.count_missing(),
        )

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
                self._steps.results.write(row.number, row.key, Outcome.LEFT, None, "quiet hours")

    def _rows(self) -> Iterator[Sendable]:
        number = 0
        while not self._is_over():
            rows = self._worklist.after(number, MAX_OPEN)
            if not rows and not self._is_read:
                self._plan(MAX_OPEN)
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
            self._note(Outcome.REJECTED, row.number, row.key, reason=f"{type(came).__name__}: {came}")
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
        self._note(outcome, row.number, row.key, ticket_id)

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
                self._remember_reason(f"row {row.number}: {found.reason}")
            elif row.digest in self._resent:
                self._remember_reason(f"row {row.number}: sent twice without an answer, and not there")
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
        return limit is not None and failures(self.summary(), self._rules) > _limit(limit, self._read)

    def _end(self) -> None:
        """Take the last answers, and write down where the next try goes on."""
        self._gate.is_closed = True
        deadline = self._gate.clock() + LAST_ANSWERS
        while self._crew.in_flight and not (self._is_stopped and self._gate.clock() > deadline):
            self._take_answers(TICK)
        self._crew.dismiss()
        self._write_ledger()
        for row in self._doubtful.values():
            self._steps.results.write(row.number, row.key, Outcome.UNKNOWN, None, "it may have been sent")

    def _note(
        self, outcome: Outcome, number: int, key: str, ticket_id: int | None = None, reason: str = ""
    ) -> None:
        self._counts[outcome] += 1
        self._steps.results.write(number, key, outcome, ticket_id, reason)
        if outcome in (Outcome.BAD, Outcome.REJECTED):
            self._remember_reason(f"row {number}: {reason}")

    def _remember_reason(self, reason: str) -> None:
        if len(self._reasons) < NAMED_REASONS:
            self._reasons.append(reason)

    def _report_now_and_then(self) -> None:
        now = self._gate.clock()
        if now < self._next_report:
            return
        self._next_report = now + self._rules.report_seconds
        summary = self.summary()
        log.info("%s", progress(summary))
        self._steps.report(summary)

    def _log_end(self, summary: Summary) -> None:
        for reason in self._reasons:
            log.warning("%s", reason)
        count = summary.bad + summary.rejected
        if count > len(self._reasons):
            log.warning("And %d more rows; the result file has all of them.", count - len(self._reasons))
        log.info("%s", progress(summary))


@dataclass(frozen=True)
class Answer:
    """
    Hold what came of sending a row.

    :param row: the row
    :param came: the ticket, or the error
    """

    row: Sendable
    came: CreatedTicket | BaseException


class Crew:
    """
    Send rows in a bounded number of threads.

    :param send: sends one row
    :param size: how many threads
    :param gate: while it is closed, rows are handed back
    """

    def __init__(self, send: Callable[[Sendable], CreatedTicket], size: int, gate: Gate) -> None:
        self._send = send
        self._size = size
        self._gate = gate
        self._rows: SimpleQueue[Sendable | None] = SimpleQueue()
        self._answers: SimpleQueue[Answer] = SimpleQueue()
        self._threads = 0
        self.in_flight = 0

    def send(self, row: Sendable) -> None:
        """Send a row as soon as a thread is free."""
        self.in_flight += 1
        if self._threads < self._size:
            self._threads += 1
            # A daemon: a server that does not answer must not keep the process from ending.
            threading.Thread(target=self._work, name="usedesk-batch", daemon=True).start()
        self._rows.put(row)

    def answers(self, seconds: float) -> Iterator[Answer]:
        """Give the answers that are there; wait some seconds for the first."""
        try:
            answer = self._answers.get(timeout=seconds)
            while True:
                self.in_flight -= 1
                yield answer
                answer = self._answers.get_nowait()
        except Empty:
            return

    def dismiss(self) -> None:
        """Let the threads end."""
        for _ in range(self._threads):
            self._rows.put(None)

    def _work(self) -> None:
        while (row := self._rows.get()) is not None:
            self._answers.put(Answer(row, self._outcome(row)))

    def _outcome(self, row: Sendable) -> CreatedTicket | BaseException:
        if self._gate.is_closed:
            return HandedBack()
        try:
            return self._send(row)
        except BaseException as error:
            return error


def failures(summary: Summary, rules: Rules) -> int:
    """Count the rows that failed."""
    not_delivered = 0 if rules.ignore_not_delivered else summary.not_delivered
    return summary.bad + summary.rejected + summary.unknown + not_delivered


def has_failed(summary: Summary, rules: Rules) -> bool:
    """Tell whether a batch has failed, by the rule that the user set."""
    count = failures(summary, rules)
    if rules.max_failures is not None and count > _limit(rules.max_failures, summary.rows or 0):
        return True
    if rules.fail_on == "all":
        return count > 0 and not summary.sent + summary.skipped
    return count > 0 and rules.fail_on == "any"


def progress(summary: Summary) -> str:
    """Say how far a batch has come."""
    done = summary.sent + summary.not_delivered + summary.rejected
    total = done + summary.left + summary.unknown
    of_all = f" of {total}" if summary.rows is not None else ""
    parts = [f"Sent {summary.sent}{of_all}"]
    if summary.seconds and done:
        rate = done / summary.seconds
        parts.append(f"{rate * 60:.0f} a minute")
        if summary.left and summary.rows is not None:
            parts.append(f"{_duration(summary.left / rate)} left")
    others = ("skipped", "duplicate", "bad", "rejected", "not_delivered", "unknown")
    parts += [f"{count} {name.replace('_', ' ')}" for name in others if (count := getattr(summary, name))]
    return ", ".join(parts) + "."


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def _limit(limit: float, rows: int) -> float:
    """Return a limit as a number: below 1 it is a share of the rows."""
    return limit * rows if 0 < limit < 1 else limit
