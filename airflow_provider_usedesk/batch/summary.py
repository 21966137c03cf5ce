"""The summary of a batch: the outcomes of its rows, counted, logged and judged."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from airflow_provider_usedesk.batch.options import BatchOptions, as_number
from airflow_provider_usedesk.batch.result_file import ResultWriter
from airflow_provider_usedesk.batch.row import place

log = logging.getLogger(__name__)

MAX_REASONS = 10
"""Reasons and numbers of bad rows that the log names; the result file has all."""


class Outcome(StrEnum):
    """The outcome of a row."""

    SENT = "sent"
    SKIPPED = "skipped"
    DUPLICATE = "duplicate"
    BAD = "bad"
    REJECTED = "rejected"
    NOT_DELIVERED = "not_delivered"
    UNKNOWN = "unknown"
    LEFT = "left"


WORDS = {
    Outcome.SENT: "sent",
    Outcome.SKIPPED: "sent before",
    Outcome.DUPLICATE: "duplicate",
    Outcome.BAD: "bad",
    Outcome.REJECTED: "rejected",
    Outcome.NOT_DELIVERED: "not delivered",
    Outcome.UNKNOWN: "unknown",
    Outcome.LEFT: "left",
}
"""What the log calls the rows with an outcome."""


@dataclass(frozen=True)
class Summary:
    """
    How many rows have which outcome. Each row that was read has one.

    :param rows: number of rows, the sum of all outcomes; None while not all were read
    :param sent: sent in this attempt
    :param skipped: sent by an earlier attempt
    :param duplicate: not sent, because another row has the same key
    :param bad: not valid, not sent
    :param rejected: rejected by Usedesk
    :param not_delivered: not accepted by the messenger, now or earlier; the ticket exists
    :param unknown: may have been sent
    :param left: not sent yet
    :param seconds: duration of the run
    :param requests: number of requests
    :param recipients_changed: whether the recipients differ from those of the earlier attempt
    :param dry_run: whether it was a rehearsal, which sends nothing; its valid rows are ``left``
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
    dry_run: bool = False

    @property
    def rows_so_far(self) -> int:
        """Number of rows that were read, the sum of all outcomes."""
        return sum(self.count(outcome) for outcome in Outcome)

    def describe(self, words: Mapping[Outcome, str], *always: Outcome) -> str:
        """
        Return the outcomes as a list of words.

        :param words: the words of each outcome to name, in their order
        :param always: outcomes that are named although no row has them
        """
        counts = ((self.count(outcome), outcome) for outcome in words)
        return ", ".join(
            f"{count} {words[outcome]}" for count, outcome in counts if count or outcome in always
        )

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def count(self, outcome: Outcome) -> int:
        """Return how many rows have an outcome."""
        return int(getattr(self, outcome.value))


