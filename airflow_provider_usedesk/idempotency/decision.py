"""The decision whether an attempt sends its request: pure functions, without Airflow and without I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Generic, Literal, TypeVar

from airflow_provider_usedesk.api.responses import (
    CreatedClient,
    CreatedComment,
    CreatedTicket,
    SentChatMessage,
)
from airflow_provider_usedesk.idempotency.keys import IdempotencyKey

Created = TypeVar("Created", bound=CreatedTicket | CreatedComment | CreatedClient | SentChatMessage)

OnUnknown = Literal["verify", "fail", "send"]
By = Literal["key", "place", "recipient", "message"]

WHAT_TO_DO = (
    "Look in Usedesk for what it may have created. If there is nothing, run the task again with "
    "on_unknown_outcome='send'."
)
SET_MESSAGE_KEY = (
    "If the message was sent, mark the task as success. For later Dag runs, set message_key to a value that "
    "names the message, such as the id of the appointment."
)


@dataclass(frozen=True)
class Attempt:
    """
    Facts about the current attempt, taken from the task instance.

    :param try_number: number of the attempt, from 1
    :param max_tries: ``max_tries`` of the task instance, which only clearing changes
    :param clear_number: how often tasks of the Dag run were cleared
    :param run_began: a moment that is not later than the first attempt, UTC
    :param started: when this attempt began, UTC
    :param clear_count: grows with each clearing that sends the message again; default: 0
    """

    try_number: int
    max_tries: int
    clear_number: int
    run_began: datetime
    started: datetime
    clear_count: int = 0

    @property
    def is_first(self) -> bool:
        """Whether no earlier attempt of any message of the Dag run can have sent it."""
        return self.try_number == 1 and self.clear_number == 0


@dataclass(frozen=True)
class Message:
    """
    What an operator sends to one recipient.

    :param key: its idempotency key
    :param slot: where the record of its attempts is stored, within the task
    :param is_positional: whether only the map index names it, so that it can move when upstream data does
    """

    key: IdempotencyKey
    slot: str
    is_positional: bool = False

    @property
    def is_nested(self) -> bool:
        """Whether another task executes the operator."""
        return self.key.place.startswith("n")

    @property
    def is_named(self) -> bool:
        """Whether a ``message_key`` names it, at whatever map index."""
        return self.key.place.startswith("m")


class RecordState(StrEnum):
    """What a record says of the request."""

    OPEN = "open"
    ANSWERED = "answered"
    NOT_SENT = "not sent"


@dataclass(frozen=True)
class AttemptRecord(Generic[Created]):
    """
    The stored state of the attempts to send a message.

    :param state: whether the request may have been sent, was answered, or was certainly not sent
    :param key: the idempotency key
    :param since: when the first request of unknown outcome was about to be sent, UTC
    :param until: after this moment no request begins, UTC
    :param try_number: number of the attempt
    :param max_tries: ``max_tries`` of that attempt
    :param clear_number: ``clear_number`` of that attempt
    :param clear_count: ``clear_count`` of that attempt
    :param ended: when the attempt ended, UTC; None if that is unknown
    :param response: the response; None without one
    """

    state: RecordState
    key: IdempotencyKey = field(repr=False)
    since: datetime
    until: datetime
    try_number: int
    max_tries: int
    clear_number: int
    clear_count: int = 0
    ended: datetime | None = None
    response: Created | None = None


@dataclass(frozen=True)
class Unreadable:
    """A record that cannot be read: it is unknown what earlier attempts did."""


@dataclass(frozen=True)
class Send:
    """
    Send the request.

    :param is_certain: whether no earlier attempt sent it; default: true
    """

    is_certain: bool = True


@dataclass(frozen=True)
class Reuse(Generic[Created]):
    """Return the response of an earlier attempt, and send no request."""

    response: Created


@dataclass(frozen=True)
class LookUp:
    """
    Search Usedesk for what an earlier attempt created.

    :param by: what identifies it: the whole ``key``; its ``place`` in the task; the place and the
        ``recipient``; or the ``message``, which is its recipient and content at any place
    :param key: the key of the message
    :param since: a moment that is not later than the first request, UTC
    :param consistent_at: from when on Usedesk shows all that earlier attempts sent, UTC
    """

    by: By
    key: IdempotencyKey = field(repr=False)
    since: datetime
    consistent_at: datetime


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
StoredRecord = AttemptRecord[Created] | Unreadable | None


@dataclass(frozen=True)
class Delays:
    """
    How long Usedesk may take.

    :param request: time after which a request that was begun has ended on our side
    :param consistency: time after which Usedesk has carried out and shows a request that ended on our side
    """

    request: timedelta = timedelta(seconds=70)
    consistency: timedelta = timedelta(seconds=120)


def decide(
    record: StoredRecord[Created], attempt: Attempt, message: Message, on_unknown: OnUnknown, delays: Delays
) -> Send | Reuse[Created] | LookUp | Fail:
    """
    Decide what to do, before Usedesk is searched.

    :param record: the record of earlier attempts; None if there is none
    :param attempt: the current attempt
    :param message: what it sends
    :param on_unknown: what to do if an earlier attempt may have sent the request
    :param delays: how long Usedesk may take
    """
    step = _decide_to_verify(record, attempt, message, delays)
    return (_by_policy(on_unknown) or step) if isinstance(step, LookUp) else step


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


def _decide_to_verify(
    record: StoredRecord[Created], attempt: Attempt, message: Message, delays: Delays
) -> Send | Reuse[Created] | LookUp | Fail:
    """Decide as for ``on_unknown="verify"``; the other policies replace a search."""
    if isinstance(record, Unreadable):
        return Fail(f"The stored record of the earlier attempts cannot be read. {WHAT_TO_DO}")
    if record is None:
        return Send() if attempt.is_first else _ask_without_record(attempt, message, delays)
    if record.clear_count != attempt.clear_count:
        # Clearing sends again, and an attempt since then would have replaced the record.
        return Send()
    if (record.max_tries, record.clear_number) != (attempt.max_tries, attempt.clear_number):
        return _decide_after_clear(record, attempt, message, delays)
    return _decide_in_retry(record, delays)


def _decide_in_retry(record: AttemptRecord[Created], delays: Delays) -> Send | Reuse[Created] | LookUp:
    if record.state is RecordState.NOT_SENT:
        return Send()
    if record.response is not None:
        return Reuse(record.response)
    return LookUp("key", record.key, record.since, _end_of(record, delays) + delays.consistency)


def _decide_after_clear(
    record: AttemptRecord[Created], attempt: Attempt, message: Message, delays: Delays
) -> Send | Reuse[Created] | LookUp | Fail:
    if message.is_positional:
        return _decide_by_message(record, attempt, message, delays)
    # The message of a message_key can have moved to another map index, been sent there, and moved back.
    can_be_elsewhere = message.is_named and record.response is None
    if can_be_elsewhere or record.key.recipient != message.key.recipient:
        return _ask_from_begin("recipient", attempt, message, delays, record)
    return _decide_in_retry(record, delays)


def _decide_by_message(
    record: AttemptRecord[Created], attempt: Attempt, message: Message, delays: Delays
) -> Reuse[Created] | LookUp | Fail:
    """Decide for a message that may have moved to this task instance from another one."""
    if record.response is not None and record.key.recipient == message.key.recipient:
        if record.key.content == message.key.content:
            return Reuse(record.response)
        return Fail(
            "The task was cleared, and its message differs from the one that was sent to this recipient. It "
            f"may be the same message or another one. {SET_MESSAGE_KEY}"
        )
    return _ask_from_begin("message", attempt, message, delays, record)


def _ask_without_record(attempt: Attempt, message: Message, delays: Delays) -> LookUp:
    was_cleared = attempt.clear_number > 0
    if message.is_positional and (was_cleared or message.is_nested):
        return _ask_from_begin("message", attempt, message, delays)
    return _ask_from_begin("recipient" if was_cleared else "place", attempt, message, delays)


def _ask_from_begin(
    by: By,
    attempt: Attempt,
    message: Message,
    delays: Delays,
    record: AttemptRecord[Created] | None = None,
) -> LookUp:
    # A worker that the clear did not reach may still send.
    ended = max(attempt.started, _end_of(record, delays)) if record else attempt.started
    return LookUp(by, message.key, attempt.run_began, ended + delays.consistency)


def _end_of(record: AttemptRecord[Created], delays: Delays) -> datetime:
    """Return from when on no request of the attempts of a record is under way on our side."""
    return record.ended or record.until + delays.request


def _by_policy(on_unknown: OnUnknown) -> Send | Fail | None:
    if on_unknown == "send":
        return Send(is_certain=False)
    if on_unknown == "fail":
        return Fail(
            "An earlier attempt may have reached Usedesk. The task fails because on_unknown_outcome is "
            f"'fail'. {WHAT_TO_DO}"
        )
    return None
