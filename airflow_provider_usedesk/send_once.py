"""The delivery contract: a request that may have reached Usedesk is never sent a second time blindly."""

from __future__ import annotations

import hashlib
import html
import logging
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any, Generic, Literal, Protocol, TypeVar

from airflow_provider_usedesk.api.answers import CreatedComment, CreatedTicket
from airflow_provider_usedesk.api.errors import UsedeskError, UsedeskOutcomeUnknown
from airflow_provider_usedesk.api.records import Comment, TicketDetails

log = logging.getLogger(__name__)

Made = TypeVar("Made", bound=CreatedTicket | CreatedComment)

OnUnknown = Literal["verify", "fail", "send"]
MAX_KEY = 255


@dataclass(frozen=True)
class Remembered(Generic[Made]):
    """
    Hold what an earlier try left behind.

    :param since: when the request was about to be sent, UTC
    :param turn: how often the task had been cleared by then, where clearing means sending again
    :param answer: the answer; None while it is not known whether there was one
    """

    since: datetime
    turn: int
    answer: Made | None = None


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
class Adopt(Generic[Made]):
    """Send nothing: this is there."""

    answer: Made


@dataclass(frozen=True)
class Ask:
    """
    Ask Usedesk for what an earlier try made.

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
class Found(Generic[Made]):
    answer: Made


@dataclass(frozen=True)
class Absent:
    """Certainly nothing of ours."""


@dataclass(frozen=True)
class Unsure:
    reason: str


class Memory(Protocol[Made]):
    """What a task remembers between its tries."""

    works: bool

    def recall(self) -> Remembered[Made] | None: ...
    def remember(self, what: Remembered[Made]) -> None: ...
    def forget(self) -> None: ...


def send_once(
    send: Callable[[], Made],
    look_up: Callable[[Ask], Found[Made] | Absent | Unsure],
    memory: Memory[Made],
    trial: Trial,
    on_unknown: OnUnknown = "verify",
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Made:
    """
    Send, unless an earlier try did.

    :param send: sends and returns the answer
    :param look_up: asks Usedesk for what an earlier try made
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
        log.info("An earlier try made Usedesk %s; nothing is sent.", _name(step.answer))
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
    remembered: Remembered[Made] | None, memory_works: bool, trial: Trial, on_unknown: OnUnknown
) -> Send | Adopt[Made] | Ask | Stop:
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
            "its ticket or comment; send again with on_unknown_outcome='send' if there is none."
        )
    if remembered is not None:
        return Ask(remembered.since, is_exact=True)
    return Ask(trial.began, is_exact=False)


def step_after_asking(found: Found[Made] | Absent | Unsure) -> Send | Adopt[Made] | Stop:
    """Decide what to do with what Usedesk said."""
    if isinstance(found, Found):
        return Adopt(found.answer)
    if isinstance(found, Absent):
        return Send()
    return Stop(
        f"An earlier try may have reached Usedesk, and it could not be verified: {found.reason}. Look in "
        "Usedesk for its ticket or comment; send again with on_unknown_outcome='send' if there is none."
    )


def _name(answer: CreatedTicket | CreatedComment) -> str:
    if isinstance(answer, CreatedTicket):
        return f"ticket {answer.ticket_id}"
    return f"comment {answer.comment_id}"


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


class StateStore(Generic[Made]):
    """
    Remember in the task state store of Airflow 3.3, whose rows live as long as the Dag run.

    :param store: ``context["task_state_store"]``
    :param kind: what sending answers
    :param name: tells apart what one task sends
    """

    works = True

    def __init__(self, store: Any, kind: type[Made], name: str = "") -> None:
        self._store = store
        self._kind = kind
        self._key = f"usedesk_send{name}"

    def recall(self) -> Remembered[Made] | None:
        kept = self._store.get(self._key)
        if not kept:
            return None
        answer = self._kind(**kept["answer"]) if kept["answer"] else None
        return Remembered(datetime.fromisoformat(kept["since"]), kept["turn"], answer)

    def remember(self, what: Remembered[Made]) -> None:
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

    def remember(self, what: Remembered[Any]) -> None:
        """Do nothing."""

    def forget(self) -> None:
        """Do nothing."""


class TicketReader(Protocol):
    """What reads a ticket: all that the search for a comment needs of the client."""

    def ticket(self, ticket_id: int) -> TicketDetails: ...


@dataclass(frozen=True)
class CommentSearch:
    """
    Ask Usedesk for the comment of a task, with one read for each look.

    A comment has no key: it is known by its text, its type, its author and its moment.

    :param client: reads from Usedesk
    :param ticket_id: the ticket
    :param ours: the comment as the request has it
    :param text_may_differ: whether an earlier try may have had another text
    :param settle: seconds after which a request that was under way and a listing that lags are done
    """

    client: TicketReader
    ticket_id: int
    ours: Comment
    text_may_differ: bool = False
    settle: float = 30.0
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __call__(self, ask: Ask) -> Found[CreatedComment] | Absent | Unsure:
        """Look; when nothing is found, look again after all that was under way has settled."""
        found = _look_until_settled(lambda: self._look(ask), ask, self.settle, self.sleep, self.now)
        log.info("Asked Usedesk for the comment of an earlier try: %s.", type(found).__name__.lower())
        return found

    def _look(self, ask: Ask) -> Found[CreatedComment] | Absent | Unsure:
        comments = self.client.ticket(self.ticket_id).comments
        return comment_among(comments, self.ours, _moments(ask, self.now()), self.text_may_differ)


