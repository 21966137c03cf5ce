"""The search in the tickets: filters and pages, for the inbox and for the API of tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar
from urllib.parse import urlencode

from airflow_provider_usedesk.sandbox.company import Company, Ticket
from airflow_provider_usedesk.sandbox.message_delivery import delivery_of

PAGE_SIZE = 50

Row = TypeVar("Row")


@dataclass(frozen=True)
class TicketSearch:
    """
    What to find; empty values find everything.

    :param text: part of an id, a subject, a message, a client's name or address, or an ``additional_id``
    :param channel: id of the channel
    :param tag: the whole tag
    :param delivery: ``accepted``, ``delivered`` or ``failed``
    """

    text: str = ""
    channel: str = ""
    tag: str = ""
    delivery: str = ""

    def __bool__(self) -> bool:
        return any(vars(self).values())

    def query(self, page: int = 1) -> str:
        """Return the query of a page of the results."""
        values = {name: value for name, value in vars(self).items() if value}
        return urlencode({**values, **({"page": page} if page > 1 else {})})

    def find(self, company: Company, tickets: Sequence[Ticket], now: datetime) -> list[Ticket]:
        """Return the tickets that match, in the same order."""
        return [one for one in tickets if self.matches(company, one, now)]

    def matches(self, company: Company, ticket: Ticket, now: datetime) -> bool:
        return (
            (not self.channel.strip() or self.channel.strip() == str(ticket.channel_id))
            and (not self.tag.strip() or self.tag.strip() in ticket.tags)
            and self._has_delivery(company, ticket, now)
            and self._has_text(company, ticket)
        )

    def _has_delivery(self, company: Company, ticket: Ticket, now: datetime) -> bool:
        if not self.delivery:
            return True
        found = delivery_of(company, ticket, now)
        return found is not None and found.outcome == self.delivery

    def _has_text(self, company: Company, ticket: Ticket) -> bool:
        wanted = self.text.strip().casefold()
        return not wanted or any(wanted in text.casefold() for text in _texts(company, ticket))


@dataclass(frozen=True)
class Page(Generic[Row]):
    """
    A page of 50 rows.

    :param rows: its rows
    :param number: its number, from 1
    :param count: number of pages, at least 1
    :param total: number of all rows
    """

    rows: Sequence[Row]
    number: int
    count: int
    total: int


def page_of(rows: Sequence[Row], number: int) -> Page[Row]:
    """Return a page; a number that is too high selects the last one."""
    count = max(-(-len(rows) // PAGE_SIZE), 1)
    number = min(max(number, 1), count)
    start = (number - 1) * PAGE_SIZE
    return Page(rows[start : start + PAGE_SIZE], number, count, len(rows))


def _texts(company: Company, ticket: Ticket) -> list[str]:
    client = company.clients[ticket.client_id]
    return [
        str(ticket.ticket_id),
        ticket.subject,
        ticket.additional_id or "",
        client.name,
        *client.phones,
        *client.emails,
        *client.usernames,
        *(comment.message for comment in ticket.comments),
    ]
