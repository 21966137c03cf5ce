"""One poll: its requests, and what is known after it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice, takewhile
from typing import TYPE_CHECKING

from airflow_provider_usedesk.api.errors import (
    UsedeskError,
    UsedeskInvalidToken,
    UsedeskRateLimited,
    UsedeskRejected,
    UsedeskUnavailable,
)
from airflow_provider_usedesk.api.records import TicketDetails, TicketRow

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.client import UsedeskClient
    from airflow_provider_usedesk.polling.poll_plan import PollPlan, Subscription

TicketResult = TicketRow | TicketDetails | UsedeskError | None
"""What one poll returned for one ticket: the ticket, an error, or None for no change."""

# Clocks differ, and the filter knows whole minutes only.
OVERLAP = timedelta(minutes=5)
MAX_PAGES = 5
# One ticket alone may fail; when so many in a row fail, no other can be read, either.
MAX_FAILED_READS = 2


@dataclass
class PollResult:
    """
    What one poll returned for all tickets.

    :param tickets: the tickets that Usedesk returned, or the error of one of them
    :param read: tickets that the poll attempted to read
    :param complete_since: the list misses no change after this moment; None without such a list
    :param error: the error that ended the poll early
    """

    tickets: dict[int, TicketRow | TicketDetails | UsedeskError] = field(default_factory=dict)
    read: set[int] = field(default_factory=set)
    complete_since: datetime | None = None
    error: UsedeskError | None = None

    def of(self, subscription: Subscription) -> TicketResult:
        """Return the result for the ticket of a subscription."""
        return self.tickets.get(subscription.ticket_id, None if self._covers(subscription) else self.error)

    def applied_to(self, subscription: Subscription, began: datetime) -> Subscription:
        """
        Return a subscription with what is known after this poll.

        :param began: when the poll began, UTC
        """
        ticket = self.tickets.get(subscription.ticket_id)
        is_known = self._covers(subscription) or not isinstance(ticket, UsedeskError | None)
        return replace(
            subscription,
            known_until=began if is_known else subscription.known_until,
            read_at=began if subscription.ticket_id in self.read else subscription.read_at,
        )

    def _covers(self, subscription: Subscription) -> bool:
        return self.complete_since is not None and subscription.known_until >= self.complete_since


def run_poll(
    client: UsedeskClient, plan: PollPlan, is_cancelled: Callable[[], bool] = lambda: False
) -> PollResult:
    """
    Make the requests of a poll; what was returned before an error counts.

    :param client: makes the requests
    :param plan: the requests
    :param is_cancelled: returns whether to stop before the next read
    """
    result = PollResult()
    try:
        if plan.listed_since is not None:
            _list(client, plan, plan.listed_since, result)
        _read(client, takewhile(lambda _: not is_cancelled(), plan.read), result)
    except UsedeskRejected as error:
        # Only a list ends this way, and its refusal says nothing about any ticket.
        result.error = UsedeskUnavailable(str(error))
    except UsedeskError as error:
        result.error = error
    return result


def _list(client: UsedeskClient, plan: PollPlan, since: datetime, result: PollResult) -> None:
    # Newest first: a ticket that changes meanwhile moves others to later pages, which are read later.
    pages = client.ticket_pages(
        updated_after=since - OVERLAP,
        fstatus=sorted(plan.statuses),
        sort="last_updated_at",
        order="desc",
    )
    for page in islice(pages, MAX_PAGES):
        result.tickets.update({row.id: row for row in page})
    if next(pages, None) is None:
        result.complete_since = since


def _read(client: UsedeskClient, ticket_ids: Iterable[int], result: PollResult) -> None:
    failed = 0
    for ticket_id in ticket_ids:
        result.read.add(ticket_id)
        try:
            result.tickets[ticket_id] = client.ticket(ticket_id)
            failed = 0
        except UsedeskError as error:
            # What the list returned for it still counts.
            result.tickets.setdefault(ticket_id, error)
            failed = 0 if isinstance(error, UsedeskRejected) else failed + 1
            if failed == MAX_FAILED_READS or isinstance(error, (UsedeskInvalidToken, UsedeskRateLimited)):
                raise
