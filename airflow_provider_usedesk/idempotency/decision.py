"""The decision whether an attempt sends its request: pure functions, without Airflow and without I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Literal, TypeVar

from airflow_provider_usedesk.api.responses import CreatedComment, CreatedTicket

Created = TypeVar("Created", bound=CreatedTicket | CreatedComment)

OnUnknown = Literal["verify", "fail", "send"]

WHAT_TO_DO = (
    "Look in Usedesk for its ticket or comment. If there is none, run the task again with "
    "on_unknown_outcome='send'."
)


@dataclass(frozen=True)
class Attempt:
    """
    Facts about the current attempt, taken from the task instance.

    :param is_first: whether no earlier attempt can have sent the request
    :param began: a moment that is not later than the first attempt, UTC
    :param clear_count: grows with each clearing that sends the message again; default: 0
    """

    is_first: bool
    began: datetime
    clear_count: int = 0


@dataclass(frozen=True)
class AttemptRecord(Generic[Created]):
    """
    The stored state of an attempt.

    :param since: when the request was about to be sent, UTC
    :param clear_count: the ``clear_count`` of the attempt
    :param response: the response; None while the outcome is unknown
    """

    since: datetime
    clear_count: int
    response: Created | None = None


@dataclass(frozen=True)
class Send:
    """Send the request: no earlier attempt sent it."""


@dataclass(frozen=True)
class Reuse(Generic[Created]):
    """Return the response of an earlier attempt, and send no request."""

    response: Created


@dataclass(frozen=True)
class LookUp:
    """
    Search Usedesk for what an earlier attempt created.

    :param since: when that attempt was about to send, or an earlier moment, UTC
    :param is_exact: whether the moment is exact
    """

    since: datetime
    is_exact: bool


@dataclass(frozen=True)
class Fail:
    """Fail: it cannot be decided whether an earlier attempt sent the request."""

    reason: str


@dataclass(frozen=True)
class Found(Generic[Created]):
    """The search found what an earlier attempt created."""

    response: Created


@dataclass(frozen=True)
class Absent:
    """No earlier attempt created anything. This is certain."""


@dataclass(frozen=True)
class Ambiguous:
    """The search could not decide."""

    reason: str


SearchResult = Found[Created] | Absent | Ambiguous


def decide(
    record: AttemptRecord[Created] | None, has_store: bool, attempt: Attempt, on_unknown: OnUnknown
) -> Send | Reuse[Created] | LookUp | Fail:
    """
    Decide what to do, before Usedesk is searched.

    :param record: the record of the latest attempt; None if there is none
    :param has_store: whether Airflow stores records between attempts
    :param attempt: the current attempt
    :param on_unknown: what to do if an earlier attempt may have sent the request
    """
    if record is not None and record.clear_count != attempt.clear_count:
        record = None
    if record is not None and record.response is not None:
        return Reuse(record.response)
    if record is None and (has_store or attempt.is_first):
        return Send()
    if on_unknown == "send":
        return Send()
    if on_unknown == "fail":
        return Fail(
            "An earlier attempt may have reached Usedesk. The task fails because on_unknown_outcome is "
            f"'fail'. {WHAT_TO_DO}"
        )
    if record is not None:
        return LookUp(record.since, is_exact=True)
    return LookUp(attempt.began, is_exact=False)


def decide_after_look_up(result: SearchResult[Created]) -> Send | Reuse[Created] | Fail:
    """Decide what to do with the result of the search."""
    if isinstance(result, Found):
        return Reuse(result.response)
    if isinstance(result, Absent):
        return Send()
    return Fail(
        "An earlier attempt may have reached Usedesk, and a search could not verify it: "
        f"{result.reason}. {WHAT_TO_DO}"
    )
