"""Which tickets of a list can be wanted ones, as far as the list shows."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from airflow_provider_usedesk.api.records import TicketRow
from airflow_provider_usedesk.idempotency.matching import letters_of

COMPARED_FIELDS = frozenset({"subject", "client_id"})


@dataclass(frozen=True)
class WantedTicket:
    """
    What is known of a ticket that an earlier attempt may have created.

    :param key: its ``additional_id``
    :param subject: its subject; default: None, the request has none
    :param client_id: its client; default: None, the request names none
    :param fixed: which of the two are the same in every attempt; default: both. A field that may have changed
        only decides which tickets are read first
    """

    key: str = field(repr=False)
    subject: str | None = field(default=None, repr=False)
    client_id: int | None = None
    fixed: frozenset[str] = COMPARED_FIELDS

    @cached_property
    def letters(self) -> str:
        """Return the letters of the subject."""
        return letters_of(self.subject or "")


@dataclass(frozen=True)
class TicketPattern:
    """
    What the list of tickets shows of wanted tickets of one client.

    :param subjects: letters of their subjects, sorted; empty for an unknown subject, which matches any
    :param client_id: their client; None for an unknown one
    :param fixed: as in :class:`WantedTicket`
    """

    subjects: tuple[str, ...]
    client_id: int | None
    fixed: frozenset[str]

    def differences(self, letters: str, client_id: int | None) -> int | None:
        """Return in how many fields a ticket differs; None if it differs in a fixed one."""
        count = 0
        if self.client_id != client_id and self.client_id is not None and client_id is not None:
            if "client_id" in self.fixed:
                return None
            count += 1
        if not _share_beginning(letters, self.subjects):
            if "subject" in self.fixed:
                return None
            count += 1
        return count


def patterns(wanted: Iterable[WantedTicket]) -> list[TicketPattern]:
    """Return a pattern for each client: a ticket is compared with all subjects of a client at once."""
    subjects: dict[tuple[int | None, frozenset[str]], set[str]] = {}
    for ticket in wanted:
        subjects.setdefault((ticket.client_id, ticket.fixed), set()).add(ticket.letters)
    return [
        TicketPattern(tuple(sorted(group)), client_id, fixed)
        for (client_id, fixed), group in subjects.items()
    ]


def differences(row: TicketRow, candidates: Iterable[TicketPattern]) -> int | None:
    """Return in how many fields a ticket differs from its best match; None if it matches no pattern."""
    letters = letters_of(row.subject or "")
    counts = (pattern.differences(letters, row.client_id) for pattern in candidates)
    return min((count for count in counts if count is not None), default=None)


def _share_beginning(letters: str, subjects: tuple[str, ...]) -> bool:
    """Return whether a text begins with one of the sorted subjects or one of them with it; any may be cut."""
    at = bisect_left(subjects, letters)
    return letters.startswith(subjects) or any(
        subject.startswith(letters) for subject in subjects[at : at + 1]
    )
