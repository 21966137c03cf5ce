"""What the searches for tickets and comments share."""

from __future__ import annotations

import html
from datetime import UTC, datetime, timedelta
from typing import Protocol

from airflow_provider_usedesk.api.records import TicketDetails


class TicketReader(Protocol):
    """What reads a ticket: all that the search for a comment needs of the client."""

    def ticket(self, ticket_id: int) -> TicketDetails: ...


# Clocks differ, and the filter knows whole minutes only.
BEFORE = timedelta(minutes=5)


AFTER = timedelta(hours=1)


def as_utc(written: str | None) -> datetime | None:
    """Read a moment as Usedesk writes it; None where it is none."""
    try:
        moment = datetime.fromisoformat(written or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def letters_of(text: str) -> str:
    """Leave letters and digits only: the rest may come back escaped, trimmed or shortened."""
    return "".join(character for character in html.unescape(text).casefold() if character.isalnum())
