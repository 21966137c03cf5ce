"""The delivery contract: a request that may have reached Usedesk is never sent a second time blindly."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, Literal, Protocol, TypeVar

from airflow_provider_usedesk.api.errors import UsedeskError, UsedeskOutcomeUnknown
from airflow_provider_usedesk.api.responses import CreatedComment, CreatedTicket

log = logging.getLogger(__name__)

Made = TypeVar("Made", bound=CreatedTicket | CreatedComment)

OnUnknown = Literal["verify", "fail", "send"]


@dataclass(frozen=True)
class AttemptRecord(Generic[Made]):
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
class Attempt:
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
class Reuse(Generic[Made]):
    """Send nothing: this is there."""

    answer: Made


@dataclass(frozen=True)
class LookUp:
    """
    LookUp Usedesk for what an earlier try made.

    :param since: when that try was about to send, or a moment before it
    :param is_exact: whether it was just then
    """

    since: datetime
    is_exact: bool


@dataclass(frozen=True)
class Fail:
    """Send nothing and fail: nobody can tell."""

    reason: str


@dataclass(frozen=True)
class Found(Generic[Made]):
    answer: Made


@dataclass(frozen=True)
class Absent:
    """Certainly nothing of ours."""


@dataclass(frozen=True)
class Ambiguous:
    reason: str


class AttemptStore(Protocol[Made]):
    """What a task remembers between its tries."""

    works: bool

    def load(self) -> AttemptRecord[Made] | None: ...
    def save(self, what: AttemptRecord[Made]) -> None: ...
    def delete(self) -> None: ...


def send_once(
    send: Callable[[], Made],
    look_up: Callable[[LookUp], Found[Made] | Absent | Ambiguous],
    memory: AttemptStore[Made],
    attempt: Attempt,
    on_unknown: OnUnknown = "verify",
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Made:
    """
    Send, unless an earlier try did.

    :param send: sends and returns the answer
    :param look_up: asks Usedesk for what an earlier try made
    :param memory: what earlier tries left behind
    :param attempt: what Airflow tells of this try
    :param on_unknown: what to do when an earlier try may have sent: verify, fail or send
    :param now: tells the time
    :raises UsedeskOutcomeUnknown: when it cannot be told whether an earlier try sent
    """
    step = first_step(memory.load(), memory.works, attempt, on_unknown)
    if isinstance(step, LookUp):
        step = step_after_look_up(look_up(step))
        if isinstance(step, Reuse):
            memory.save(AttemptRecord(attempt.began, attempt.turn, step.answer))
    if isinstance(step, Fail):
        raise UsedeskOutcomeUnknown(step.reason)
    if isinstance(step, Reuse):
        log.info("An earlier try made Usedesk %s; nothing is sent.", _name(step.answer))
        return step.answer
    since = now()
    memory.save(AttemptRecord(since, attempt.turn))
    try:
        answer = send()
    except UsedeskOutcomeUnknown:
        raise
    except UsedeskError:
        memory.delete()
        raise
    memory.save(AttemptRecord(since, attempt.turn, answer))
    return answer


def first_step(
    remembered: AttemptRecord[Made] | None, store_exists: bool, attempt: Attempt, on_unknown: OnUnknown
) -> Send | Reuse[Made] | LookUp | Fail:
    """Decide what to do, from what is known without asking Usedesk."""
    if remembered is not None and remembered.turn != attempt.turn:
        remembered = None
    if remembered is not None and remembered.answer is not None:
        return Reuse(remembered.answer)
    if remembered is None and (store_exists or attempt.is_first):
        return Send()
    if on_unknown == "send":
        return Send()
    if on_unknown == "fail":
        return Fail(
            "An earlier try may have reached Usedesk, and on_unknown_outcome is 'fail'. Look in Usedesk for "
            "its ticket or comment; send again with on_unknown_outcome='send' if there is none."
        )
    if remembered is not None:
        return LookUp(remembered.since, is_exact=True)
    return LookUp(attempt.began, is_exact=False)


def step_after_look_up(found: Found[Made] | Absent | Ambiguous) -> Send | Reuse[Made] | Fail:
    """Decide what to do with what Usedesk said."""
    if isinstance(found, Found):
        return Reuse(found.answer)
    if isinstance(found, Absent):
        return Send()
    return Fail(
        f"An earlier try may have reached Usedesk, and it could not be verified: {found.reason}. Look in "
        "Usedesk for its ticket or comment; send again with on_unknown_outcome='send' if there is none."
    )


def _name(answer: CreatedTicket | CreatedComment) -> str:
    if isinstance(answer, CreatedTicket):
        return f"ticket {answer.ticket_id}"
    return f"comment {answer.comment_id}"
