"""What became of the rows of a batch: counted, written down, told while it runs, judged at the end."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Protocol

from airflow_provider_usedesk.batch.options import BatchOptions, as_number

log = logging.getLogger(__name__)

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
class Summary:
    """
    Hold what became of the rows.

    :param rows: how many there are; None while not all are read
    :param sent: sent in this try
    :param skipped: sent by an earlier try
    :param duplicate: left out, as another row has the same key
    :param bad: with validation_errors, not sent
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


class Results(Protocol):
    """Where what became of each row is written."""

    def write(self, number: int, key: str, outcome: str, ticket_id: int | None, reason: str) -> None: ...
    def show(self) -> None: ...


class NoResults:
    """Stand in where nobody wants a result file."""

    def write(self, number: int, key: str, outcome: str, ticket_id: int | None, reason: str) -> None:
        """Do nothing."""

    def show(self) -> None:
        """Do nothing."""


class Tally:
    """
    Count what became of the rows, and write it down.

    :param results: where what became of each row is written
    """

    def __init__(self, results: Results) -> None:
        self._results = results
        self.counts: Counter[Outcome] = Counter()
        self.reasons: list[str] = []

    def note(
        self, outcome: Outcome, number: int, key: str, ticket_id: int | None = None, reason: str = ""
    ) -> None:
        """Note what became of a row."""
        self.counts[outcome] += 1
        self.write(outcome, number, key, ticket_id, reason)
        if outcome in (Outcome.BAD, Outcome.REJECTED):
            self.add_reason(number, reason)

    def write(
        self, outcome: Outcome, number: int, key: str, ticket_id: int | None = None, reason: str = ""
    ) -> None:
        """Write down how a row stands that may still be sent, uncounted."""
        self._results.write(number, key, outcome, ticket_id, reason)

    def add_reason(self, number: int, reason: str) -> None:
        """Keep the reason of a row for the log, if it is one of the first."""
        if len(self.reasons) < NAMED_REASONS:
            self.reasons.append(f"row {number}: {reason}")

    def log(self, summary: Summary) -> None:
        """Say in the log what became of the rows."""
        for reason in self.reasons:
            log.warning("%s", reason)
        count = summary.bad + summary.rejected
        if count > len(self.reasons):
            log.warning("And %d more rows; the result file has all of them.", count - len(self.reasons))
        log.info("%s", progress(summary))


def failures(summary: Summary, rules: BatchOptions) -> int:
    """Count the rows that failed."""
    not_delivered = 0 if rules.ignore_not_delivered else summary.not_delivered
    return summary.bad + summary.rejected + summary.unknown + not_delivered


def has_failed(summary: Summary, rules: BatchOptions) -> bool:
    """Tell whether a batch has failed, by the rule that the user set."""
    count = failures(summary, rules)
    if rules.max_failures is not None and count > as_number(rules.max_failures, summary.rows or 0):
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
