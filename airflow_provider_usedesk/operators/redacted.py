"""Values that a task needs but that nobody should find in the UI."""

from __future__ import annotations

from typing import Any


class Redacted:
    """
    Hold a rendered value that shows as ``***`` wherever Airflow stores or prints it.

    :param value: the rendered value
    """

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return bool(self.value == plain_value(other))

    def __hash__(self) -> int:
        return hash(self.value)


def plain_value(value: Any) -> Any:
    """Return the value itself, whether it is held by :class:`Redacted` or not."""
    return value.value if isinstance(value, Redacted) else value
