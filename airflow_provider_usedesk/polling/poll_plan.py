"""What one poll requests from Usedesk: a pure decision over all subscriptions."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

# Up to this many tickets, reading each costs no more than listing all that changed.
FEW = 2
# A list over more than the interval and this could cost more than reading each ticket.
LIST_REACH = timedelta(minutes=15)
# Seconds between two polls at least: an interval of 0 would use up the rate limit of the account.
MIN_PAUSE = 1.0


@dataclass(frozen=True)
class Subscription:
    """
    A ticket that a trigger waits for, and how much is known about it.

    :param ticket_id: the ticket
    :param statuses: statuses that end the wait
    :param interval: time between two polls
    :param known_until: no change to one of these statuses up to this moment was missed, UTC
    :param read_at: when the last attempt to read the ticket itself was made, UTC
    :param needs_comments: whether only reading the ticket helps, because its comments matter
    """

    ticket_id: int
    statuses: frozenset[int]
    interval: timedelta
    known_until: datetime
    read_at: datetime
    needs_comments: bool = False


@dataclass(frozen=True)
class PollPlan:
    """
    The requests of one poll.

    :param listed_since: list the tickets that changed since this moment; None for no list
    :param statuses: list only tickets that have one of these statuses now
    :param read: tickets to read one by one, in this order
    """

    listed_since: datetime | None
    statuses: frozenset[int]
    read: tuple[int, ...]


def plan_poll(subscriptions: Collection[Subscription], now: datetime) -> PollPlan:
    """
    Return the fewest requests that cover all subscriptions.

    One list of changed tickets covers all whose comments do not matter. How complete it is, is not documented
    (it may not contain deleted tickets, for example). So each poll also reads the ticket that was not read
    for the longest time.
    """
    by_age = sorted(subscriptions, key=lambda one: (one.read_at, one.ticket_id))
    are_few = sum(not one.needs_comments for one in subscriptions) <= FEW
    due = [one for one in by_age if one.needs_comments or are_few or _is_late(one, now)]
    read = dict.fromkeys(one.ticket_id for one in due)
    listed = [one for one in by_age if one.ticket_id not in read]
    if all(one.needs_comments for one in due):
        read.update(dict.fromkeys(one.ticket_id for one in listed[:1]))
    return PollPlan(
        listed_since=min((one.known_until for one in listed), default=None),
        statuses=frozenset(status for one in subscriptions for status in one.statuses),
        read=tuple(read),
    )


def _is_late(subscription: Subscription, now: datetime) -> bool:
    return now - subscription.known_until > subscription.interval + LIST_REACH
