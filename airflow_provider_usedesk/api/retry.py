"""Retries of requests that certainly had no effect."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from airflow_provider_usedesk.api import errors
from airflow_provider_usedesk.api.rate_limit_state import growing_wait
from airflow_provider_usedesk.api.rate_limiter import WaitBudget

log = logging.getLogger(__name__)

T = TypeVar("T")

SAFE_TO_RETRY = (errors.UsedeskUnavailable, errors.UsedeskRateLimited)
"""The errors of requests that certainly had no effect, so that they can be sent again."""


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
    attempt = 0
    while True:
        attempt += 1
        try:
            return call()
        except SAFE_TO_RETRY as error:
            wait = wait_before_retry(attempt, error, jitter())
            if wait > wait_budget.left:
                raise
            log.warning("%s Trying again in %.1f s.", error, wait)
        # Outside of the except block, so that the error of the next attempt is not chained to this one.
        sleep(wait)


def wait_before_retry(attempt: int, error: errors.UsedeskError, jitter: float) -> float:
    """
    Return the seconds to wait: as the response asked, or longer with each attempt.

    :param attempt: number of the failed attempt, from 1
    :param error: its error
    :param jitter: a random number from 0 to 1
    """
    if error.retry_after is not None:
        return error.retry_after + jitter
    return growing_wait(attempt, jitter)
