"""The search for tickets by the custom field to which the connection writes the idempotency key."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Unpack

from airflow_provider_usedesk.api.choices import Order
from airflow_provider_usedesk.api.errors import UsedeskError
from airflow_provider_usedesk.api.parameters import TicketFilters
from airflow_provider_usedesk.api.records import TicketDetails, TicketRow
from airflow_provider_usedesk.idempotency.decision import Absent, Ambiguous
from airflow_provider_usedesk.idempotency.find_ticket import (
    Listing,
    ReadBudget,
    Reader,
    SeenTickets,
    TicketSearch,
)
from airflow_provider_usedesk.idempotency.keys import VERSION

log = logging.getLogger(__name__)

LIKELIEST = ReadBudget(tickets=20, is_decisive=False)
"""What is read although the filter works: agents can edit the field."""
NOT_SHOWN = 20
"""Tickets that are read if the list shows no custom fields."""


@dataclass(frozen=True)
class FieldSearch:
    """
    The search for the messages of one task by a custom field.

    A ticket that it finds is certain, because ``additional_id`` decides. That it finds none proves something
    only if a control shows that the filter works, and worked before the first attempt. Without that proof,
    the list is read as if there were no field.

    :param ordinary: the search without the field
    :param field_id: id of the custom field
    :param value: what the field of the wanted tickets contains
    """

    ordinary: TicketSearch
    field_id: int
    value: str

    def __call__(self, since: datetime, consistent_at: datetime) -> SeenTickets:
        """
        Return the tickets that were read; if some are missing, search again once Usedesk shows all.

        :param since: a moment that is not later than the first request, UTC
        :param consistent_at: from when on Usedesk shows all that was sent, UTC
        """
        field = KeyField(self.ordinary.client, self.field_id)
        reader = _FilteredReader(field, self.value)
        seen = replace(self.ordinary, client=reader)(since, consistent_at)
        if self.ordinary.is_enough(seen.shown):
            return seen
        if hidden := [ticket_id for ticket_id in reader.ids if seen.shown.get(ticket_id, "") is None]:
            return SeenTickets(
                seen.shown,
                Ambiguous(
                    f"ticket {hidden[0]} is of this task, and Usedesk shows no additional_id of that ticket"
                ),
            )
        if isinstance(seen.rest, Absent) and reader.is_exact and self._is_proof(field, since):
            return replace(self.ordinary, budget=LIKELIEST)(since, consistent_at)
        log.info("The custom field %d proves nothing. The list of tickets is read.", self.field_id)
        return self.ordinary(since, consistent_at)

    def _is_proof(self, field: KeyField, since: datetime) -> bool:
        """Return whether the filter works, and finds a ticket that is older than the first attempt."""
        try:
            newest = next(iter(self.ordinary.client.ticket_pages(sort="id", order="desc")), [])
            control = field.control()
            if control is None or not newest:
                return False
            listed = Listing(since, self.ordinary.now())
            listed.is_older(newest[0])
            return listed.is_older(control) and field.finds(control)
        except UsedeskError:
            return False


@dataclass(frozen=True)
class KeyField:
    """
    A custom field of tickets that contains keys.

    :param client: reads from Usedesk
    :param field_id: id of the custom field
    """

    client: Reader
    field_id: int

    def pages(self, value: str, order: Order, *, until_empty: bool = False) -> Iterator[list[TicketRow]]:
        """
        Yield the pages of tickets with a value in the field.

        :param value: the value; ``not_empty`` for any
        :param order: ``asc`` for the oldest first, or ``desc``
        :param until_empty: whether to read on after a page of less than a hundred; default: false
        """
        fields = [{"id": self.field_id, "value": value}]
        return self.client.ticket_pages(until_empty=until_empty, fields=fields, sort="id", order=order)

    def shows(self, row: TicketRow, value: str) -> bool:
        """Return whether a row of the list shows a value in the field."""
        return _compared(row.custom_fields.get(self.field_id)) == _compared(value)

    def control(self) -> TicketRow | None:
        """Return the oldest ticket whose field shows a key; None if the list shows none."""
        for row in next(self.pages("not_empty", "asc"), []):
            if _compared(row.custom_fields.get(self.field_id)).startswith(f"{VERSION}."):
                return row
        return None

    def finds(self, control: TicketRow) -> bool:
        """
        Return whether a search for the value of a ticket finds it, and finds no other values.

        :param control: the oldest ticket with its value
        """
        value = control.custom_fields[self.field_id] or ""
        rows = next(self.pages(value, "asc"), [])
        return bool(rows) and rows[0].id == control.id and all(self.shows(row, value) for row in rows)


class _FilteredReader:
    """
    Lists only the tickets with a value in the field.

    :ivar ids: tickets that show the value
    :ivar is_exact: whether all tickets that Usedesk listed show it
    """

    def __init__(self, field: KeyField, value: str) -> None:
        self._field = field
        self._value = value
        self.ids: set[int] = set()
        self.is_exact = True

    def ticket(self, ticket_id: int) -> TicketDetails:
        return self._field.client.ticket(ticket_id)

    def ticket_pages(
        self, *, until_empty: bool = False, **filters: Unpack[TicketFilters]
    ) -> Iterator[list[TicketRow]]:
        order = filters.get("order") or "desc"
        for page in self._field.pages(self._value, order, until_empty=until_empty):
            exact = [row for row in page if self._field.shows(row, self._value)]
            self.ids.update(row.id for row in exact)
            self.is_exact = self.is_exact and len(exact) == len(page)
            yield exact + [row for row in page if not row.custom_fields][:NOT_SHOWN]
            if len(exact) < len(page):
                # Usedesk ignores the filter, or its list shows no custom fields.
                return


def _compared(value: str | None) -> str:
    return (value or "").strip().casefold()
