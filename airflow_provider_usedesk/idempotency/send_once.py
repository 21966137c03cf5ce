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
