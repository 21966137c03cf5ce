"""What is known of the delivery of a ticket's messages: one word, and the reports behind it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from airflow_provider_usedesk.sandbox.company import Comment, Company, Ticket

Outcome = Literal["accepted", "delivered", "failed"]
OUTCOMES: tuple[Outcome, ...] = ("accepted", "delivered", "failed")
# Only DELIVERED is documented; providers of messengers use the others.
DELIVERED_WORDS = ("delivered", "read", "readed", "seen", "viewed", "displayed")
FAILED_WORDS = ("undelivered", "undeliverable", "failed", "error", "rejected", "expired", "blocked")


@dataclass(frozen=True)
class Report:
    """
    A delivery report of a message.

    :param status: the delivery status
    :param at: time at which it is sent, UTC
    :param is_sent: whether it goes to a Redirect URL; without one nobody gets it
    """

    status: str
    at: datetime
    is_sent: bool


@dataclass(frozen=True)
class Delivery:
    """
    The delivery of the last message of a ticket.

    :param text: status for people: that of the last report, ``accepted`` or ``not delivered``
    :param outcome: what it means
    """

    text: str
    outcome: Outcome


def delivery_of(company: Company, ticket: Ticket, now: datetime) -> Delivery | None:
    """Return the delivery of the last message that was sent or reported; None if there is none."""
    for comment in reversed(ticket.comments):
        if found := _comment_delivery(company, comment, now):
            return found
    return Delivery("not delivered", "failed") if ticket.message_status == "not delivered" else None


def reports_of(company: Company, comment: Comment, now: datetime) -> list[Report]:
    """Return the reports of a message until now, oldest first."""
    found = company.reports.get(comment.id, ())
    return sorted((one for one in found if one.at <= now), key=lambda one: one.at)


def outcome_of(status: str) -> Outcome:
    """Return what the status of a report means; an unknown word means nothing new."""
    word = status.strip().lower()
    if word in DELIVERED_WORDS:
        return "delivered"
    return "failed" if word in FAILED_WORDS else "accepted"


def with_report(ticket: Ticket, comment_id: int, status: str, now: datetime) -> Ticket:
    """
    Return the ticket as ``ticket`` shows it after a report, so that both say the same.

    :param ticket: the ticket
    :param comment_id: the reported message
    :param status: the delivery status
    :param now: time of the report
    """
    comments = (_reported(one, status, now) if one.id == comment_id else one for one in ticket.comments)
    return replace(ticket, comments=tuple(comments))


def as_received(ticket: Ticket) -> Ticket:
    """Return a ticket whose last message came from the client: it has no delivery."""
    *others, last = ticket.comments
    received = replace(last, is_accepted=False, delivered_at=None)
    status = ticket.message_status if others else None
    return replace(ticket, comments=(*others, received), message_status=status)


def _reported(comment: Comment, status: str, now: datetime) -> Comment:
    outcome = outcome_of(status)
    if outcome == "delivered":
        return replace(comment, delivered_at=min(comment.delivered_at or now, now))
    # A report of a delivery that is still to come counts then.
    is_shown = comment.delivered_at is not None and comment.delivered_at <= now
    return replace(comment, delivered_at=None) if outcome == "failed" and is_shown else comment


def _comment_delivery(company: Company, comment: Comment, now: datetime) -> Delivery | None:
    reports = reports_of(company, comment, now)
    if reports:
        return Delivery(reports[-1].status, outcome_of(reports[-1].status))
    return Delivery("accepted", "accepted") if comment.is_accepted else None
