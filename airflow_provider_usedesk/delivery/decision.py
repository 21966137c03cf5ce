"""Waiting for the delivery of a message: the decisions, which sensor, operators and trigger share."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from airflow_provider_usedesk.api import values
from airflow_provider_usedesk.api.errors import (
    UsedeskError,
    UsedeskInvalidRequest,
    UsedeskRateLimited,
    UsedeskTicketNotFound,
    UsedeskUnavailable,
)
from airflow_provider_usedesk.api.records import Comment
from airflow_provider_usedesk.delivery.reports import DeliveryReport

Source = Literal["auto", "webhook", "poll"]
SOURCES: tuple[Source, ...] = get_args(Source)

DELIVERED = ("delivered", "delivered to handset", "read", "readed", "seen", "viewed", "displayed")
"""Only the first is documented; the others are what providers of messengers usually say."""
FAILED = (
    "undelivered",
    "undeliverable",
    "not delivered",
    "delivery failed",
    "failed",
    "failure",
    "error",
    "rejected",
    "expired",
    "blocked",
    "canceled",
    "cancelled",
)
"""Words that providers usually say of a message that nobody will get; none is documented."""

PASSING: tuple[type[UsedeskError], ...] = (UsedeskUnavailable, UsedeskRateLimited, UsedeskTicketNotFound)
"""What can be over at the next look: Usedesk may not show a ticket that was just made."""


@dataclass(frozen=True)
class Awaited:
    """
    Hold the message that is waited for, and what ends the waiting.

    :param ticket_id: its ticket
    :param comment_id: the message; None for any of the ticket
    :param delivered: words that mean delivered, as :func:`plain` makes them
    :param failed: words that mean failed
    """

    ticket_id: int
    comment_id: int | None
    delivered: frozenset[str]
    failed: frozenset[str]

    @property
    def name(self) -> str:
        which = "message" if self.comment_id is None else f"message {self.comment_id}"
        return f"{which} of ticket {self.ticket_id}"


@dataclass(frozen=True)
class DeliveryDecision:
    """
    Hold what reports say in the end.

    :param is_delivered: whether the message was delivered, or else failed
    :param report: the report that says so
    """

    is_delivered: bool
    report: DeliveryReport


def plain(word: str) -> str:
    """Write a word so that case and separators make no difference: ``Not-Delivered`` is ``notdelivered``."""
    return re.sub(r"[\W_]+", "", word.casefold())


def plain_words(value: Any) -> frozenset[str]:
    """
    Take words as one, as a collection, or as one text with commas.

    :raises ValueError: when there is none, or something that is no word
    """
    if values.is_empty(value):
        raise ValueError("name at least one word")
    items = values.several(value)
    found = {plain(item) for item in items if isinstance(item, str)}
    if len(items) == 0 or not all(isinstance(item, str) and plain(item) for item in items) or "none" in found:
        raise ValueError("must be words, as a list or as one text with commas")
    return frozenset(found)


def checked_message(
    ticket_id: Any,
    comment_id: Any,
    source: Any,
    delivered: Any,
    failed: Any,
    max_failures: Any,
    no_webhooks: str | None = None,
) -> Awaited:
    """
    Check what message is waited for, and how.

    :param delivered: words, as a list or as one text with commas
    :param failed: the same
    :param no_webhooks: why this Airflow cannot use the source ``webhook``; None where it can
    :raises UsedeskInvalidRequest: naming every faulty argument
    """
    checks = {
        "ticket_id": values.identifier,
        "comment_id": lambda value: None if value is None else values.identifier(value),
        "source": values.choice(*SOURCES),
        "delivered_statuses": plain_words,
        "failed_statuses": plain_words,
    }
    given = (ticket_id, comment_id, source, delivered, failed)
    right, faults = values.all_checked(checks, dict(zip(checks, given, strict=True)))
    if right.get("source") == "webhook" and no_webhooks:
        faults.append(f"source: webhook {no_webhooks}")
    good = right.get("delivered_statuses", frozenset())
    bad = right.get("failed_statuses", frozenset())
    if good & bad:
        faults.append(f"failed_statuses: {', '.join(sorted(good & bad))} stand in delivered_statuses, too")
    if isinstance(max_failures, bool) or not isinstance(max_failures, int) or max_failures < 1:
        faults.append("max_failures: must be a whole number from 1")
    if faults:
        raise UsedeskInvalidRequest(faults)
    return Awaited(right["ticket_id"], right["comment_id"], good, bad)


def default_message(ticket_id: int, comment_id: int | None) -> Awaited:
    """Wait for a message that was just sent, with the words that come with this package."""
    return Awaited(ticket_id, comment_id, plain_words(DELIVERED), plain_words(FAILED))


def judged(reports: Iterable[DeliveryReport], awaited: Awaited) -> DeliveryDecision | None:
    """
    Decide by all reports that are known, whatever their order and however often each came.

    One that says delivered outweighs all that say failed: what was delivered once stays so, and a provider
    may have tried again after a failure.
    """
    concerning = [report for report in reports if _concerns(report, awaited)]
    for words, is_delivered in ((awaited.delivered, True), (awaited.failed, False)):
        telling = [report for report in concerning if plain(report.status) in words]
        if telling:
            return DeliveryDecision(is_delivered, telling[-1])
    return None


def unknown_words(reports: Iterable[DeliveryReport], awaited: Awaited) -> set[str]:
    """Return the words that say neither delivered nor failed."""
    known = awaited.delivered | awaited.failed
    return {
        report.status
        for report in reports
        if _concerns(report, awaited) and plain(report.status) not in known
    }


def judged_aloud(
    reports: Collection[DeliveryReport], awaited: Awaited, tell: Callable[..., None], told: set[str]
) -> DeliveryDecision | None:
    """
    Decide like :func:`judged`, and log each word that says nothing, once.

    :param tell: logs
    :param told: the words that were logged before; new ones are added
    """
    for word in sorted(unknown_words(reports, awaited) - told):
        tell("A report on %s says %r, which ends no waiting.", awaited.name, word)
        told.add(word)
    return judged(reports, awaited)


def polled_reports(comments: Sequence[Comment]) -> tuple[DeliveryReport, ...]:
    """
    Read the comments of a ticket as reports: ``delivered``, ``read`` and ``error``.

    What the client wrote, and what only agents see, is no message. A comment of type ``error`` is about the
    last message before it.
    """
    reports: list[DeliveryReport] = []
    message_id: int | None = None
    for comment in sorted(comments, key=lambda comment: comment.id or 0):
        kind, at = (comment.type or "").casefold(), comment.published_at or ""
        if kind == "error":
            reports.append(DeliveryReport("error", message_id, at))
        elif kind != "private" and comment.author != "client":
            message_id = comment.id
            flags = {"delivered": comment.delivered, "read": comment.readed}
            reports.extend(DeliveryReport(word, message_id, at) for word, is_set in flags.items() if is_set)
    return tuple(reports)


def _concerns(report: DeliveryReport, awaited: Awaited) -> bool:
    return None in (awaited.comment_id, report.comment_id) or awaited.comment_id == report.comment_id
