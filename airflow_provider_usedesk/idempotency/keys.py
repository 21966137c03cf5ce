"""Idempotency keys."""

from __future__ import annotations

import hashlib

MAX_LENGTH = 255


def idempotency_key(
    dag_id: str, run_id: str, task_id: str, map_index: int = -1, clear_count: int = 0, suffix: str = ""
) -> str:
    """
    Return the idempotency key of a task instance: readable, and the same in every attempt.

    A key of more than 255 characters, the limit of ``additional_id``, is cut; a digest of the whole follows.

    :param dag_id: id of the Dag
    :param run_id: id of the Dag run
    :param task_id: id of the task
    :param map_index: index of a mapped task instance; default: -1, not mapped
    :param clear_count: grows with each clearing that sends the message again; default: 0
    :param suffix: distinguishes several messages of one attempt; default: empty
    :return: the key, at most 255 characters
    """
    parts = [dag_id, run_id, task_id]
    if map_index >= 0:
        parts.append(str(map_index))
    if clear_count:
        parts.append(f"again-{clear_count}")
    # A part may contain a slash; escaped, two tasks cannot share a key.
    key = "airflow/" + "/".join(part.replace("%", "%25").replace("/", "%2F") for part in parts) + suffix
    if len(key) <= MAX_LENGTH:
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()[:32]
    return f"{key[: MAX_LENGTH - len(digest) - 1]}~{digest}"
