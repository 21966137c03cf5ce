"""The attempt store: what is known of the earlier attempts of a task."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Generic

from airflow_provider_usedesk.compat.stores import KeyValueStore, MemoryStore
from airflow_provider_usedesk.idempotency.decision import AttemptRecord, Created


class AttemptStore(Generic[Created]):
    """
    The record of the latest attempt of a task, as JSON in a key-value store.

    :param store: where the record is stored; None where Airflow has no task state store, which is before 3.3:
        then no record outlives its attempt
    :param response_class: class of the response
    :param suffix: distinguishes several messages of one task; default: empty
    """

    def __init__(self, store: KeyValueStore | None, response_class: type[Created], suffix: str = "") -> None:
        self.outlives_attempts = store is not None
        self._store: KeyValueStore = MemoryStore() if store is None else store
        self._response_class = response_class
        self._key = f"usedesk/attempt{suffix}"

    def load(self) -> AttemptRecord[Created] | None:
        """Return the record; None if there is none."""
        value = self._store.get(self._key)
        if not value:
            return None
        response = self._response_class(**value["response"]) if value["response"] else None
        return AttemptRecord(datetime.fromisoformat(value["since"]), value["clear_count"], response)

    def save(self, record: AttemptRecord[Created]) -> None:
        """Store a record in place of the earlier one."""
        value = {
            "since": record.since.isoformat(),
            "clear_count": record.clear_count,
            "response": asdict(record.response) if record.response else None,
        }
        self._store.set(self._key, value)

    def delete(self) -> None:
        """Delete the record."""
        self._store.delete(self._key)
