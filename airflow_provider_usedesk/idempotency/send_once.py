"""Sending a message at most once over all attempts of a task."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Generic, Literal

from airflow_provider_usedesk.api.errors import UsedeskError, UsedeskOutcomeUnknown
from airflow_provider_usedesk.api.responses import (
    CreatedClient,
    CreatedComment,
    CreatedTicket,
    SentChatMessage,
)
from airflow_provider_usedesk.idempotency.attempt_store import AttemptStore
from airflow_provider_usedesk.idempotency.decision import (
    Attempt,
    AttemptRecord,
    Created,
    Delays,
    Fail,
    LookUp,
    Message,
    OnUnknown,
    RecordState,
    Reuse,
    SearchResult,
    Send,
    StoredRecord,
    decide,
    decide_after_look_up,
)
from airflow_provider_usedesk.idempotency.fence import Fence
from airflow_provider_usedesk.idempotency.keys import ANY, NONCE_LENGTH, IdempotencyKey

log = logging.getLogger(__name__)

SendRequest = Callable[[IdempotencyKey, Callable[[], None]], Created]
"""Sends a request with a key; calls the second argument before each POST."""

MessageOutcome = Literal["sent", "skipped", "ambiguous", "unknown", "failed"]
"""``skipped``: an earlier attempt sent it. ``ambiguous``: nothing was sent, because one may have."""


def new_nonce() -> str:
    """Return a random text for a key."""
    return secrets.token_hex(NONCE_LENGTH // 2)


@dataclass(frozen=True)
class SendOnce(Generic[Created]):
    """
    Sends a message, unless an earlier attempt sent it.

    :param send: sends the request, and calls a function before each POST
    :param look_up: searches Usedesk for what an earlier attempt created
    :param attempts: the record of the attempts
    :param attempt: the current attempt
    :param check_current: raises an error if Airflow has begun another attempt; default: nothing is checked,
        because the store refuses the write of an earlier attempt
    :param on_unknown: what to do if an earlier attempt may have sent the request: ``verify``, ``fail`` or
        ``send``; default: ``verify``
    :param delays: how long Usedesk may take
    :param now: returns the current time, UTC
    :param nonce: returns a random text for a key
    :param observe: receives the outcome of the message
    """

    send: SendRequest[Created]
    look_up: Callable[[LookUp], SearchResult[Created]]
    attempts: AttemptStore[Created]
    attempt: Attempt
    check_current: Callable[[], None] = lambda: None
    on_unknown: OnUnknown = "verify"
    delays: Delays = field(default_factory=Delays)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    nonce: Callable[[], str] = new_nonce
    observe: Callable[[MessageOutcome], None] = lambda outcome: None

    def __call__(self, message: Message, record: StoredRecord[Created]) -> Created:
        """
        Send a message, or return what an earlier attempt created.

        :param message: the message
        :param record: the record of the earlier attempts, as loaded; None if there is none
        :return: the response of this attempt or of an earlier one
        :raises UsedeskOutcomeUnknown: if it cannot be decided whether an earlier attempt sent the request, or
            if the outcome of this one is unknown
        :raises UsedeskError: if the request failed and nothing was sent
        """
        step = decide(record, self.attempt, message, self.on_unknown, self.delays)
        if isinstance(step, LookUp):
            look_up, step = step, decide_after_look_up(self.look_up(step))
            if isinstance(step, Reuse):
                # The record of the attempt that sent it tells its content; that of this one may differ.
                key = look_up.key if look_up.by == "key" else message.key
                self._save_found(replace(message, key=key), step.response, look_up.since)
        if isinstance(step, Fail):
            self.observe("ambiguous")
            raise UsedeskOutcomeUnknown(step.reason)
        if isinstance(step, Reuse):
            self.observe("skipped")
            log.info("An earlier attempt created Usedesk %s. Nothing is sent again.", name_of(step.response))
            return step.response
        return self._send(message, record if isinstance(record, AttemptRecord) else None, step)

    def _send(self, message: Message, earlier: AttemptRecord[Created] | None, step: Send) -> Created:
        fence = Fence(self.attempts, self._new_record(message, earlier, step), self.check_current, self.now)
        try:
            response = self.send(fence.record.key, fence)
        except UsedeskOutcomeUnknown:
            self.observe("unknown")
            self._save_end(fence)
            raise
        except UsedeskError:
            self.observe("failed")
            if step.is_certain:
                self._save_or_warn(replace(fence.record, state=RecordState.NOT_SENT, ended=self.now()))
            raise
        except BaseException:
            self._save_end(fence)
            raise
        self._save_or_warn(
            replace(fence.record, state=RecordState.ANSWERED, ended=self.now(), response=response)
        )
        self.observe("sent")
        return response

    def _new_record(
        self, message: Message, earlier: AttemptRecord[Created] | None, step: Send
    ) -> AttemptRecord[Created]:
        now = self.now()
        # A request of unknown outcome and its repetition have one key, so that either is found.
        repeats = earlier is not None and earlier.key.base == message.key.base and not step.is_certain
        nonce = earlier.key.nonce if repeats and earlier else self._nonce()
        return AttemptRecord(
            state=RecordState.OPEN,
            key=replace(message.key, nonce=nonce),
            since=min(now, earlier.since) if repeats and earlier else now,
            until=now,
            try_number=self.attempt.try_number,
            max_tries=self.attempt.max_tries,
            clear_number=self.attempt.clear_number,
            clear_count=self.attempt.clear_count,
        )

    def _nonce(self) -> str:
        # Without a store, a later attempt could not know the nonce.
        return self.nonce() if self.attempts.outlives_attempts else ANY

    def _save_found(self, message: Message, response: Created, since: datetime) -> None:
        now = self.now()
        record = self._new_record(message, None, Send())
        self._save_or_warn(
            replace(record, state=RecordState.ANSWERED, since=since, until=now, ended=now, response=response)
        )

    def _save_end(self, fence: Fence[Created]) -> None:
        """Store when the attempt ended; without it, a later attempt waits longer."""
        if fence.was_passed:
            with suppress(Exception):
                self.attempts.save(replace(fence.record, ended=self.now()))

    def _save_or_warn(self, record: AttemptRecord[Created]) -> None:
        try:
            self.attempts.save(record)
        except Exception as error:
            # The open record, or its absence, lets a later attempt search Usedesk.
            log.warning("The record of this attempt could not be stored (%s).", type(error).__name__)


def name_of(response: CreatedTicket | CreatedComment | CreatedClient | SentChatMessage) -> str:
    """Return what a response created, for the log."""
    if isinstance(response, CreatedTicket):
        return f"ticket {response.ticket_id}"
    if isinstance(response, CreatedClient):
        return f"client {response.client_id}"
    return f"comment {response.comment_id}" if isinstance(response, CreatedComment) else "message of a chat"
