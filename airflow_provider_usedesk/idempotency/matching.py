"""What the searches for tickets and for comments share."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar

from airflow_provider_usedesk.api.errors import UsedeskError
from airflow_provider_usedesk.api.records import TicketDetails
from airflow_provider_usedesk.idempotency.decision import Absent, Ambiguous

# Clocks differ, and the times of Usedesk may have a precision of a minute.
CLOCK_TOLERANCE = timedelta(minutes=5)

Result = TypeVar("Result")


class TicketReader(Protocol):
    """The part of the client that reads a ticket."""

    def ticket(self, ticket_id: int) -> TicketDetails: ...


def search_until_consistent(
    search: Callable[[], Result],
    consistent_at: datetime,
    sleep: Callable[[float], None],
    now: Callable[[], datetime],
) -> Result | Ambiguous:
    """
    Search; if the result is :class:`Absent`, search again once Usedesk shows all that was sent.

    :param search: searches once
    :param consistent_at: from when on Usedesk shows all that was sent, UTC
    :param sleep: waits for a number of seconds
    :param now: returns the current time, UTC
    :return: the result; :class:`Ambiguous` if Usedesk could not be read
    """
    try:
        # What a long search listed at its beginning does not show what was sent until its end.
        is_too_early = now() < consistent_at
        result = search()
        if isinstance(result, Absent) and is_too_early:
            if (wait := (consistent_at - now()).total_seconds()) > 0:
                sleep(wait)
            result = search()
    except UsedeskError as error:
        return ambiguous(error)
    return result


def ambiguous(error: UsedeskError, prefix: str = "") -> Ambiguous:
    """Return the result of a search that an error ended."""
    return Ambiguous(prefix + str(error).rstrip("."))


def as_utc(text: str | None) -> datetime | None:
    """Return a moment that Usedesk wrote, UTC; None if the text is not a moment."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def letters_of(text: str) -> str:
    """Return the letters and digits of a text: Usedesk may escape, trim or shorten the rest."""
    # One letter may be written in several ways; the accents of all are left out.
    decomposed = unicodedata.normalize("NFD", html.unescape(text).casefold())
    return "".join(character for character in decomposed if character.isalnum())
