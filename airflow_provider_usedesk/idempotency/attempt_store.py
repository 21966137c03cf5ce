"""What a task stores between its attempts."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Generic

from airflow_provider_usedesk.idempotency.send_once import Made, Remembered


class StateStore(Generic[Made]):
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

    def recall(self) -> Remembered[Made] | None:
        kept = self._store.get(self._key)
        if not kept:
            return None
        answer = self._kind(**kept["answer"]) if kept["answer"] else None
        return Remembered(datetime.fromisoformat(kept["since"]), kept["turn"], answer)

    def remember(self, what: Remembered[Made]) -> None:
        answer = asdict(what.answer) if what.answer else None
        kept = {"since": what.since.isoformat(), "turn": what.turn, "answer": answer}
        # Never expires (Airflow compares with this very object): no clean-up may outrun a retry.
        self._store.set(self._key, kept, retention=timedelta.max)

    def forget(self) -> None:
        self._store.delete(self._key)


class NoMemory:
    """Stand in where Airflow has no task state store: before 3.3."""

    works = False

    def recall(self) -> None:
        return None

    def remember(self, what: Remembered[Any]) -> None:
        """Do nothing."""

    def forget(self) -> None:
        """Do nothing."""
