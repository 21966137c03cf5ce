"""The fence: the last thing before a POST is the stored record of its attempt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Generic

from airflow_provider_usedesk.api.errors import UsedeskError
from airflow_provider_usedesk.idempotency.attempt_store import AttemptStore
from airflow_provider_usedesk.idempotency.decision import AttemptRecord, Created

LEASE = timedelta(seconds=15)
"""How long after the write of the record a request may begin."""
MAX_WRITES = 3
"""Writes of the record, one after the other, that may take longer than the lease."""


class Fence(Generic[Created]):
    """
    Stores the record of an attempt before a POST, unless it was stored just now.

    A write of an attempt that Airflow has replaced by another one fails; then nothing is sent.

    :param attempts: the attempt store
    :param record: the open record
    :param check_current: raises an error if Airflow has begun another attempt
    :param now: returns the current time, UTC
    """

    def __init__(
        self,
        attempts: AttemptStore[Created],
        record: AttemptRecord[Created],
        check_current: Callable[[], None],
        now: Callable[[], datetime],
    ) -> None:
        self._attempts = attempts
        self.record = record
        self._check_current = check_current
        self._now = now
        self.was_passed = False

    def __call__(self) -> None:
        """
        Store the record.

        :raises UsedeskError: if it cannot be stored; nothing is sent
        """
        for _ in range(MAX_WRITES):
            if self.was_passed and self._has_time():
                return
            self._write(replace(self.record, until=self._now() + LEASE))
        if not self._has_time():
            raise UsedeskError(
                "Storing the record of this attempt took too long. Nothing was sent. Check the API server of "
                "Airflow."
            )

    def _has_time(self) -> bool:
        return self.record.until - self._now() >= LEASE / 2

    def _write(self, record: AttemptRecord[Created]) -> None:
        try:
            self._check_current()
            self._attempts.save(record)
        except UsedeskError:
            raise
        except Exception as error:
            raise UsedeskError(
                f"The record of this attempt could not be stored ({type(error).__name__}). Nothing was sent. "
                "Airflow may have begun another attempt."
            ) from error
        self.record = record
        self.was_passed = True