class OutcomeRecorder:
    """
    Counts the outcomes of the rows, and writes them to the result file.

    :param results: the result file
    """

    def __init__(self, results: ResultWriter) -> None:
        self._results = results
        self.counts: Counter[Outcome] = Counter()
        self.reasons: list[str] = []
        self._bad_rows: list[int] = []

    def record(
        self,
        outcome: Outcome,
        number: int,
        key: str,
        ticket_id: int | None = None,
        reason: str = "",
        line: int | None = None,
    ) -> None:
        """
        Count and write the final outcome of a row.

        :param outcome: the outcome
        :param number: number of the row
        :param key: key of the row; empty if it has none
        :param ticket_id: id of its ticket; default: None, no ticket
        :param reason: why it was not sent; default: empty
        :param line: its line in the file; default: None, not from a file
        """
        self.counts[outcome] += 1
        self.write(outcome, number, key, ticket_id, reason)
        if outcome in (Outcome.BAD, Outcome.REJECTED):
            self.add_reason(number, reason, line)
        if outcome is Outcome.BAD and len(self._bad_rows) < MAX_REASONS:
            self._bad_rows.append(number)

    def write(
        self, outcome: Outcome, number: int, key: str, ticket_id: int | None = None, reason: str = ""
    ) -> None:
        """Write the outcome of a row that a later attempt may send, without counting it."""
        self._results.write(number, key, outcome, ticket_id, reason)

    def add_reason(self, number: int, reason: str, line: int | None = None) -> None:
        """Keep the reason of a row for the log, unless the log has enough of them."""
        if len(self.reasons) < MAX_REASONS:
            self.reasons.append(f"{place(number, line)}: {reason}")

    def log(self, summary: Summary) -> None:
        """Log the bad rows, the reasons and the summary."""
        if summary.rows == 0:
            log.warning("There are no recipients, so nothing was sent. Check recipients if you expect some.")
        if summary.bad:
            log.warning(
                "%d of %d rows are bad and were not sent: row %s%s.",
                summary.bad,
                summary.rows_so_far,
                ", ".join(map(str, self._bad_rows)),
                f" and {more} more" if (more := summary.bad - len(self._bad_rows)) else "",
            )
        if summary.unknown:
            log.warning(
                "%d rows may have been sent, and Usedesk does not show whether. "
                "The next attempt looks them up.",
                summary.unknown,
            )
        for reason in self.reasons:
            log.warning("%s", reason)
        others = summary.bad + summary.rejected - len(self.reasons)
        if others > 0:
            log.warning(
                "%d more rows are bad or rejected. With results_path, a file has all reasons.", others
            )
        log.info("%s", progress(summary))


def failures(summary: Summary, options: BatchOptions) -> int:
    """Return the number of rows that failed. Bad rows have a limit of their own."""
    return sum(summary.count(outcome) for outcome in _failed_outcomes(options))


def failure(summary: Summary, options: BatchOptions) -> str | None:
    """
    Return why a batch has failed, according to its options; None if it has not.

    :param summary: the summary of the whole run
    :param options: the options of the batch
    """
    reasons = []
    if options.fail_if_empty and summary.rows == 0:
        reasons.append("There are no recipients, and fail_if_empty is set.")
    if summary.rows is not None and summary.bad > as_number(options.max_bad_rows, summary.rows):
        reasons.append(
            f"{summary.bad} of {summary.rows} rows are bad, and max_bad_rows is {options.max_bad_rows}."
        )
    if _have_too_many_failed(summary, options):
        failed = {outcome: WORDS[outcome] for outcome in _failed_outcomes(options)}
        reasons.append(
            f"{failures(summary, options)} of {summary.rows_so_far} rows failed: {summary.describe(failed)}."
        )
    return " ".join(reasons) or None


def progress(summary: Summary) -> str:
    """Return a sentence about the progress of a batch."""
    text = f"{summary.rows_so_far} rows"
    if summary.rows is None:
        text += " so far"
    if summary.dry_run:
        words = {Outcome.LEFT: "valid", Outcome.DUPLICATE: "duplicate", Outcome.BAD: "bad"}
        return f"Rehearsal, nothing was sent. {text}: {summary.describe(words, Outcome.LEFT)}."
    text += f": {summary.describe(WORDS, Outcome.SENT)}"
    done = summary.sent + summary.not_delivered + summary.rejected
    if summary.seconds and done:
        rate = done / summary.seconds
        text += f"; {rate * 60:.0f} a minute"
        if summary.left and summary.rows is not None:
            text += f", {_duration(summary.left / rate)} to go"
    return text + "."


def _have_too_many_failed(summary: Summary, options: BatchOptions) -> bool:
    count = failures(summary, options)
    limit = options.max_failures
    if limit is not None and count > as_number(limit, summary.rows_so_far):
        return True
    if options.fail_on == "all":
        return count > 0 and not summary.sent + summary.skipped
    return count > 0 and options.fail_on == "any"


def _failed_outcomes(options: BatchOptions) -> tuple[Outcome, ...]:
    not_delivered = () if options.ignore_not_delivered else (Outcome.NOT_DELIVERED,)
    return (Outcome.REJECTED, Outcome.UNKNOWN, *not_delivered)


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
