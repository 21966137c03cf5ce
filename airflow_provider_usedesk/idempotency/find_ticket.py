"""The search for tickets that earlier attempts may have created."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice
from typing import Protocol, Unpack
from zoneinfo import ZoneInfo, available_timezones

from airflow_provider_usedesk.api.errors import UsedeskRejected
from airflow_provider_usedesk.api.parameters import TicketFilters
from airflow_provider_usedesk.api.records import TicketRow
from airflow_provider_usedesk.idempotency.decision import Absent, Ambiguous
from airflow_provider_usedesk.idempotency.likely_tickets import Likelihood, LikelyTickets
from airflow_provider_usedesk.idempotency.matching import (
    CLOCK_TOLERANCE,
    TicketReader,
    ambiguous,
    as_utc,
    search_until_consistent,
)

log = logging.getLogger(__name__)

REPORT_EVERY = 50
"""Tickets that are read between two lines of the log."""
CLOCK_CHANGE = timedelta(hours=1)
"""How much older a ticket looks if the list shows local time and the clocks have gone forward since."""
DAY = timedelta(days=1)

Shown = Mapping[int, str | None]
"""The ``additional_id`` of each ticket that was read; None if Usedesk shows none."""


class Reader(TicketReader, Protocol):
    """The part of the client that reads and lists tickets."""

    def ticket_pages(
        self, *, until_empty: bool = False, **filters: Unpack[TicketFilters]
    ) -> Iterator[list[TicketRow]]: ...


@dataclass(frozen=True)
class ReadBudget:
    """
    How much a search may read; the defaults are for one message.

    :param pages: pages to list, each time; default: 30
    :param tickets: tickets to read in all; default: 300, two minutes at 150 requests a minute
    :param is_decisive: whether tickets that are not read could be the wanted one; default: true
    """

    pages: int = 30
    tickets: int = 300
    is_decisive: bool = True

    @classmethod
    def for_batch(cls, wanted: int) -> ReadBudget:
        """
        Return the budget for several tickets of a batch, which itself creates up to 100,000 tickets since.

        :param wanted: number of wanted tickets
        """
        return cls(pages=1000, tickets=300 + 3 * wanted)


@dataclass(frozen=True)
class SeenTickets:
    """
    What a search has read.

    :param shown: the ``additional_id`` of each ticket
    :param rest: whether all other tickets are certainly not wanted, or why this is unknown
    """

    shown: Shown
    rest: Absent | Ambiguous


@dataclass(frozen=True)
class TicketSearch:
    """
    The search for one or several tickets, with a bounded number of reads.

    The method ``tickets`` neither shows ``additional_id`` nor filters by it. So the search lists the newest
    tickets back to the time in question, and reads them with ``ticket``, the likeliest first. Only
    ``additional_id`` decides: a person may change the subject and the client at any moment.

    The times in the list are only compared with each other, so the time zone and the clock of Usedesk do not
    matter. While clocks anywhere go forward, the list is read back an hour further.

    :param client: reads from Usedesk
    :param likely: what the wanted tickets look like
    :param is_enough: returns whether the tickets that were read contain all that are wanted
    :param is_known: returns whether a ticket, given by its id, is none of them, so that it need not be read
    :param budget: how much to read; default: the budget for one message
    :param known: tickets that an earlier search of the same attempt has read; this search adds to it
    :param sleep: waits for a number of seconds
    :param now: returns the current time, UTC
    """

    client: Reader
    likely: LikelyTickets
    is_enough: Callable[[Shown], bool]
    is_known: Callable[[int], bool] = lambda ticket_id: False
    budget: ReadBudget = ReadBudget()
    known: dict[int, str | None] = field(default_factory=dict)
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __call__(self, since: datetime, consistent_at: datetime) -> SeenTickets:
        """
        Return the tickets that were read; if some are missing, search again once Usedesk shows all.

        :param since: a moment that is not later than the first request, UTC
        :param consistent_at: from when on Usedesk shows all that was sent, UTC
        """
        progress = _Progress(self.known)
        rest = search_until_consistent(
            lambda: self._search_once(since, progress), consistent_at, self.sleep, self.now
        )
        if isinstance(rest, Absent) and 1 < progress.pages == progress.pages_of_last_look:
            # A ticket that leaves the list while its pages are read hides another one.
            rest = search_until_consistent(
                lambda: self._search_once(since, progress), consistent_at, self.sleep, self.now
            )
        if rest is None or isinstance(rest, Absent):
            rest = progress.unclear or Absent()
        log.info(
            "Searched Usedesk for a message of an earlier attempt. Pages read: %d, tickets read: %d.",
            progress.pages,
            progress.reads,
        )
        return SeenTickets(progress.shown, rest)

    def _search_once(self, since: datetime, progress: _Progress) -> Absent | Ambiguous | None:
        """Return None if all tickets are found."""
        if progress.shown and self.is_enough(progress.shown):
            return None
        progress.pages_of_last_look = 0
        pages = self.client.ticket_pages(until_empty=True, sort="id", order="desc")
        listed = Listing(since, self.now())
        for likelihood, ticket_id in self._candidates(pages, listed, progress):
            if progress.reads == self.budget.tickets:
                if not self.budget.is_decisive:
                    return Absent()
                return Ambiguous(
                    f"more than {self.budget.tickets} tickets were created since, all could be it"
                )
            self._read(ticket_id, likelihood, progress)
            if self.is_enough(progress.shown):
                return None
        if self.budget.is_decisive and not listed.is_complete and next(pages, None) is not None:
            return Ambiguous(f"more than {self.budget.pages} pages of tickets were created since")
        return Absent()

    def _candidates(
        self, pages: Iterator[list[TicketRow]], listed: Listing, progress: _Progress
    ) -> Iterator[tuple[Likelihood, int]]:
        """Yield the tickets to read: page by page those that match, at the end the others."""
        others: list[tuple[bool, Likelihood, int]] = []
        for page in islice(pages, self.budget.pages):
            progress.pages += 1
            progress.pages_of_last_look += 1
            for row in page:
                likelihood, is_older = self.likely.likelihood(row), listed.is_older(row)
                if row.id in progress.shown:
                    if not is_older:
                        progress.check_shown(row.id, likelihood)
                    continue
                if row.id in progress.unreadable or self.is_known(row.id):
                    continue
                if likelihood is Likelihood.ALL_MATCH and not is_older:
                    yield likelihood, row.id
                else:
                    others.append((is_older, likelihood, row.id))
            if listed.ends_with(page):
                break
        # Of a page that reaches back beyond the time, the older tickets are not possible.
        for is_older, likelihood, ticket_id in sorted(others):
            if not is_older:
                yield likelihood, ticket_id

    def _read(self, ticket_id: int, likelihood: Likelihood, progress: _Progress) -> None:
        progress.reads += 1
        if progress.reads % REPORT_EVERY == 0:
            log.info("Searching: %d tickets were read so far.", progress.reads)
        try:
            shown = self.client.ticket(ticket_id).additional_id
        except UsedeskRejected as error:
            # This ticket stays unknown; the others can still be read.
            progress.unreadable.add(ticket_id)
            progress.unclear = ambiguous(error, f"ticket {ticket_id} cannot be read: ")
            return
        progress.shown[ticket_id] = shown
        progress.check_shown(ticket_id, likelihood)


class _Progress:
    """What a search has found and read so far."""

    def __init__(self, known: dict[int, str | None]) -> None:
        self.shown = known
        self.unreadable: set[int] = set()
        self.pages = 0
        self.pages_of_last_look = 0
        self.reads = 0
        self.unclear: Ambiguous | None = None

    def check_shown(self, ticket_id: int, likelihood: Likelihood) -> None:
        if self.shown[ticket_id] is None and likelihood is Likelihood.ALL_MATCH:
            self.unclear = Ambiguous(
                f"ticket {ticket_id} looks like it, and Usedesk shows no additional_id of that ticket"
            )


class Listing:
    """
    How far back a list of tickets goes, by the times that it shows.

    :param since: a moment that is not later than the first request, UTC
    :param now: the current time, UTC
    """

    def __init__(self, since: datetime, now: datetime) -> None:
        self._reach = now - since + CLOCK_TOLERANCE + _clock_change(since, now)
        self._newest: datetime | None = None
        self.is_complete = False

    def is_older(self, row: TicketRow) -> bool:
        """Return whether a ticket is older than the time in question; the newest row must come first."""
        created = as_utc(row.created_at)
        if created is None:
            return False
        if self._newest is None:
            self._newest = created
        return created < self._newest - self._reach

    def ends_with(self, page: list[TicketRow]) -> bool:
        """Return whether all tickets of a page, and so all after it, are older."""
        self.is_complete = bool(page) and all(self.is_older(row) for row in page)
        return self.is_complete


def _clock_change(since: datetime, now: datetime) -> timedelta:
    """Return by how much the clocks of Usedesk, whose time zone is unknown, may have gone forward."""
    if now - since > DAY:
        return CLOCK_CHANGE
    # A day more on both sides: the clock of Usedesk can be wrong.
    begin, end, zones = since - DAY, now + DAY, _time_zones()
    is_possible = not zones or any(_offset(begin, zone) < _offset(end, zone) for zone in zones)
    return CLOCK_CHANGE if is_possible else timedelta()


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()


@cache
def _time_zones() -> tuple[ZoneInfo, ...]:
    return tuple(ZoneInfo(name) for name in available_timezones())
