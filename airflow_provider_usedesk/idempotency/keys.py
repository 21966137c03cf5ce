"""Idempotency keys."""

from __future__ import annotations

import hashlib

MAX_KEY = 255


def idempotency_key(
    dag_id: str, run_id: str, task_id: str, map_index: int = -1, turn: int = 0, again: str = ""
) -> str:
    """
    Name a task instance in a way that fits into ``additional_id``, readable, and the same in every try.

    :param turn: how often the task was cleared, where clearing means sending again
    :param again: what tells a second sending of the same try from the first
    """
    parts = [dag_id, run_id, task_id]
    if map_index >= 0:
        parts.append(str(map_index))
    if turn:
        parts.append(f"again-{turn}")
    # A part can hold a slash of its own; escaping it keeps two tasks from sharing a key.
    key = "airflow/" + "/".join(part.replace("%", "%25").replace("/", "%2F") for part in parts) + again
    if len(key) <= MAX_KEY:
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()[:32]
    return f"{key[: MAX_KEY - len(digest) - 1]}~{digest}"
