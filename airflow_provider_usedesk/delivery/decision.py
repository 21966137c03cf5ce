"""Whether a message was delivered: pure decisions, for the sensor, the operators and the trigger."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from airflow_provider_usedesk.api import values
from airflow_provider_usedesk.api.delivery_words import DELIVERED, FAILED, normalized
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

TRANSIENT: tuple[type[UsedeskError], ...] = (UsedeskUnavailable, UsedeskRateLimited, UsedeskTicketNotFound)
"""Errors that the next poll may not meet: Usedesk may not show a ticket yet that was just created."""


@dataclass(frozen=True)
class AwaitedMessage:
    """
    The message that a task waits for, and the words that end the wait.

    :param ticket_id: its ticket
    :param comment_id: the message; None for any message of the ticket
    :param delivered: normalized words that mean delivered
    :param failed: normalized words that mean failed
    :param after: stored reports that had arrived by then are on earlier messages; default: all count
    """

    ticket_id: int
    comment_id: int | None
    delivered: frozenset[str]
    failed: frozenset[str]
    after: datetime | None = None

    @property
    def name(self) -> str:
        which = "message" if self.comment_id is None else f"message {self.comment_id}"
        return f"{which} of ticket {self.ticket_id}"


@dataclass(frozen=True)
class DeliveryDecision:
    """
    The outcome of a message.

    :param is_delivered: True when the message was delivered, False when it failed
    :param report: the report that decides
    """

    is_delivered: bool
    report: DeliveryReport


def normalized_words(value: Any) -> frozenset[str]:
    """
    Return normalized words.

    :param value: one word, a collection of words, or one text with commas
    :raises ValueError: when there is no word, or something that is not a word
    """
    if values.is_empty(value):
        raise ValueError("name at least one word")
    items = values.several(value)
    words = {normalized(item) for item in items if isinstance(item, str)}
    are_words = len(items) > 0 and all(isinstance(item, str) and normalized(item) for item in items)
    # "None" is a template that rendered to nothing.
    if not are_words or "none" in words:
        raise ValueError("must be words, as a list or as one text with commas")
    return frozenset(words)


def checked_message(
    ticket_id: Any,
    comment_id: Any,
    source: Any,
    delivered: Any,
    failed: Any,
    max_failures: Any,
    webhooks_unavailable: str | None = None,
    sent_after: Any = None,
) -> AwaitedMessage:
    """
    Return the message to wait for, after checking all arguments.

    :param ticket_id: its ticket, 32 bit
    :param comment_id: the message, 32 bit; None for any message of the ticket
    :param source: ``auto``, ``webhook`` or ``poll``
    :param delivered: words that mean delivered, as a list or as one text with commas
    :param failed: words that mean failed, in the same forms
    :param max_failures: how many polls in a row may fail, at least 1
    :param webhooks_unavailable: why this Airflow cannot use the source ``webhook``; None where it can
    :param sent_after: a moment before the message was sent, a datetime or ISO 8601, with a time zone; None if
        all reports count
    :raises UsedeskInvalidRequest: naming every invalid argument
    """
    given = {
        "ticket_id": ticket_id,
        "comment_id": comment_id,
        "source": source,
        "delivered_statuses": delivered,
        "failed_statuses": failed,
        "sent_after": sent_after,
        "max_failures": max_failures,
    }
    valid, validation_errors = _checked(given)
    if valid.get("source") == "webhook" and webhooks_unavailable:
        validation_errors.append(f"source: webhook {webhooks_unavailable}")
    if validation_errors:
        raise UsedeskInvalidRequest(validation_errors)
    return AwaitedMessage(
        valid["ticket_id"],
        valid["comment_id"],
        valid["delivered_statuses"],
        valid["failed_statuses"],
        valid["sent_after"],
    )


def message_errors(given: Mapping[str, Any]) -> list[str]:
    """
    Return a text for each invalid argument of a wait.

    :param given: those arguments of :func:`checked_message` that are known, named as those of the sensor
    """
    return _checked(given)[1]


def default_message(ticket_id: int, comment_id: int | None, after: datetime | None = None) -> AwaitedMessage:
    """
    Return a message that was just sent, with the default words.

    :param ticket_id: its ticket
    :param comment_id: the message; None for any message of the ticket
    :param after: stored reports that had arrived by then are on earlier messages; default: all count
    """
    return AwaitedMessage(ticket_id, comment_id, normalized_words(DELIVERED), normalized_words(FAILED), after)


def decide(reports: Iterable[DeliveryReport], awaited: AwaitedMessage) -> DeliveryDecision | None:
    """
    Decide by all known reports, whatever their order and however often each arrived.

    One report that says delivered outweighs all that say failed: a delivered message stays delivered, and a
    provider may send again after a failure.

    :return: None while no report decides
    """
    concerning = [report for report in reports if _concerns(report, awaited)]
    for words, is_delivered in ((awaited.delivered, True), (awaited.failed, False)):
        deciding = [report for report in concerning if normalized(report.status) in words]
        if deciding:
            return DeliveryDecision(is_delivered, deciding[-1])
    return None


def unknown_words(reports: Iterable[DeliveryReport], awaited: AwaitedMessage) -> set[str]:
    """Return the words that mean neither delivered nor failed."""
    known = awaited.delivered | awaited.failed
    return {
        report.status
        for report in reports
        if _concerns(report, awaited) and normalized(report.status) not in known
    }


def decide_and_log(
    reports: Collection[DeliveryReport], awaited: AwaitedMessage, log: Callable[..., None], logged: set[str]
) -> DeliveryDecision | None:
    """
    Decide like :func:`decide`, and log each unknown word once.

    :param log: a logging method, such as ``logger.info``
    :param logged: the words that were logged before; new ones are added
    """
    for word in sorted(unknown_words(reports, awaited) - logged):
        log("A report on the %s says %r. This means neither delivered nor failed.", awaited.name, word)
        logged.add(word)
    return decide(reports, awaited)


def polled_reports(comments: Sequence[Comment]) -> tuple[DeliveryReport, ...]:
    """
    Return the reports that the comments of a ticket contain: ``delivered``, ``read`` and ``error``.

    Comments of the client and private comments are no messages. A comment of type ``error`` is a report on
    the last message before it, or else on the first comment, which Usedesk may show as written by the client.
    Each report names its message.
    """
    ordered = sorted(comments, key=lambda comment: comment.id or 0)
    message_id = _first_message_id(ordered)
    reports: list[DeliveryReport] = []
    for comment in ordered:
        at = comment.published_at or ""
        if _kind(comment) == "error":
            reports.append(DeliveryReport("error", message_id, at))
        elif _is_message(comment):
            message_id = comment.id
            flags = {"delivered": comment.delivered, "read": comment.readed}
            reports.extend(DeliveryReport(word, message_id, at) for word, is_set in flags.items() if is_set)
    # A report that names no message would count for any.
    return tuple(report for report in reports if report.comment_id is not None)


def _kind(comment: Comment) -> str:
    return (comment.type or "").casefold()


def _is_message(comment: Comment) -> bool:
    return _kind(comment) not in ("private", "error") and comment.author != "client"


def _first_message_id(comments: Iterable[Comment]) -> int | None:
    first = (one.id for one in comments if one.is_first and _kind(one) not in ("private", "error"))
    return next(first, None)


def _checked(given: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    checks = {
        "ticket_id": values.identifier,
        "comment_id": lambda value: None if values.is_null(value) else values.identifier(value),
        "source": values.choice(*SOURCES),
        "delivered_statuses": normalized_words,
        "failed_statuses": normalized_words,
        "sent_after": _moment,
        "max_failures": values.count,
    }
    valid, validation_errors = values.all_checked(checks, given)
    none: frozenset[str] = frozenset()
    both = valid.get("delivered_statuses", none) & valid.get("failed_statuses", none)
    if both:
        validation_errors.append(f"failed_statuses: {', '.join(sorted(both))} is also in delivered_statuses")
    return valid, validation_errors


def _moment(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        moment = value
    if moment is None or (isinstance(moment, datetime) and moment.tzinfo is not None):
        return moment
    raise ValueError("must be a datetime or ISO 8601, with a time zone, such as {{ dag_run.run_after }}")


def _concerns(report: DeliveryReport, awaited: AwaitedMessage) -> bool:
    return None in (awaited.comment_id, report.comment_id) or awaited.comment_id == report.comment_id
