"""Repeat a request that certainly changed nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

import tenacity

from airflow_provider_usedesk.api import errors
from airflow_provider_usedesk.api.rate_limiter import WaitBudget, growing_wait

log = logging.getLogger(__name__)

T = TypeVar("T")

SAFE_TO_REPEAT = (errors.UsedeskUnavailable, errors.UsedeskRateLimited)


def with_repeats(
    call: Callable[[], T],
    wait_budget: WaitBudget,
    sleep: Callable[[float], None],
    jitter: Callable[[], float],
) -> T:
    """
    Call, and call again while that is safe and the wait budget lasts.

    :param call: makes one request
    :param wait_budget: how long the whole call may wait
    :param sleep: waits for some seconds
    :param jitter: returns a random number from 0 to 1
    :raises UsedeskError: the last error
    """
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(safe_to_repeat),
        wait=lambda state: wait_before_repeating(state.attempt_number, _error(state), jitter()),
        stop=lambda state: state.upcoming_sleep > wait_budget.left,
        sleep=sleep,
        before_sleep=_log_repeat,
        reraise=True,
    )
    return retrying(call)


def safe_to_repeat(error: BaseException) -> bool:
    """Return whether a request certainly changed nothing, so that it can be repeated."""
    return isinstance(error, SAFE_TO_REPEAT)


def wait_before_repeating(attempt: int, error: BaseException | None, jitter: float) -> float:
    """
    Return the seconds to wait: as long as the service asked, else longer with each attempt.

    :param attempt: number of the failed attempt, from 1
    :param error: its error
    :param jitter: a random number from 0 to 1
    """
    if isinstance(error, errors.UsedeskError) and error.retry_after is not None:
        return error.retry_after + jitter
    return growing_wait(attempt, jitter)


def _error(state: tenacity.RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _log_repeat(state: tenacity.RetryCallState) -> None:
    log.warning("%s Trying again in %.1f s.", _error(state), state.upcoming_sleep)
