"""Which tickets of a list are read first: those that look like the wanted ones."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from airflow_provider_usedesk.api.records import TicketRow
from airflow_provider_usedesk.idempotency.matching import letters_of


class Likelihood(IntEnum):
    """How much a ticket of a list looks like a wanted one. It orders the reading and excludes nothing."""

    ALL_MATCH = 0
    SOME_MATCH = 1
    NONE_MATCHES = 2


@dataclass(frozen=True)
class LikelyTickets:
    """
    The subjects and the clients of wanted tickets; a person may change both in Usedesk.

    :param subjects: letters of the subjects, sorted, without empty ones
    :param client_ids: ids of the clients that are known
    """

    subjects: tuple[str, ...] = ()
    client_ids: frozenset[int] = frozenset()

    @classmethod
    def of(cls, tickets: Iterable[tuple[str | None, int | None]]) -> Self:
        """
        Return the subjects and clients of some tickets.

        :param tickets: subject and client id of each; None if a request has none
        """
        several = list(tickets)
        subjects = {letters for subject, _ in several if (letters := letters_of(subject or ""))}
        clients = frozenset(client_id for _, client_id in several if client_id is not None)
        return cls(tuple(sorted(subjects)), clients)

    def likelihood(self, row: TicketRow) -> Likelihood:
        """
        Return how much a ticket looks like a wanted one.

        :param row: a row of a list of tickets
        """
        matches = []
        if self.subjects:
            matches.append(_share_beginning(letters_of(row.subject or ""), self.subjects))
        if self.client_ids:
            matches.append(row.client_id in self.client_ids)
        if all(matches):
            return Likelihood.ALL_MATCH if matches else Likelihood.NONE_MATCHES
        return Likelihood.SOME_MATCH if any(matches) else Likelihood.NONE_MATCHES


def _share_beginning(letters: str, subjects: tuple[str, ...]) -> bool:
    """Return whether a text begins with one of the sorted subjects or one of them with it; any may be cut."""
    if not letters:
        return False
    at = bisect_left(subjects, letters)
    return letters.startswith(subjects) or any(
        subject.startswith(letters) for subject in subjects[at : at + 1]
    )
