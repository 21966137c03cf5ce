"""The delivery contract: a request that may have reached Usedesk is never sent a second time blindly."""

from __future__ import annotations

import hashlib
import html
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Literal, Protocol

from airflow_provider_usedesk.api.answers import CreatedTicket
from airflow_provider_usedesk.api.errors import UsedeskError, UsedeskOutcomeUnknown
from airflow_provider_usedesk.api.records import TicketDetails, TicketRow

log = logging.getLogger(__name__)

OnUnknown = Literal["verify", "fail", "send"]
MAX_KEY = 255


@dataclass(frozen=True)
class Remembered:
    """
    Hold what an earlier try left behind.

    :param since: when the request was about to be sent, UTC
    :param turn: how often the task had been cleared by then, where clearing means sending again
    :param answer: the answer; None while it is not known whether there was one
    """

    since: datetime
    turn: int
    answer: CreatedTicket | None = None


@dataclass(frozen=True)
class Trial:
    """
    Hold what Airflow tells of the present try.

    :param is_first: whether nothing can have been sent before it
    :param began: a moment that is not after the first try, UTC
    :param turn: how often the task was cleared, where clearing means sending again
    """

    is_first: bool
    began: datetime
    turn: int = 0


@dataclass(frozen=True)
class Send:
    """Send: certainly nothing was sent before."""


@dataclass(frozen=True)
class Adopt:
    """Send nothing: this ticket is there."""

    answer: CreatedTicket


@dataclass(frozen=True)
class Ask:
    """
    Ask Usedesk for the ticket of an earlier try.

    :param since: when that try was about to send, or a moment before it
    :param is_exact: whether it was just then
    """

    since: datetime
    is_exact: bool


@dataclass(frozen=True)
class Stop:
    """Send nothing and fail: nobody can tell."""

    reason: str


@dataclass(frozen=True)
class Found:
    ticket_id: int


@dataclass(frozen=True)
class Absent:
    """Certainly no ticket with the key."""


@dataclass(frozen=True)
class Unsure:
    reason: str


class Memory(Protocol):
    """What a task remembers between its tries."""

    works: bool

    def recall(self) -> Remembered | None: ...
    def remember(self, what: Remembered) -> None: ...
    def forget(self) -> None: ...


