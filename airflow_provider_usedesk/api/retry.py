"""Retries of requests that certainly had no effect."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

import tenacity

from airflow_provider_usedesk.api import errors
from airflow_provider_usedesk.api.rate_limit_state import growing_wait
from airflow_provider_usedesk.api.rate_limiter import WaitBudget

log = logging.getLogger(__name__)

T = TypeVar("T")

SAFE_TO_RETRY = (errors.UsedeskUnavailable, errors.UsedeskRateLimited)


def with_retries(
    call: Callable[[], T],
    wait_budget: WaitBudget,
    sleep: Callable[[float], None],
    jitter: Callable[[], float],
) -> T:
    """
    Call a function, and retry it as long as that is safe and the wait budget lasts.

    :param call: sends one request
    :param wait_budget: how long all waits together may take
    :param sleep: waits for some seconds
    :param jitter: returns a random number from 0 to 1
    :return: the result of the first successful call
    :raises UsedeskError: from the last call, when it cannot be retried or the next wait is too long
    """
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(safe_to_retry),
        wait=lambda state: wait_before_retry(state.attempt_number, _error(state), jitter()),
        stop=lambda state: state.upcoming_sleep > wait_budget.left,
        sleep=sleep,
        before_sleep=_log_retry,
        reraise=True,
    )
    return retrying(call)


def safe_to_retry(error: BaseException) -> bool:
    """Return whether a failed request certainly had no effect, so that it can be sent again."""
    return isinstance(error, SAFE_TO_RETRY)


def wait_before_retry(attempt: int, error: BaseException | None, jitter: float) -> float:
    """
    Return the seconds to wait: as the response asked, or longer with each attempt.

    :param attempt: number of the failed attempt, from 1
    :param error: its error
    :param jitter: a random number from 0 to 1
    """
    if isinstance(error, errors.UsedeskError) and error.retry_after is not None:
        return error.retry_after + jitter
    return growing_wait(attempt, jitter)


def _error(state: tenacity.RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _log_retry(state: tenacity.RetryCallState) -> None:
    log.warning("%s Trying again in %.1f s.", _error(state), state.upcoming_sleep)
