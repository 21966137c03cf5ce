"""The search for a client: one that was there before, or one that an earlier attempt may have created."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Protocol, Unpack

from airflow_provider_usedesk.api.parameters import ClientFilters
from airflow_provider_usedesk.api.records import ClientDetails, ClientRow
from airflow_provider_usedesk.api.responses import CreatedClient
from airflow_provider_usedesk.idempotency.comment_match import ANY_TIME_ZONE
from airflow_provider_usedesk.idempotency.decision import Absent, Ambiguous, Found, LookUp, SearchResult
from airflow_provider_usedesk.idempotency.matching import CLOCK_TOLERANCE, as_utc, search_until_consistent

log = logging.getLogger(__name__)

MAX_ROWS = 300
"""Rows that are read for one email or phone; a full match has few."""


class ClientReader(Protocol):
    """The part of the client of the API that reads clients."""

    def clients(self, **filters: Unpack[ClientFilters]) -> Iterator[ClientRow]: ...
    def client(self, client_id: int) -> ClientDetails: ...


@dataclass(frozen=True)
class Contacts:
    """
    By what a client is recognized.

    :param emails: email addresses, as the request has them
    :param phone: digits of a phone, as the request has it; None without one
    """

    emails: tuple[str, ...] = field(default=(), repr=False)
    phone: str | None = field(default=None, repr=False)

    def __bool__(self) -> bool:
        return bool(self.emails or self.phone)


def clients_with(reader: ClientReader, contacts: Contacts) -> list[int]:
    """
    Return the ids of all clients that have one of these emails or this phone, the oldest first.

    :param reader: reads clients
    :param contacts: the emails and the phone
    """
    found: set[int] = set()
    for email in contacts.emails:
        found.update(row.id for row in _rows(reader, email) if email.casefold() in _emails(row))
    if phone := contacts.phone:
        found.update(row.id for row in _rows(reader, phone) if phone in map(_digits, row.phones))
    return sorted(found)


@dataclass(frozen=True)
class ClientSearch:
    """
    The search for the client of a task.

    A client has no key. One that was created about the time of the attempt and has an email or the phone of
    the request is taken for ours; an older one is not.

    :param reader: reads clients
    :param contacts: the emails and the phone of the request
    :param sleep: waits for a number of seconds
    :param now: returns the current time, UTC
    """

    reader: ClientReader
    contacts: Contacts
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __call__(self, look_up: LookUp) -> SearchResult[CreatedClient]:
        """
        Return the result; if no client is found, search again once Usedesk shows all that was sent.

        :param look_up: since when to search
        """
        if not self.contacts:
            return Ambiguous("a client without email and phone cannot be searched for")
        result = search_until_consistent(
            lambda: self._search_once(look_up), look_up.consistent_at, self.sleep, self.now
        )
        log.info("Searched Usedesk for the client of an earlier attempt: %s.", type(result).__name__.lower())
        return result

    def _search_once(self, look_up: LookUp) -> SearchResult[CreatedClient]:
        # In which time zone Usedesk shows the time is not documented.
        earliest = look_up.since - CLOCK_TOLERANCE - ANY_TIME_ZONE
        unknown: int | None = None
        for number in reversed(clients_with(self.reader, self.contacts)):
            created = as_utc(self.reader.client(number).created_at)
            if created is None:
                unknown = unknown or number
            elif created >= earliest:
                return Found(CreatedClient(number, is_found=True))
        if unknown is None:
            return Absent()
        return Ambiguous(f"client {unknown} may be it or an older one: Usedesk does not show its age")


def _rows(reader: ClientReader, query: str) -> Iterator[ClientRow]:
    # What a full match compares is not certain, so the caller compares the values of each row.
    return islice(reader.clients(query=query, search_type="full_match"), MAX_ROWS)


def _emails(row: ClientRow) -> set[str]:
    return {email.casefold() for email in row.emails}


def _digits(phone: str) -> str:
    return "".join(character for character in phone if character.isdigit())
