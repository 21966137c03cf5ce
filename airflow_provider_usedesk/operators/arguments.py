"""The arguments of an operator, read from the signature of its constructor, where they are written once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from types import CodeType
from typing import Any

from airflow_provider_usedesk.compat.sdk import BaseOperator


def assign_arguments(operator: object, variables: Mapping[str, Any]) -> None:
    """
    Set each argument of a constructor as an attribute of the same name.

    :param operator: the operator
    :param variables: ``locals()`` of the constructor, before it sets any variable
    """
    for name, value in variables.items():
        if name not in ("self", "kwargs", "__class__"):
            setattr(operator, name, value)


def template_fields_of(
    constructor: Callable[..., None], inherited: Collection[str], *, without: Collection[str] = ()
) -> tuple[str, ...]:
    """
    Return the template fields of an operator class: the arguments of its constructor and inherited fields.

    :param constructor: its ``__init__``
    :param inherited: the template fields of the class above it
    :param without: arguments that are not templated
    """
    own = (name for name in _arguments_of(constructor) if name not in without)
    # Each once: Airflow would render a field for each time that it is named.
    return tuple(dict.fromkeys((*own, *inherited)))


def constructor_arguments(operator_class: type) -> tuple[str, ...]:
    """Return the names of all arguments that an operator class takes beside those of any task."""
    classes = (one for one in operator_class.__mro__ if one not in BaseOperator.__mro__)
    constructors = (vars(one)["__init__"] for one in classes if "__init__" in vars(one))
    return tuple(dict.fromkeys(name for init in constructors for name in _arguments_of(init)))


def _arguments_of(constructor: Callable[..., None]) -> tuple[str, ...]:
    # Airflow wraps constructors. The code is quicker to read than the signature, and every import reads it.
    code: CodeType = inspect.unwrap(constructor).__code__
    return code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
