"""What a task instance knows of its attempt, where Airflow has no public interface for it."""

from __future__ import annotations

from typing import Any


def may_be_resumed(ti: Any) -> bool:
    """
    Return whether the attempt of a task may have begun in another process, before a deferral.

    :param ti: the task instance of this process; on Airflow 2 its key, which does not know
    """
    from_server = getattr(ti, "_ti_context_from_server", None)
    return from_server is None or getattr(from_server, "next_method", None) is not None
