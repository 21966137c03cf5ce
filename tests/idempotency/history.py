"""Histories of several attempts of one task, without Airflow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from airflow_provider_usedesk.api import errors
from airflow_provider_usedesk.api.records import Comment, TicketDetails
from airflow_provider_usedesk.api.responses import CreatedComment, CreatedTicket
from airflow_provider_usedesk.compat.stores import MemoryStore
from airflow_provider_usedesk.idempotency.attempt_store import AttemptStore
from airflow_provider_usedesk.idempotency.decision import Absent, Ambiguous, Attempt, Delays, Message
from airflow_provider_usedesk.idempotency.find_comment import CommentSearch
from airflow_provider_usedesk.idempotency.find_ticket import SeenTickets
from airflow_provider_usedesk.idempotency.send_once import SendOnce
from airflow_provider_usedesk.idempotency.ticket_match import match_key
from tests.idempotency.conftest import KEY, Clock

DELAYS = Delays()
MESSAGE = Message(replace(KEY, nonce="-"), "notify")
OURS = Comment(None, "<p>Paid, thanks</p>", author="user", type="public", user_id=2156)


class Killed(BaseException):
    """The worker was killed: no line of it runs after that."""


class TimedOut(BaseException):
    """Airflow interrupts the worker, which can still write."""


@dataclass(frozen=True)
class Event:
    """
    What happens in an attempt.

    :param is_created: whether Usedesk carries the request out
    :param error: how the request ends; None for a response
    :param killed_at: the step at which the worker dies; None for never
    :param is_late: whether Usedesk carries the request out as late as it can
    """

    is_created: bool = True
    error: Callable[[str], BaseException] | None = None
    killed_at: str | None = None
    is_late: bool = False


SUCCESS = Event()
REFUSED = Event(is_created=False, error=errors.UsedeskRateLimited)
UNKNOWN = Event(is_created=False, error=errors.UsedeskOutcomeUnknown)
EVENTS = {
    "success": SUCCESS,
    "killed at the start": Event(killed_at="start"),
    "killed before the record": Event(killed_at="before open"),
    "killed after the record": Event(killed_at="after open"),
    "killed in the request": Event(killed_at="request"),
    "killed in the request, carried out late": Event(killed_at="request", is_late=True),
    "killed before the response is saved": Event(killed_at="before answered"),
    "killed after the response is saved": Event(killed_at="after answered"),
    "unknown, created": Event(error=errors.UsedeskOutcomeUnknown),
    "unknown, created late": Event(error=errors.UsedeskOutcomeUnknown, is_late=True),
    "unknown, not created": UNKNOWN,
    "timed out": Event(error=TimedOut),
    "refused": REFUSED,
    "killed after a refusal": Event(False, errors.UsedeskRateLimited, killed_at="before not sent"),
    "response not saved": Event(killed_at="answered fails"),
}


@dataclass
class History:
    """
    The attempts of one task, its store, and what Usedesk has.

    :param has_store: whether Airflow has a task state store
    :param created: when Usedesk carries out each request, and its key
    :param calls: the calls of the last attempt
    """

    has_store: bool = True
    clock: Clock = field(default_factory=Clock)
    store: MemoryStore = field(default_factory=MemoryStore)
    created: list[tuple[datetime, str]] = field(default_factory=list)
    event: Event = SUCCESS
    calls: list[str] = field(default_factory=list)
    attempt: Attempt | None = None
    message: Message = MESSAGE
    nonces: int = 0
    search_fails: bool = False
    look_ups: list = field(default_factory=list)

    def next_attempt(self, **changes):
        """Begin the next attempt, one second later."""
        self.clock.sleep(1)
        now = self.clock.moment()
        earlier = self.attempt or Attempt(0, 3, 0, now, now)
        self.attempt = replace(earlier, try_number=earlier.try_number + 1, started=now, **changes)

    def run(self, event=SUCCESS, on_unknown="verify", **changes):
        """Run one attempt; return its response, or the error that ended it."""
        self.event, self.calls = event, []
        self.next_attempt(**changes)
        attempts = KillableStore(self)
        try:
            self.step("start")
            record = None if self.attempt.is_first else attempts.load()
            return self.send_once(attempts, on_unknown)(self.message, record)
        except (Killed, TimedOut, errors.UsedeskError) as error:
            return error

    def send_once(self, attempts, on_unknown):
        return SendOnce(
            self.send,
            self.look_up,
            attempts,
            self.attempt,
            on_unknown=on_unknown,
            delays=DELAYS,
            now=self.clock.moment,
            nonce=self.nonce,
        )

    def nonce(self):
        self.nonces += 1
        return f"{self.nonces:08}"

    def step(self, step):
        if self.event.killed_at == step:
            raise Killed

    def send(self, key, before_post):
        before_post()
        self.calls.append("send")
        if self.event.is_created:
            self.created.append((self.carried_out_at(), str(key)))
        self.clock.sleep(1)
        self.step("request")
        if self.event.error:
            raise self.event.error("x")
        return self.response(len(self.created))

    def carried_out_at(self):
        """Return when Usedesk carries out a request: at the latest when the delays say that it has."""
        now = self.clock.moment()
        if not self.event.is_late:
            return now
        # A worker that Airflow takes for dead may still send for a moment.
        if self.event.killed_at and self.has_store:
            return self.record().until + DELAYS.request + DELAYS.consistency
        return now + DELAYS.consistency

    def record(self):
        """Return the stored record."""
        return AttemptStore(self.store, type(self.response(1)), self.message.slot).load()

    def responses(self):
        """Return what exists in Usedesk, or will."""
        return [self.response(number) for number, _ in enumerate(self.created, 1)]

    def shown(self):
        """Return the numbers and keys of what Usedesk has carried out."""
        now = self.clock.moment()
        return {number: key for number, (moment, key) in enumerate(self.created, 1) if moment <= now}


class TicketHistory(History):
    """The history of a task that creates a ticket."""

    def response(self, number):
        return CreatedTicket(number)

    def look_up(self, look_up):
        self.calls.append("search")
        self.look_ups.append(look_up)
        if self.search_fails:
            return Ambiguous("too many")
        for _ in range(2):
            result = match_key(SeenTickets(self.shown(), Absent()), look_up)
            if result != Absent():
                break
            wait = (look_up.consistent_at - self.clock.moment()).total_seconds()
            self.clock.sleep(max(wait, 0))
        return result


class CommentHistory(History):
    """The history of a task that creates a comment, which is searched among others of its ticket."""

    def response(self, number):
        return CreatedComment(number)

    def look_up(self, look_up):
        self.calls.append("search")
        self.look_ups.append(look_up)
        if self.search_fails:
            return Ambiguous("too many")
        return CommentSearch(self, 77, OURS, sleep=self.clock.sleep, now=self.clock.moment)(look_up)

    def ticket(self, ticket_id):
        question = Comment(-1, "Is it paid?", "client", "public", published_at="2026-11-22 12:00:01")
        comments = [
            Comment(
                number, "Paid,\nthanks", "user", "public", 2156, published_at=f"{moment:%Y-%m-%dT%H:%M:%S%z}"
            )
            for number, (moment, _) in enumerate(self.created, 1)
            if number in self.shown()
        ]
        return TicketDetails(ticket_id, comments=(question, *comments))


class KillableStore(AttemptStore):
    """The attempt store of a history, whose worker may be killed before or after a write."""

    def __init__(self, history):
        response_class = type(history.response(1))
        super().__init__(history.store if history.has_store else None, response_class, history.message.slot)
        self.history = history

    def load(self):
        self.history.calls.append("load")
        return super().load()

    def save(self, record):
        history = self.history
        if history.event.killed_at == "request" and "send" in history.calls:
            raise Killed
        history.calls.append(f"save {record.state.value}")
        history.step(f"before {record.state.value}")
        if history.event.killed_at == f"{record.state.value} fails":
            raise ConnectionError("x")
        super().save(record)
        history.step(f"after {record.state.value}")
