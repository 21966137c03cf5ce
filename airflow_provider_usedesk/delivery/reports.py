"""Delivery reports, and the form in which they are stored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

REPORTS = "report/"
"""The prefix of the keys under which reports are stored."""
SEEN_EVENTS = "webhook/"
"""The prefix of the keys under which the receiver marks stored webhooks, followed by the event id."""
MAX_STORED = 100
"""How many reports of one ticket are stored; older ones are dropped."""


@dataclass(frozen=True)
class DeliveryReport:
    """
    What the provider of a messenger reported about one message.

    :param status: the word of the provider, such as ``DELIVERED``
    :param comment_id: the message; None where the report does not name it
    :param at: when the report arrived, ISO 8601, UTC
    """

    status: str
    comment_id: int | None
    at: str


def state_key(ticket_id: int) -> str:
    """Return the key of a ticket's reports in the state store of the asset of delivery reports."""
    return f"{REPORTS}{ticket_id}"


def reports_in(state: Any) -> tuple[DeliveryReport, ...]:
    """
    Return the reports in a stored value, oldest first.

    :param state: what :func:`as_state` returned; anything else holds no reports
    """
    rows = state.get("reports") if isinstance(state, dict) else None
    return tuple(report for row in rows or () if (report := _report(row)) is not None)


def with_report(known: Sequence[DeliveryReport], new: DeliveryReport) -> tuple[DeliveryReport, ...]:
    """
    Return the reports of a ticket after one more arrived.

    The same report on the same message again changes nothing. A report that names no message can be on the
    next message of the ticket; only the time of the last one is kept.

    :param known: the reports before, oldest first
    :param new: the report that arrived
    """
    same = [one for one in known if (one.status, one.comment_id) == (new.status, new.comment_id)]
    if same and new.comment_id is not None:
        return tuple(known)
    return (*(one for one in known if one not in same), new)


def last_without_message(reports: Iterable[DeliveryReport]) -> datetime | None:
    """Return when the last report arrived that names no message; None if there is none."""
    times = (_moment(report.at) for report in reports if report.comment_id is None)
    return max((moment for moment in times if moment is not None), default=None)


def reports_after(
    reports: Iterable[DeliveryReport], after: datetime | None, comment_id: int | None
) -> tuple[DeliveryReport, ...]:
    """
    Return the stored reports that can be on a message.

    :param reports: the stored reports of its ticket
    :param after: reports that had arrived by then are on earlier messages; None if all count
    :param comment_id: the message; reports that name it count whenever they arrived
    """
    if after is None:
        return tuple(reports)
    return tuple(
        report
        for report in reports
        if (comment_id is not None and report.comment_id == comment_id)
        or ((moment := _moment(report.at)) is not None and moment > after)
    )


def as_state(reports: Sequence[DeliveryReport]) -> dict[str, Any]:
    """
    Return reports as a JSON value for the state store.

    :param reports: oldest first; only the newest 100 are stored
    """
    rows = [[report.status, report.comment_id, report.at] for report in reports[-MAX_STORED:]]
    return {"reports": rows}


def _report(row: Any) -> DeliveryReport | None:
    match row:
        case [str(status), int() | None as comment_id, str(at)]:
            return DeliveryReport(status, comment_id, at)
    return None


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
