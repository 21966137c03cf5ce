"""Asking Usedesk for the tickets that an earlier try may have made."""

from __future__ import annotations

import logging
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Protocol

from airflow_provider_usedesk.api.errors import UsedeskError, UsedeskRejected
from airflow_provider_usedesk.api.records import TicketRow
from airflow_provider_usedesk.api.responses import CreatedTicket
from airflow_provider_usedesk.idempotency.matching import AFTER, BEFORE, TicketReader, as_utc, letters_of
from airflow_provider_usedesk.idempotency.send_once import Absent, Ambiguous, Found, LookUp

log = logging.getLogger(__name__)

MAY_BE_COMPARED = frozenset({"subject", "client_id"})


class Reader(TicketReader, Protocol):
    """What the searches need of the client."""

    def ticket_pages(self, **filters: Any) -> Iterator[list[TicketRow]]: ...


@dataclass(frozen=True)
class Wanted:
    """
    Hold what is known of a ticket that an earlier try may have made.

    :param key: its ``additional_id``
    :param subject: its subject, where the request has one
    :param client_id: its client, where the request names one
    :param fixed: which of the two were the same in every try; where they may not have been, tickets that have
        them are only read first
    """

    key: str = field(repr=False)
    subject: str | None = field(default=None, repr=False)
    client_id: int | None = None
    fixed: frozenset[str] = MAY_BE_COMPARED


@dataclass(frozen=True)
class TicketsSearch:
    """
    LookUp Usedesk for several tickets at once, with a bounded number of reads.

    ``tickets`` shows no ``additional_id`` and cannot filter by it: the tickets of the time are listed, those
    that cannot be wanted are left out, and ``ticket`` is asked for each of the others.

    They are listed from the oldest on: how much was made since the last send nobody knows. Those that were
    made in the minutes before the first one, which are wanted only where clocks differ, are read last.

    :param client: reads from Usedesk
    :param wanted: the tickets
    :param is_known: tells by its id that a ticket is of none of them, so that it need not be read
    :param until: when the last of them may have been about to be sent, UTC; default: as the ask says, which
        is right for one
    :param settle: seconds after which a request that was under way and a listing that lags are done
    :param max_pages: how many pages of a hundred to list each time; default: 100. A batch at 150 requests a
        minute fills 8 in the five minutes before the first send, and 3 with 256 sends
    :param max_tickets: how many tickets to read; default: 20, and 3 for each that is wanted
    """

    client: Reader
    wanted: Sequence[Wanted]
    is_known: Callable[[int], bool] = lambda ticket_id: False
    until: datetime | None = None
    settle: float = 30.0
    max_pages: int = 100
    max_tickets: int | None = None
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __call__(self, ask: LookUp) -> Mapping[str, Found[CreatedTicket] | Absent | Ambiguous]:
        """
        Look; for what is not found, look again after all that was under way has settled.

        :raises ValueError: when ``until`` is before the first send
        """
        if self.until is not None and self.until < ask.since:
            raise ValueError("until must not be before the moment since when to look")
        if not self.wanted:
            return {}
        so_far = _SoFar(self.wanted)
        rest = self._look_until_settled(ask, so_far) or Absent()
        answers = {
            one.key: Found(so_far.found[one.key]) if one.key in so_far.found else rest for one in self.wanted
        }
        log.info(
            "Asked Usedesk for the %s of an earlier try: %s, after %d pages and %d tickets.",
            "ticket" if len(answers) == 1 else "tickets",
            _summary(answers),
            so_far.pages,
            len(so_far.read),
        )
        return answers

    def _look_until_settled(self, ask: LookUp, so_far: _SoFar) -> Ambiguous | None:
        """Return why what is not found may be there all the same."""
        last_send = self.until or (ask.since if ask.is_exact else self.now())
        settled = last_send + timedelta(seconds=self.settle)
        try:
            doubt = self._look(ask, so_far)
            wait = (settled - self.now()).total_seconds()
            if so_far.missing and not doubt and wait > 0:
                self.sleep(wait)
                doubt = self._look(ask, so_far)
        except UsedeskError as error:
            return _unsure(error)
        return doubt or so_far.unreadable

    def _look(self, ask: LookUp, so_far: _SoFar) -> Ambiguous | None:
        """Look once; return why it had to end too early."""
        pages = self.client.ticket_pages(sort="id", order="asc", **_window(ask, self.until))
        max_tickets = 20 + 3 * len(self.wanted) if self.max_tickets is None else self.max_tickets
        for ticket_id in self._candidates(pages, ask.since, so_far):
            if len(so_far.read) == max_tickets:
                what = "it" if len(self.wanted) == 1 else "among them"
                return Ambiguous(f"more than {max_tickets} tickets could be {what}")
            self._read(ticket_id, so_far)
            if not so_far.missing:
                return None
        if next(pages, None):
            return Ambiguous(f"more than {self.max_pages} pages of tickets were made since")
        return None

    def _candidates(self, pages: Iterator[list[TicketRow]], since: datetime, so_far: _SoFar) -> Iterator[int]:
        """List tickets that may be wanted: page by page those that look like it, at the end the others."""
        others: list[tuple[int, bool, int]] = []
        for page in islice(pages, self.max_pages):
            so_far.pages += 1
            for row in page:
                if row.id in so_far.read or self.is_known(row.id):
                    continue
                differences = _differences(row, so_far.missing)
                is_earlier = _was_made_before(row, since)
                if differences == 0 and not is_earlier:
                    yield row.id
                elif differences is not None:
                    others.append((differences, is_earlier, row.id))
        for _, _, ticket_id in sorted(others):
            yield ticket_id

    def _read(self, ticket_id: int, so_far: _SoFar) -> None:
        so_far.read.add(ticket_id)
        try:
            key = self.client.ticket(ticket_id).additional_id
        except UsedeskRejected as error:
            # Of this ticket nothing will be known; the others can be read all the same.
            so_far.unreadable = _unsure(error, f"ticket {ticket_id} cannot be read: ")
        else:
            so_far.note(key, ticket_id)


