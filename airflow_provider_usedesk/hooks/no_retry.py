"""Errors that a retry cannot repair."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow_provider_usedesk.compat.sdk import AirflowFailException

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.errors import UsedeskError


@contextmanager
def no_retry(*also: type[UsedeskError]) -> Iterator[None]:
    """
    Fail the task without a retry on invalid arguments, a wrong connection, and a message not delivered.

    :param also: other errors that a retry cannot repair
    :raises AirflowFailException: in place of these errors
    """
    from airflow_provider_usedesk.api.errors import (
        UsedeskBadConnection,
        UsedeskInvalidRequest,
        UsedeskNotDelivered,
    )

    final: tuple[type[UsedeskError], ...] = (
        UsedeskInvalidRequest,
        UsedeskBadConnection,
        UsedeskNotDelivered,
        *also,
    )
    try:
        yield
    except final as error:
        # Without the error itself: the log would show its text and its traceback a second time.
        raise AirflowFailException(f"{type(error).__name__}: {error}") from None
