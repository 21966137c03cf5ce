"""The attempt store: what is known of the earlier attempts to send a message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Generic

from airflow_provider_usedesk.compat.stores import KeyValueStore, MemoryStore
from airflow_provider_usedesk.idempotency.decision import (
    AttemptRecord,
    Created,
    RecordState,
    StoredRecord,
    Unreadable,
)
from airflow_provider_usedesk.idempotency.keys import IdempotencyKey, parse_key

VERSION = 2


class AttemptStore(Generic[Created]):
    """
    The record of the attempts to send a message, as JSON in a key-value store.

    :param store: where the record is stored; None where Airflow has no task state store, which is before 3.3:
        then no record outlives its attempt
    :param response_class: class of the response
    :param slot: distinguishes the messages of one task
    """

    def __init__(self, store: KeyValueStore | None, response_class: type[Created], slot: str = "") -> None:
        self.outlives_attempts = store is not None
        self._store: KeyValueStore = MemoryStore() if store is None else store
        self._response_class = response_class
        self._key = f"usedesk/attempt/{slot}"

    def load(self) -> StoredRecord[Created]:
        """Return the record; None if there is none."""
        value = self._store.get(self._key)
        if value is None:
            return None
        try:
            return self._record(value)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            return Unreadable()

    def save(self, record: AttemptRecord[Created]) -> None:
        """Store a record in place of the earlier one."""
        value = asdict(record)
        for name in ("since", "until", "ended"):
            value[name] = value[name] and value[name].isoformat()
        self._store.set(self._key, {**value, "version": VERSION, "key": str(record.key)})

    def _record(self, value: Mapping[str, Any]) -> AttemptRecord[Created]:
        if value["version"] != VERSION:
            raise ValueError("a record of another version")
        response = value["response"]
        return AttemptRecord(
            state=RecordState(value["state"]),
            key=_key(value["key"]),
            since=_moment(value["since"]),
            until=_moment(value["until"]),
            ended=None if value["ended"] is None else _moment(value["ended"]),
            response=None if response is None else self._response_class(**response),
            **{name: int(value[name]) for name in ("try_number", "max_tries", "clear_number", "clear_count")},
        )


def _key(text: str) -> IdempotencyKey:
    key = parse_key(text)
    if key is None:
        raise ValueError("no key")
    return key


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a moment without time zone")
    return moment
