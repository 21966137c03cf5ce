"""What a task stores between its attempts."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Generic

from airflow_provider_usedesk.idempotency.send_once import AttemptRecord, Made


class TaskStateAttempts(Generic[Made]):
    """
    Remember in the task state store of Airflow 3.3, whose rows live as long as the Dag run.

    :param store: ``context["task_state_store"]``
    :param kind: what sending answers
    :param name: tells apart what one task sends
    """

    works = True

    def __init__(self, store: Any, kind: type[Made], name: str = "") -> None:
        self._store = store
        self._kind = kind
        self._key = f"usedesk_send{name}"

    def load(self) -> AttemptRecord[Made] | None:
        kept = self._store.get(self._key)
        if not kept:
            return None
        answer = self._kind(**kept["answer"]) if kept["answer"] else None
        return AttemptRecord(datetime.fromisoformat(kept["since"]), kept["turn"], answer)

    def save(self, what: AttemptRecord[Made]) -> None:
        answer = asdict(what.answer) if what.answer else None
        kept = {"since": what.since.isoformat(), "turn": what.turn, "answer": answer}
        # Never expires (Airflow compares with this very object): no clean-up may outrun a retry.
        self._store.set(self._key, kept, retention=timedelta.max)

    def delete(self) -> None:
        self._store.delete(self._key)


class NoAttempts:
    """Stand in where Airflow has no task state store: before 3.3."""

    works = False

    def load(self) -> None:
        return None

    def save(self, what: AttemptRecord[Any]) -> None:
        """Do nothing."""

    def delete(self) -> None:
        """Do nothing."""
