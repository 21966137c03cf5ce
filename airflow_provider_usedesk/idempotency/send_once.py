"""Sending a request at most once over all attempts of a task."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime

from airflow_provider_usedesk.api.errors import UsedeskError, UsedeskOutcomeUnknown
from airflow_provider_usedesk.api.responses import CreatedComment, CreatedTicket
from airflow_provider_usedesk.idempotency.attempt_store import AttemptStore
from airflow_provider_usedesk.idempotency.decision import (
    Attempt,
    AttemptRecord,
    Created,
    Fail,
    LookUp,
    OnUnknown,
    Reuse,
    SearchResult,
    decide,
    decide_after_look_up,
)

log = logging.getLogger(__name__)


def send_once(
    send: Callable[[], Created],
    look_up: Callable[[LookUp], SearchResult[Created]],
    attempts: AttemptStore[Created],
    attempt: Attempt,
    on_unknown: OnUnknown = "verify",
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Created:
    """
    Send a request, unless an earlier attempt sent it.

    :param send: sends the request and returns the response
    :param look_up: searches Usedesk for what an earlier attempt created
    :param attempts: the record of the latest attempt
    :param attempt: the current attempt
    :param on_unknown: what to do if an earlier attempt may have sent the request: ``verify``, ``fail`` or
        ``send``; default: ``verify``
    :param now: returns the current time, UTC
    :return: the response of this attempt or of an earlier one
    :raises UsedeskOutcomeUnknown: if it cannot be decided whether an earlier attempt sent the request, or if
        the outcome of this one is unknown
    :raises UsedeskError: if the request failed and nothing was sent
    """
    step = decide(attempts.load(), attempts.outlives_attempts, attempt, on_unknown)
    if isinstance(step, LookUp):
        step = decide_after_look_up(look_up(step))
        if isinstance(step, Reuse):
            attempts.save(AttemptRecord(attempt.began, attempt.clear_count, step.response))
    if isinstance(step, Fail):
        raise UsedeskOutcomeUnknown(step.reason)
    if isinstance(step, Reuse):
        log.info("An earlier attempt created Usedesk %s. No request is sent.", _name(step.response))
        return step.response
    return _send_and_record(send, attempts, AttemptRecord(now(), attempt.clear_count))


def _send_and_record(
    send: Callable[[], Created], attempts: AttemptStore[Created], record: AttemptRecord[Created]
) -> Created:
    attempts.save(record)
    try:
        response = send()
    except UsedeskOutcomeUnknown:
        raise
    except UsedeskError:
        attempts.delete()
        raise
    attempts.save(AttemptRecord(record.since, record.clear_count, response))
    return response


def _name(response: CreatedTicket | CreatedComment) -> str:
    if isinstance(response, CreatedTicket):
        return f"ticket {response.ticket_id}"
    return f"comment {response.comment_id}"
