"""Delivery reports as they are remembered: what the receiver writes and whoever waits for a message reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MAX_KEPT = 20
OF_TICKETS = "ticket/"


@dataclass(frozen=True)
class DeliveryReport:
    """
    Hold what a messenger's provider reported of one message.

    :param status: the word of the provider, such as ``DELIVERED``
    :param comment_id: the message; None where the report does not name it
    :param at: when the report came in, ISO 8601, UTC
    """

    status: str
    comment_id: int | None
    at: str


def state_key(ticket_id: int) -> str:
    """Name the place of a ticket's reports in the state store of the asset of delivery reports."""
    return f"{OF_TICKETS}{ticket_id}"


def reports_in(state: Any) -> tuple[DeliveryReport, ...]:
    """Read reports out of the state store, oldest first; whatever else is there is no report."""
    kept = state.get("reports") if isinstance(state, dict) else None
    return tuple(report for row in kept or () if (report := _report(row)) is not None)


def as_state(reports: Sequence[DeliveryReport]) -> dict[str, Any]:
    """Write reports for the state store; of very many the newest are kept."""
    rows = [[report.status, report.comment_id, report.at] for report in reports[-MAX_KEPT:]]
    return {"reports": rows}


def _report(row: Any) -> DeliveryReport | None:
    match row:
        case [str(status), int() | None as comment_id, str(at)]:
            return DeliveryReport(status, comment_id, at)
    return None
