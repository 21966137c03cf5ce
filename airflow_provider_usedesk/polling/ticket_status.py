"""Waiting for the status of a ticket: the decisions, which the sensor and its trigger share."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_usedesk.api import values
from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest
from airflow_provider_usedesk.api.records import Ticket
from airflow_provider_usedesk.api.values import STATUSES

STATUS_NAMES = {number: name for name, number in STATUSES.items()}

FAILED = ("deleted", "spam", "merged")
"""Statuses after which nobody solves a ticket any more."""

# Up to this many tickets, reading each costs no more than listing all that changed.
FEW = 2
# Listing further back than an interval and this could cost more than reading each ticket.
REACH = timedelta(minutes=15)


@dataclass(frozen=True)
class Goal:
    """
    Hold what ends the waiting.

    :param target: numbers of the statuses that are waited for
    :param failed: numbers of the statuses after which they cannot be expected any more
    """

    target: frozenset[int]
    failed: frozenset[int]

    def is_reached(self, status: int | None) -> bool:
        return status in self.target

    def has_failed(self, status: int | None) -> bool:
        return status in self.failed

    @property
    def statuses(self) -> frozenset[int]:
        return self.target | self.failed


def checked_goal(ticket_id: Any, target: Any, failed: Any) -> tuple[int, Goal]:
    """
    Check what a ticket is waited for.

    :param ticket_id: the ticket
    :param target: names or numbers of statuses, as a list or as one text with commas
    :param failed: the same; None for the default, an empty list for no status
    :raises UsedeskInvalidRequest: naming every faulty argument
    """
    checks = {
        "ticket_id": values.identifier,
        "target_statuses": values.statuses,
        "failed_statuses": values.statuses,
    }
    given = (ticket_id, target, FAILED if failed is None else failed)
    right, faults = values.all_checked(checks, dict(zip(checks, given, strict=True)))
    targets, failures = right.get("target_statuses"), right.get("failed_statuses")
    if targets == ():
        faults.append("target_statuses: name at least one status")
    for status in set(targets or ()) & set(failures or ()):
        faults.append(f"failed_statuses: {status_name(status)} is one of target_statuses, too")
    if faults:
        raise UsedeskInvalidRequest(faults)
    return right["ticket_id"], Goal(frozenset(targets or ()), frozenset(failures or ()))


@dataclass
class Subscription:
    """
    Hold how much is known of a ticket that somebody waits for.

    :param ticket_id: the ticket
    :param statuses: statuses that matter
    :param interval: how often to look
    :param known_until: moment up to which no change to these can have been missed, UTC
    :param tried_at: when it was last tried to read the ticket itself, UTC
    :param in_full: whether a list is of no use, because its comments matter
    """

    ticket_id: int
    statuses: frozenset[int]
    interval: timedelta
    known_until: datetime
    tried_at: datetime
    in_full: bool = False


@dataclass(frozen=True)
class PollPlan:
    """
    Say what to ask Usedesk in one poll.

    :param listed_since: list what changed since this moment; None for no list
    :param statuses: list only what has one of these statuses now
    :param read: tickets to read one by one, in this order
    """

    listed_since: datetime | None
    statuses: frozenset[int]
    read: tuple[int, ...]


def plan_poll(subscriptions: Collection[Subscription], now: datetime) -> PollPlan:
    """
    Decide how to look after all tickets with as few requests as is safe.

    One list of what changed serves all whose comments do not matter. Because nobody knows how complete it is
    (it may leave deleted tickets out, for example), each poll also tries to read the ticket with which that
    is longest ago.
    """
    statuses = frozenset(status for subscription in subscriptions for status in subscription.statuses)
    in_turn = sorted(subscriptions, key=lambda subscription: (subscription.tried_at, subscription.ticket_id))
    are_few = sum(not subscription.in_full for subscription in subscriptions) <= FEW
    due = [
        subscription
        for subscription in in_turn
        if subscription.in_full or are_few or _is_late(subscription, now)
    ]
    read = dict.fromkeys(subscription.ticket_id for subscription in due)
    listed = [subscription for subscription in in_turn if subscription.ticket_id not in read]
    since = min((subscription.known_until for subscription in listed), default=None)
    if all(subscription.in_full for subscription in due):
        read.update(dict.fromkeys(subscription.ticket_id for subscription in listed[:1]))
    return PollPlan(since, statuses, tuple(read))


def _is_late(subscription: Subscription, now: datetime) -> bool:
    return now - subscription.known_until > subscription.interval + REACH


def ticket_state(ticket_id: int, ticket: Ticket) -> dict[str, Any]:
    """Describe a ticket for XCom: ids, words of Usedesk and tags, nothing else that a person wrote."""
    return {
        "ticket_id": ticket_id,
        "status": ticket.status,
        "status_name": STATUS_NAMES.get(ticket.status or 0),
        "type": ticket.type,
        "priority": ticket.priority,
        "client_id": ticket.client_id,
        "assignee_id": ticket.assignee_id,
        "group_id": ticket.group_id,
        "channel_id": ticket.channel_id,
        "tags": list(ticket.tags),
        "last_updated_at": ticket.last_updated_at,
    }


def status_name(status: int | None) -> str:
    """Name a status in the words of Usedesk."""
    return STATUS_NAMES.get(status or 0, f"number {status}")


def why_failed(ticket_id: int | None, status: int | None) -> str:
    """Say why a ticket cannot be expected to reach the wanted status any more."""
    if status == STATUSES["merged"]:
        return (
            f"Ticket {ticket_id} was merged into another ticket, which Usedesk does not name; what happens "
            "there no longer shows here. Open it in Usedesk to see which one it was merged into."
        )
    return f"Ticket {ticket_id} is {status_name(status)}, one of the statuses named as failure."
