"""Errors that a retry cannot repair."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow_provider_usedesk.api.errors import (
    UsedeskBadConnection,
    UsedeskError,
    UsedeskInvalidRequest,
    UsedeskNotDelivered,
)
from airflow_provider_usedesk.compat.sdk import AirflowFailException


@contextmanager
def no_retry(*also: type[UsedeskError]) -> Iterator[None]:
    """
    Fail the task without a retry on invalid arguments, a wrong connection, and a message not delivered.

    :param also: other errors that a retry cannot repair
    :raises AirflowFailException: in place of these errors
    """
    final: tuple[type[UsedeskError], ...] = (
        UsedeskInvalidRequest,
        UsedeskBadConnection,
        UsedeskNotDelivered,
        *also,
    )
    try:
        yield
    except final as error:
        raise AirflowFailException(f"{type(error).__name__}: {error}") from error