class Likeness(IntEnum):
    """Say whether a comment is ours, as far as one of its properties tells."""

    NO = 0
    PERHAPS = 1
    YES = 2


@dataclass(frozen=True)
class Moments:
    """Hold when a comment must have been written to be ours, UTC."""

    earliest: datetime
    latest: datetime


def comment_among(
    comments: Iterable[Comment], ours: Comment, moments: Moments, text_may_differ: bool = False
) -> Found[CreatedComment] | Absent | Unsure:
    """
    Look for our comment among those of a ticket.

    Found when all that is known of a comment agrees; unsure when only nothing speaks against it.

    :param text_may_differ: whether another text speaks against it
    """
    doubtful: Comment | None = None
    for comment in comments:
        likeness = likeness_of(comment, ours, moments, text_may_differ)
        if likeness == Likeness.YES and comment.id is not None:
            return Found(CreatedComment(comment.id))
        if likeness != Likeness.NO:
            doubtful = doubtful or comment
    if doubtful is None:
        return Absent()
    return Unsure(f"comment {doubtful.id or 'without an id'} of the ticket may be it, or another like it")


def likeness_of(comment: Comment, ours: Comment, moments: Moments, text_may_differ: bool = False) -> Likeness:
    """Compare a comment with ours: as alike as the property in which they are least alike."""
    others = min(
        _likeness_of_type(comment, ours),
        _likeness_of_author(comment, ours),
        _likeness_of_moment(comment, moments),
    )
    text = _likeness_of_text(comment, ours)
    if text_may_differ and others == Likeness.YES:
        text = max(text, Likeness.PERHAPS)
    return min(others, text)


def _likeness_of_type(comment: Comment, ours: Comment) -> Likeness:
    if comment.type is None:
        return Likeness.PERHAPS
    return Likeness.YES if comment.type.casefold() == (ours.type or "").casefold() else Likeness.NO


def _likeness_of_author(comment: Comment, ours: Comment) -> Likeness:
    if comment.author is None:
        return Likeness.PERHAPS
    if ours.author not in (None, comment.author):
        return Likeness.NO
    # Unless told otherwise Usedesk takes an agent, by all that is known.
    is_author = comment.author == (ours.author or "user")
    is_agent = ours.user_id is None or comment.user_id in (None, ours.user_id)
    return Likeness.YES if is_author and is_agent else Likeness.PERHAPS


def _likeness_of_text(comment: Comment, ours: Comment) -> Likeness:
    mine, other = _plain(ours.message or ""), _plain(comment.message or "")
    if not mine or comment.message is None:
        return Likeness.PERHAPS
    if mine == other:
        return Likeness.YES
    # Usedesk may add a signature, before or after, or cut.
    is_alike = other and (
        _begin_alike(letters_of(mine), letters_of(other)) or (len(mine) >= TELLING and mine in other)
    )
    return Likeness.PERHAPS if is_alike else Likeness.NO


def _likeness_of_moment(comment: Comment, moments: Moments) -> Likeness:
    moment = as_utc(comment.published_at)
    if moment is None:
        return Likeness.PERHAPS
    if moments.earliest <= moment <= moments.latest:
        return Likeness.YES
    fits_some_zone = moments.earliest - ANY_ZONE <= moment <= moments.latest + ANY_ZONE
    return Likeness.PERHAPS if fits_some_zone else Likeness.NO


def _look_until_settled(
    look: Callable[[], Found[Made] | Absent | Unsure],
    ask: Ask,
    settle: float,
    sleep: Callable[[float], None],
    now: Callable[[], datetime],
) -> Found[Made] | Absent | Unsure:
    settled = (ask.since if ask.is_exact else now()) + timedelta(seconds=settle)
    try:
        found = look()
        wait = (settled - now()).total_seconds()
        if isinstance(found, Absent) and wait > 0:
            sleep(wait)
            found = look()
    except UsedeskError as error:
        return Unsure(str(error).rstrip("."))
    return found


# Clocks differ, and the filter knows whole minutes only.
BEFORE = timedelta(minutes=5)
AFTER = timedelta(hours=1)
# In which time zone Usedesk shows the moment of a comment is not documented.
ANY_ZONE = timedelta(hours=14)
# Letters of a text that hardly stand in another one by chance.
TELLING = 10


def _moments(ask: Ask, now: datetime) -> Moments:
    return Moments(ask.since - BEFORE, ask.since + AFTER if ask.is_exact else now + BEFORE)


def as_utc(written: str | None) -> datetime | None:
    """Read a moment as Usedesk writes it; None where it is none."""
    try:
        moment = datetime.fromisoformat(written or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


# Tags, and what stands in a style or a script, which nobody reads.
_MARKUP = re.compile(r"<(?:style|script)\b[^<]*|<[!?/a-z][^<>]*>", re.IGNORECASE)


def _plain(text: str) -> str:
    """Leave what people read of a text: no tags, no entities, no white space."""
    return "".join(_MARKUP.sub("", html.unescape(text)).split())


def letters_of(text: str) -> str:
    """Leave letters and digits only: the rest may come back escaped, trimmed or shortened."""
    return "".join(character for character in html.unescape(text).casefold() if character.isalnum())


def _begin_alike(one: str, other: str) -> bool:
    """Tell whether one begins with the other: what comes back may be shortened."""
    return one.startswith(other) or other.startswith(one)
