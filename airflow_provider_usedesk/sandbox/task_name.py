"""The Dag and the task in an idempotency key of this package, which an ``additional_id`` can be."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

# The label of a key; see the module of the keys, which only Airflow's side imports.
PREFIX = "af2."


@dataclass(frozen=True)
class TaskName:
    """
    The task that created a ticket; a long key is cut, then ``task_id`` is cut or empty.

    :param dag_id: its Dag
    :param task_id: its id
    """

    dag_id: str
    task_id: str

    def url(self, airflow_url: str) -> str:
        """Return the page of the Dag in Airflow; its address is the same in Airflow 2 and 3."""
        return f"{airflow_url}/dags/{quote(self.dag_id, safe='')}"


def task_name(additional_id: str | None) -> TaskName | None:
    """Return the task that a key names; None if the text is no key."""
    key, _, label = (additional_id or "").strip().partition("/")
    dag_id, _, task_id = label.partition("/")
    return TaskName(dag_id, task_id) if key.startswith(PREFIX) and dag_id else None
