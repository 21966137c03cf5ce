"""The summary of a batch: the outcomes of its rows, counted, logged and judged."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from airflow_provider_usedesk.batch.options import BatchOptions, as_number
from airflow_provider_usedesk.batch.result_file import ResultWriter

log = logging.getLogger(__name__)

MAX_REASONS = 10
"""Reasons that the log names; the result file has all."""


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


@dataclass(frozen=True)
class Summary:
    """
    How many rows have which outcome.

    :param rows: number of rows; None while not all were read
    :param sent: sent in this attempt
    :param skipped: sent by an earlier attempt
    :param duplicate: not sent, because another row has the same key
    :param bad: not valid, not sent
    :param rejected: rejected by Usedesk
    :param not_delivered: not accepted by the messenger; the ticket exists
    :param unknown: may have been sent
    :param left: not sent yet
    :param seconds: duration of the run
    :param requests: number of requests
    :param recipients_changed: whether the recipients differ from those of the earlier attempt
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


class OutcomeRecorder:
    """
    Counts the outcomes of the rows, and writes them to the result file.

    :param results: the result file
    """

    def __init__(self, results: ResultWriter) -> None:
        self._results = results
        self.counts: Counter[Outcome] = Counter()
        self.reasons: list[str] = []

    def record(
        self, outcome: Outcome, number: int, key: str, ticket_id: int | None = None, reason: str = ""
    ) -> None:
        """
        Count and write the final outcome of a row.

        :param outcome: the outcome
        :param number: number of the row
        :param key: key of the row; empty if it has none
        :param ticket_id: id of its ticket; default: None, no ticket
        :param reason: why it was not sent; default: empty
        """
        self.counts[outcome] += 1
        self.write(outcome, number, key, ticket_id, reason)
        if outcome in (Outcome.BAD, Outcome.REJECTED):
            self.add_reason(number, reason)

    def write(
        self, outcome: Outcome, number: int, key: str, ticket_id: int | None = None, reason: str = ""
    ) -> None:
        """Write the outcome of a row that a later attempt may send, without counting it."""
        self._results.write(number, key, outcome, ticket_id, reason)

    def add_reason(self, number: int, reason: str) -> None:
        """Keep the reason of a row for the log, unless the log has enough of them."""
        if len(self.reasons) < MAX_REASONS:
            self.reasons.append(f"row {number}: {reason}")

    def log(self, summary: Summary) -> None:
        """Log the reasons and the summary."""
        for reason in self.reasons:
            log.warning("%s", reason)
        others = summary.bad + summary.rejected - len(self.reasons)
        if others > 0:
            log.warning("%d more rows failed. The result file has the reasons of all.", others)
        log.info("%s", progress(summary))


def failures(summary: Summary, options: BatchOptions) -> int:
    """Return the number of rows that failed."""
    not_delivered = 0 if options.ignore_not_delivered else summary.not_delivered
    return summary.bad + summary.rejected + summary.unknown + not_delivered


def has_failed(summary: Summary, options: BatchOptions) -> bool:
    """Return whether a batch has failed, according to its options."""
    count = failures(summary, options)
    if options.max_failures is not None and count > as_number(options.max_failures, summary.rows or 0):
        return True
    if options.fail_on == "all":
        return count > 0 and not summary.sent + summary.skipped
    return count > 0 and options.fail_on == "any"


def progress(summary: Summary) -> str:
    """Return a sentence about the progress of a batch."""
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