def send_once(
    send: Callable[[], CreatedTicket],
    look_up: Callable[[Ask], Found | Absent | Unsure],
    memory: Memory,
    trial: Trial,
    on_unknown: OnUnknown = "verify",
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> CreatedTicket:
    """
    Send, unless an earlier try did.

    :param send: sends and returns the answer
    :param look_up: asks Usedesk for the ticket of this task
    :param memory: what earlier tries left behind
    :param trial: what Airflow tells of this try
    :param on_unknown: what to do when an earlier try may have sent: verify, fail or send
    :param now: tells the time
    :raises UsedeskOutcomeUnknown: when it cannot be told whether an earlier try sent
    """
    step = first_step(memory.recall(), memory.works, trial, on_unknown)
    if isinstance(step, Ask):
        step = step_after_asking(look_up(step))
        if isinstance(step, Adopt):
            memory.remember(Remembered(trial.began, trial.turn, step.answer))
    if isinstance(step, Stop):
        raise UsedeskOutcomeUnknown(step.reason)
    if isinstance(step, Adopt):
        log.info("An earlier try made Usedesk ticket %s; nothing is sent.", step.answer.ticket_id)
        return step.answer
    since = now()
    memory.remember(Remembered(since, trial.turn))
    try:
        answer = send()
    except UsedeskOutcomeUnknown:
        raise
    except UsedeskError:
        memory.forget()
        raise
    memory.remember(Remembered(since, trial.turn, answer))
    return answer


def first_step(
    remembered: Remembered | None, memory_works: bool, trial: Trial, on_unknown: OnUnknown
) -> Send | Adopt | Ask | Stop:
    """Decide what to do, from what is known without asking Usedesk."""
    if remembered is not None and remembered.turn != trial.turn:
        remembered = None
    if remembered is not None and remembered.answer is not None:
        return Adopt(remembered.answer)
    if remembered is None and (memory_works or trial.is_first):
        return Send()
    if on_unknown == "send":
        return Send()
    if on_unknown == "fail":
        return Stop(
            "An earlier try may have reached Usedesk, and on_unknown_outcome is 'fail'. Look in Usedesk for "
            "its ticket; send again with on_unknown_outcome='send' if there is none."
        )
    if remembered is not None:
        return Ask(remembered.since, is_exact=True)
    return Ask(trial.began, is_exact=False)


def step_after_asking(answer: Found | Absent | Unsure) -> Send | Adopt | Stop:
    """Decide what to do with what Usedesk said."""
    if isinstance(answer, Found):
        return Adopt(CreatedTicket(answer.ticket_id))
    if isinstance(answer, Absent):
        return Send()
    return Stop(
        f"An earlier try may have reached Usedesk, and it could not be verified: {answer.reason}. Look in "
        "Usedesk for its ticket; send again with on_unknown_outcome='send' if there is none."
    )


def task_key(
    dag_id: str, run_id: str, task_id: str, map_index: int = -1, turn: int = 0, again: str = ""
) -> str:
    """
    Name a task instance in a way that fits into ``additional_id``, readable, and the same in every try.

    :param turn: how often the task was cleared, where clearing means sending again
    :param again: what tells a second sending of the same try from the first
    """
    parts = [dag_id, run_id, task_id]
    if map_index >= 0:
        parts.append(str(map_index))
    if turn:
        parts.append(f"again-{turn}")
    # A part can hold a slash of its own; escaping it keeps two tasks from sharing a key.
    key = "airflow/" + "/".join(part.replace("%", "%25").replace("/", "%2F") for part in parts) + again
    if len(key) <= MAX_KEY:
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()[:32]
    return f"{key[: MAX_KEY - len(digest) - 1]}~{digest}"


class StateStore:
    """
    Remember in the task state store of Airflow 3.3, whose rows live as long as the Dag run.

    :param store: ``context["task_state_store"]``
    :param name: names what is sent, where one task sends twice
    """

    works = True

    def __init__(self, store: Any, name: str = "") -> None:
        self._store = store
        self._key = f"usedesk_send{name}"

    def recall(self) -> Remembered | None:
        kept = self._store.get(self._key)
        if not kept:
            return None
        answer = CreatedTicket(**kept["answer"]) if kept["answer"] else None
        return Remembered(datetime.fromisoformat(kept["since"]), kept["turn"], answer)

    def remember(self, what: Remembered) -> None:
        answer = asdict(what.answer) if what.answer else None
        kept = {"since": what.since.isoformat(), "turn": what.turn, "answer": answer}
        # Never expires (Airflow compares with this very object): no clean-up may outrun a retry.
        self._store.set(self._key, kept, retention=timedelta.max)

    def forget(self) -> None:
        self._store.delete(self._key)


class NoMemory:
    """Stand in where Airflow has no task state store: before 3.3."""

    works = False

    def recall(self) -> None:
        return None

    def remember(self, what: Remembered) -> None:
        """Do nothing."""

    def forget(self) -> None:
        """Do nothing."""


class Reader(Protocol):
    """What the search needs of the client."""

    def ticket(self, ticket_id: int) -> TicketDetails: ...
    def ticket_pages(self, **filters: Any) -> Iterator[list[TicketRow]]: ...


@dataclass(frozen=True)
class TicketSearch:
    """
    Ask Usedesk for the ticket of a task, with a small and bounded number of reads.

    ``tickets`` shows no ``additional_id`` and cannot filter by it: the tickets of the time are listed, those
    that cannot be it are left out, and ``ticket`` is asked for each of the others.

    :param client: reads from Usedesk
    :param key: the ``additional_id`` of the ticket
    :param subject: its subject, where the request fixed it
    :param client_id: its client, where the request fixed it
    :param settle: seconds after which a request that was under way and a listing that lags are done
    :param max_pages: how many pages of a hundred to list
    :param max_tickets: how many tickets to read
    """

    client: Reader
    key: str
    subject: str | None = None
    client_id: int | None = None
    settle: float = 30.0
    max_pages: int = 3
    max_tickets: int = 20
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __call__(self, ask: Ask) -> Found | Absent | Unsure:
        """Look; when nothing is found, look again after all that was under way has settled."""
        settled = (ask.since if ask.is_exact else self.now()) + timedelta(seconds=self.settle)
        read: set[int] = set()
        pages: list[int] = []
        try:
            answer = self._look(ask, read, pages)
            wait = (settled - self.now()).total_seconds()
            if isinstance(answer, Absent) and wait > 0:
                self.sleep(wait)
                answer = self._look(ask, read, pages)
        except UsedeskError as error:
            answer = Unsure(str(error).rstrip("."))
        log.info(
            "Asked Usedesk for the ticket of an earlier try: %s, after %d pages and %d tickets.",
            type(answer).__name__.lower(),
            len(pages),
            len(read),
        )
        return answer

    def _look(self, ask: Ask, read: set[int], listed: list[int]) -> Found | Absent | Unsure:
        pages = self.client.ticket_pages(sort="id", order="asc", **_window(ask))
        for page in islice(pages, self.max_pages):
            listed.append(len(page))
            for row in page:
                if row.id in read or not self._may_be(row):
                    continue
                if len(read) == self.max_tickets:
                    return Unsure(f"more than {self.max_tickets} tickets could be it")
                read.add(row.id)
                if self.client.ticket(row.id).additional_id == self.key:
                    return Found(row.id)
        if next(pages, None):
            return Unsure(f"more than {self.max_pages} pages of tickets were made since")
        return Absent()

    def _may_be(self, row: TicketRow) -> bool:
        if self.client_id is not None and row.client_id not in (None, self.client_id):
            return False
        return self.subject is None or row.subject is None or _is_alike(self.subject, row.subject)


# Clocks differ, and the filter knows whole minutes only.
BEFORE = timedelta(minutes=5)
AFTER = timedelta(hours=1)


def _window(ask: Ask) -> dict[str, str]:
    window = {"created_after": f"{ask.since - BEFORE:%Y-%m-%d %H:%M}"}
    if ask.is_exact:
        window["created_before"] = f"{ask.since + AFTER:%Y-%m-%d %H:%M}"
    return window


def _is_alike(one: str, other: str) -> bool:
    """Compare letters and digits only: the rest may come back escaped, trimmed or shortened."""
    left, right = (
        "".join(character for character in html.unescape(text).casefold() if character.isalnum())
        for text in (one, other)
    )
    return left.startswith(right) or right.startswith(left)
