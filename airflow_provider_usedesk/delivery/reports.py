"""Delivery reports, and the form in which they are stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

REPORTS = "report/"
"""The prefix of the keys under which reports are stored."""
MAX_STORED = 20
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


def as_state(reports: Sequence[DeliveryReport]) -> dict[str, Any]:
    """
    Return reports as a JSON value for the state store.

    :param reports: oldest first; only the newest 20 are stored
    """
    rows = [[report.status, report.comment_id, report.at] for report in reports[-MAX_STORED:]]
    return {"reports": rows}


def _report(row: Any) -> DeliveryReport | None:
    match row:
        case [str(status), int() | None as comment_id, str(at)]:
            return DeliveryReport(status, comment_id, at)
    return None
