"""How results are stored by a program that serializes them: as plain dicts, or not at all."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from typing import Any, NoReturn


class PlainResult(dict[str, Any]):
    """
    Base of a dataclass whose compared fields are also the items of a dict.

    Serializers store it as a plain dict, which every reader can load without this package.
    """

    def __post_init__(self) -> None:
        self.update({name: getattr(self, name) for name in _compared(type(self))})


class PrivateResult:
    """Base of a dataclass that must not be stored by accident, because it contains personal data."""

    def serialize(self) -> NoReturn:
        """
        Refuse to be serialized; Airflow calls this for a result of a task.

        :raises PrivateResultError: always
        """
        raise PrivateResultError(
            f"{type(self).__name__} contains data that must not be stored, so it cannot be the result of a "
            "task. Return only what the next task needs, such as its id."
        )


class PrivateResultError(Exception):
    """A value that contains personal data or a secret was to be stored."""


@cache
def _compared(result_class: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(result_class) if field.compare)
