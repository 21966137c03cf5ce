"""Rows that may have been sent without anybody knowing: what to ask Usedesk about them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from airflow_provider_usedesk.batch.row_store import Sendable

# Of so long a time tickets are listed at once: a list of a whole run would be too long to be read.
ASKED_AT_ONCE = timedelta(minutes=5)


@dataclass(frozen=True)
class Doubt:
    """
    Hold a row that may have been sent.

    :param row: the row, as it is now
    :param since: before this moment it was not sent, UTC
    :param until: after this moment it was not sent, UTC
    :param is_alike: whether it was then what it is now, as far as a list of tickets shows
    """

    row: Sendable
    since: datetime
    until: datetime
    is_alike: bool


def asked_together(doubts: Iterable[Doubt]) -> Iterator[Sequence[Doubt]]:
    """Put those together that may have been sent at about the same time."""
    group: list[Doubt] = []
    end = datetime.min
    for doubt in sorted(doubts, key=lambda one: one.since):
        if group and doubt.until > max(end, group[0].since + ASKED_AT_ONCE):
            yield group
            group = []
        end = max(end, doubt.until) if group else doubt.until
        group.append(doubt)
    if group:
        yield group
