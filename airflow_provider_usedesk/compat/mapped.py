"""Mapped tasks: whether an operator is one of them, and a check of the values of ``expand()``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def is_mapped(task: Any) -> bool:
    """
    Return whether an operator is made for one map index, when its values are known.

    :param task: the operator, whose constructor may not have ended
    """
    return bool(getattr(task, "_BaseOperator__from_mapped", False))


def with_expand_check(
    partial: Any,
    check_expand: Callable[[Mapping[str, Any]], None],
    check_expand_kwargs: Callable[[Any], None],
) -> Any:
    """
    Return the result of ``partial()`` with a check of what the task is mapped over.

    :param partial: what ``partial()`` of the operator class returned
    :param check_expand: checks the arguments of ``expand()``
    :param check_expand_kwargs: checks the argument of ``expand_kwargs()``
    """
    checked = _checking(type(partial))(
        operator_class=partial.operator_class, kwargs=partial.kwargs, params=partial.params
    )
    checked.checks = (check_expand, check_expand_kwargs)
    # Else it would warn that it was never mapped.
    partial._expand_called = True
    return checked


def _checking(partial_class: Any) -> Any:
    class CheckingPartial(partial_class):  # type: ignore[misc]
        checks: tuple[Callable[[Any], None], Callable[[Any], None]]

        def expand(self, **mapped_kwargs: Any) -> Any:
            self.checks[0](mapped_kwargs)
            return super().expand(**mapped_kwargs)

        def expand_kwargs(self, kwargs: Any, *args: Any, **options: Any) -> Any:
            self.checks[1](kwargs)
            return super().expand_kwargs(kwargs, *args, **options)

    return CheckingPartial
