"""The arguments of an operator, read from the signature of its constructor, where they are written once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from types import CodeType
from typing import Any

from airflow_provider_usedesk.api.values import as_list, reads_once
from airflow_provider_usedesk.compat.sdk import BaseOperator


def assign_arguments(operator: object, variables: Mapping[str, Any]) -> None:
    """
    Set each argument of a constructor as an attribute of the same name.

    :param operator: the operator
    :param variables: ``locals()`` of the constructor, before it sets any variable
    :raises ValueError: naming every argument that is an iterator
    """
    refuse_iterators(variables)
    for name, value in variables.items():
        if name not in ("self", "kwargs", "__class__"):
            setattr(operator, name, value)


def check_choice(name: str, value: object, choices: Collection[str]) -> None:
    """
    Check an argument that is one of several words.

    :param name: the argument
    :param value: its value
    :param choices: the words
    :raises ValueError: when it is none of them
    """
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}")


def refuse_iterators(arguments: Mapping[str, Any]) -> None:
    """
    Check that every argument can be read more than once: by each attempt, and when a message is sent again.

    :param arguments: arguments by name
    :raises ValueError: naming every argument that is an iterator, such as a generator or an open file
    """
    found = [name for name, value in arguments.items() if reads_once(value)]
    if found:
        raise ValueError(
            f"{' and '.join(found)} can be read only once, like a generator or an open file, but a task "
            "reads its arguments in each attempt: give a list, such as list(folder.glob('*.csv')), or the "
            "path of the file"
        )


def with_lists(params: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return parameters of which each can be read more than once.

    :param params: parameters by name; an iterator, which native rendering can make, becomes a list
    """
    from airflow_provider_usedesk.api.hidden import HiddenDict

    return HiddenDict(
        {name: as_list(value) if _is_generator(value) else value for name, value in params.items()}
    )


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


def _is_generator(value: Any) -> bool:
    # An open file would become a list of its lines; it is refused later.
    return reads_once(value) and not isinstance(value, (list, tuple)) and not hasattr(value, "read")


def _arguments_of(constructor: Callable[..., None]) -> tuple[str, ...]:
    # Airflow wraps constructors. The code is quicker to read than the signature, and every import reads it.
    code: CodeType = inspect.unwrap(constructor).__code__
    return code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
