"""The search for tickets that earlier attempts may have created."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Protocol

from airflow_provider_usedesk.api.errors import UsedeskRejected
from airflow_provider_usedesk.api.records import TicketRow
from airflow_provider_usedesk.api.responses import CreatedTicket
from airflow_provider_usedesk.idempotency.decision import Absent, Ambiguous, Found, LookUp, SearchResult
from airflow_provider_usedesk.idempotency.matching import (
    CLOCK_TOLERANCE,
    CONSISTENCY_DELAY,
    LONGEST_SEND,
    TicketReader,
    ambiguous,
    as_utc,
    search_until_consistent,
)
from airflow_provider_usedesk.idempotency.ticket_patterns import WantedTicket, differences, patterns

log = logging.getLogger(__name__)


class Reader(TicketReader, Protocol):
    """The part of the client that reads and lists tickets."""

    def ticket_pages(self, **filters: Any) -> Iterator[list[TicketRow]]: ...


@dataclass(frozen=True)
class ReadBudget:
    """
    How much a search may read; the defaults are for one message.

    :param pages: pages of a hundred tickets to list, each time; default: 3
    :param tickets: tickets to read in all; default: 20
    """

    pages: int = 3
    tickets: int = 20

    @classmethod
    def for_batch(cls, wanted: int) -> ReadBudget:
        """
        Return the budget for several tickets of a batch.

        A batch at 150 requests a minute fills 8 pages in the five minutes before the first send, and 3 with
        256 sends.

        :param wanted: number of wanted tickets
        """
        return cls(pages=100, tickets=20 + 3 * wanted)


@dataclass(frozen=True)
class TicketSearch:
    """
    The search for one or several tickets, with a bounded number of reads.

    The method ``tickets`` neither shows ``additional_id`` nor filters by it. So the search lists the tickets
    of the time in question, leaves out those that cannot be wanted, and reads each of the others with
    ``ticket``.

    The list begins with the oldest ticket, because the number of tickets since the last send is unknown.
    Tickets from the minutes before the first send are only possible if clocks differ; they are read last.

    :param client: reads from Usedesk
    :param wanted: the tickets
    :param is_known: returns whether a ticket, given by its id, is none of them, so that it need not be read
    :param until: when the last of them may have been sent, UTC; default: None, as the look-up says, which is
        right for a single ticket
    :param budget: how much to read; default: the budget for one message
    :param consistency_delay: seconds after which requests under way have ended and the list shows their
        results; default: 30
    :param sleep: waits for a number of seconds
    :param now: returns the current time, UTC
    """

    client: Reader
    wanted: Sequence[WantedTicket]
    is_known: Callable[[int], bool] = lambda ticket_id: False
    until: datetime | None = None
    budget: ReadBudget = ReadBudget()
    consistency_delay: float = CONSISTENCY_DELAY
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __call__(self, look_up: LookUp) -> Mapping[str, SearchResult[CreatedTicket]]:
        """
        Return the result for each key; what is not found is searched again after the consistency delay.

        :param look_up: since when to search
        :raises ValueError: if ``until`` is before the first send
        """
        if self.until is not None and self.until < look_up.since:
            raise ValueError("until must not be before the moment since when to search.")
        if not self.wanted:
            return {}
        progress = _Progress(self.wanted)
        missing = self._search(look_up, progress)
        results = {
            ticket.key: Found(progress.found[ticket.key]) if ticket.key in progress.found else missing
            for ticket in self.wanted
        }
        log.info(
            "Searched Usedesk for %s of an earlier attempt: %s, after %d pages and %d tickets.",
            "the ticket" if len(results) == 1 else "the tickets",
            _summary(results),
            progress.pages,
            len(progress.read),
        )
        return results

    def _search(self, look_up: LookUp, progress: _Progress) -> Absent | Ambiguous:
        """Return the result for all that is not found."""
        last_send = self.until or (look_up.since if look_up.is_exact else self.now())
        result = search_until_consistent(
            lambda: self._search_once(look_up, progress),
            last_send + timedelta(seconds=self.consistency_delay),
            self.sleep,
            self.now,
        )
        return result if isinstance(result, Ambiguous) else progress.unreadable or Absent()

    def _search_once(self, look_up: LookUp, progress: _Progress) -> Absent | Ambiguous | None:
        """Return None if all tickets are found."""
        pages = self.client.ticket_pages(sort="id", order="asc", **_window(look_up, self.until))
        for ticket_id in self._candidates(pages, look_up.since, progress):
            if len(progress.read) == self.budget.tickets:
                what = "it" if len(self.wanted) == 1 else "among them"
                return Ambiguous(f"more than {self.budget.tickets} tickets could be {what}")
            self._read(ticket_id, progress)
            if not progress.missing:
                return None
        if next(pages, None):
            return Ambiguous(f"more than {self.budget.pages} pages of tickets were created since")
        return Absent()

    def _candidates(
        self, pages: Iterator[list[TicketRow]], since: datetime, progress: _Progress
    ) -> Iterator[int]:
        """Yield the tickets to read: page by page those that match in all fields, at the end the others."""
        others: list[tuple[int, bool, int]] = []
        for page in islice(pages, self.budget.pages):
            progress.pages += 1
            for row in page:
                if row.id in progress.read or self.is_known(row.id):
                    continue
                count = differences(row, progress.missing)
                is_earlier = _was_created_before(row, since)
                if count == 0 and not is_earlier:
                    yield row.id
                elif count is not None:
                    others.append((count, is_earlier, row.id))
        for _, _, ticket_id in sorted(others):
            yield ticket_id

    def _read(self, ticket_id: int, progress: _Progress) -> None:
        progress.read.add(ticket_id)
        try:
            key = self.client.ticket(ticket_id).additional_id
        except UsedeskRejected as error:
            # This ticket stays unknown; the others can still be read.
            progress.unreadable = ambiguous(error, f"ticket {ticket_id} cannot be read: ")
        else:
            progress.add(key, ticket_id)


class _Progress:
    """
    What a search has found and read so far.

    :ivar missing: patterns of the tickets that are not found yet
    """

    def __init__(self, wanted: Sequence[WantedTicket]) -> None:
        self.found: dict[str, CreatedTicket] = {}
        self.read: set[int] = set()
        self.pages = 0
        self.unreadable: Ambiguous | None = None
        self.missing = patterns(wanted)
        self._wanted = {ticket.key: ticket for ticket in wanted}

    def add(self, key: str | None, ticket_id: int) -> None:
        """Add a ticket if its key is wanted; of several with one key the first one counts."""
        if key is None or key not in self._wanted:
            return
        if key in self.found:
            first = self.found[key].ticket_id
            log.warning(
                "Tickets %d and %d have the same additional_id. Ticket %d is used; check in Usedesk whether "
                "the customer was written to twice.",
                first,
                ticket_id,
                first,
            )
            return
        self.found[key] = CreatedTicket(ticket_id)
        self.missing = patterns(
            ticket for own_key, ticket in self._wanted.items() if own_key not in self.found
        )


def _was_created_before(row: TicketRow, since: datetime) -> bool:
    created = as_utc(row.created_at)
    return created is not None and created < since.replace(second=0, microsecond=0)


def _window(look_up: LookUp, until: datetime | None) -> dict[str, str]:
    window = {"created_after": f"{look_up.since - CLOCK_TOLERANCE:%Y-%m-%d %H:%M}"}
    # Clocks differ as much after the last send as before the first; a single send may itself take long.
    end = until + CLOCK_TOLERANCE if until else look_up.since + LONGEST_SEND if look_up.is_exact else None
    if end:
        window["created_before"] = f"{end:%Y-%m-%d %H:%M}"
    return window


def _summary(results: Mapping[str, SearchResult[CreatedTicket]]) -> str:
    names = Counter(type(result).__name__.lower() for result in results.values())
    if len(results) == 1:
        return next(iter(names))
    return ", ".join(f"{names[name]} {name}" for name in ("found", "absent", "ambiguous"))