@dataclass(frozen=True)
class TicketSearch:
    """
    LookUp Usedesk for the ticket of a task, with a small number of reads: :class:`TicketsSearch` for one.

    :param client: reads from Usedesk
    :param key: the ``additional_id`` of the ticket
    :param subject: as of :class:`Wanted`
    :param client_id: as of :class:`Wanted`
    :param fixed: as of :class:`Wanted`
    :param settle: seconds after which a request that was under way and a listing that lags are done
    :param max_pages: how many pages of a hundred to list
    :param max_tickets: how many tickets to read
    """

    client: Reader
    key: str
    subject: str | None = None
    client_id: int | None = None
    fixed: frozenset[str] = MAY_BE_COMPARED
    settle: float = 30.0
    max_pages: int = 3
    max_tickets: int = 20
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __call__(self, ask: LookUp) -> Found[CreatedTicket] | Absent | Ambiguous:
        """Look; when nothing is found, look again after all that was under way has settled."""
        search = TicketsSearch(
            self.client,
            [Wanted(self.key, self.subject, self.client_id, self.fixed)],
            settle=self.settle,
            max_pages=self.max_pages,
            max_tickets=self.max_tickets,
            sleep=self.sleep,
            now=self.now,
        )
        return search(ask)[self.key]


class _SoFar:
    """
    Hold what a search has found and spent.

    :ivar missing: how those look that are not found yet
    """

    def __init__(self, wanted: Sequence[Wanted]) -> None:
        self.found: dict[str, CreatedTicket] = {}
        self.read: set[int] = set()
        self.pages = 0
        self.unreadable: Ambiguous | None = None
        self._letters = {one: letters_of(one.subject or "") for one in wanted}
        self._keys = {one.key for one in wanted}
        self.missing = _outlines(self._letters)

    def note(self, key: str | None, ticket_id: int) -> None:
        """Note which ticket has a key, where it is a wanted one."""
        if key is None or key not in self._keys:
            return
        if key in self.found:
            first = self.found[key].ticket_id
            log.warning("Tickets %d and %d have the same additional_id; %d counts.", first, ticket_id, first)
            return
        self.found[key] = CreatedTicket(ticket_id)
        self.missing = _outlines({one: it for one, it in self._letters.items() if one.key not in self.found})


@dataclass(frozen=True)
class _Outline:
    """
    Hold what a list shows of wanted tickets of the same client.

    :param subjects: letters of their subjects, sorted; none of one that is not known: every text begins so
    """

    subjects: tuple[str, ...]
    client_id: int | None
    fixed: frozenset[str]

    def differences(self, letters: str, client_id: int | None) -> int | None:
        """Count in how much a ticket differs; None where it differs in what is the same in every try."""
        count = 0
        if self.client_id != client_id and self.client_id is not None and client_id is not None:
            if "client_id" in self.fixed:
                return None
            count += 1
        if not _begin_alike(letters, self.subjects):
            if "subject" in self.fixed:
                return None
            count += 1
        return count


def _outlines(letters: Mapping[Wanted, str]) -> list[_Outline]:
    """Put those together that differ in their subjects only: these can be compared with all at once."""
    subjects: dict[tuple[int | None, frozenset[str]], set[str]] = {}
    for one, its in letters.items():
        subjects.setdefault((one.client_id, one.fixed), set()).add(its)
    return [
        _Outline(tuple(sorted(those)), client_id, fixed) for (client_id, fixed), those in subjects.items()
    ]


def _begin_alike(letters: str, subjects: tuple[str, ...]) -> bool:
    """Tell whether a text begins with one of the sorted others, or one of them with it: any may be cut."""
    at = bisect_left(subjects, letters)
    return letters.startswith(subjects) or any(one.startswith(letters) for one in subjects[at : at + 1])


def _differences(row: TicketRow, outlines: Iterable[_Outline]) -> int | None:
    """Count in how much a row differs from what it is most alike; None where it can be none of them."""
    letters = letters_of(row.subject or "")
    counts = (outline.differences(letters, row.client_id) for outline in outlines)
    return min((count for count in counts if count is not None), default=None)


def _was_made_before(row: TicketRow, since: datetime) -> bool:
    made = as_utc(row.created_at)
    return made is not None and made < since.replace(second=0, microsecond=0)


def _window(ask: LookUp, until: datetime | None) -> dict[str, str]:
    window = {"created_after": f"{ask.since - BEFORE:%Y-%m-%d %H:%M}"}
    # Clocks differ by as much after the last send as before the first; one send alone may take long.
    end = until + BEFORE if until else ask.since + AFTER if ask.is_exact else None
    if end:
        window["created_before"] = f"{end:%Y-%m-%d %H:%M}"
    return window


def _unsure(error: UsedeskError, what: str = "") -> Ambiguous:
    return Ambiguous(what + str(error).rstrip("."))


def _summary(answers: Mapping[str, Found[CreatedTicket] | Absent | Ambiguous]) -> str:
    names = Counter(type(answer).__name__.lower() for answer in answers.values())
    if len(answers) == 1:
        return next(iter(names))
    return ", ".join(f"{names[name]} {name}" for name in ("found", "absent", "unsure"))
