"""The arguments of an operator, read from the signature of its constructor, where they are written out."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from types import CodeType, MappingProxyType
from typing import Any, Protocol

from airflow_provider_usedesk.compat.sdk import BaseOperator

NOT_TEMPLATED = frozenset(
    {
        *("on_unknown_outcome", "send_again_on_clear", "on_not_delivered", "on_no_confirmation"),
        *("wait_for_delivery", "deferrable", "delivery_timeout", "delivery_poke_interval", "find_existing"),
        *("row_key", "row_template", "columns", "delimiter", "encoding", "max_in_flight", "validate"),
        *("max_bad_rows", "max_failures", "fail_on", "fail_if_empty", "on_duplicate", "quiet_hours"),
        *("timezone", "in_quiet_hours", "max_lateness"),
    }
)
"""Arguments that are no template fields."""


class ChecksArguments(Protocol):
    """An operator or a sensor that checks its arguments."""

    @classmethod
    def argument_errors(cls, given: Mapping[str, Any], *, is_complete: bool) -> list[str]:
        """
        Return a text for each invalid argument, as far as their values are known when the Dag is parsed.

        :param given: arguments by name, those of any task among them; those that are missing are valid
        :param is_complete: whether no other argument is added to those that are given
        """


def check_arguments(operator: ChecksArguments, variables: Mapping[str, Any]) -> None:
    """
    Check the arguments of a constructor as far as they are known when the Dag is parsed.

    :param operator: the operator, before Airflow sees its arguments
    :param variables: ``locals()`` of the constructor, before it sets any variable
    :raises UsedeskInvalidRequest: naming every invalid and every unknown argument
    :raises AirflowFailException: with the same text, if a task makes the operator while it runs
    """
    from airflow_provider_usedesk.compat.mapped import is_mapped

    # What a mapped task got from upstream is checked when it runs, where the error ends the task.
    if is_mapped(operator):
        return
    given = {name: value for name, value in variables.items() if _is_argument(name)}
    if errors := known_errors(type(operator), {**given, **variables["kwargs"]}, is_complete=True):
        from airflow_provider_usedesk.operators.checks import raise_errors

        with _no_retry():
            raise_errors(errors)


def check_known(
    operator_class: type[ChecksArguments], given: Mapping[str, Any], *, is_complete: bool
) -> None:
    """
    Check arguments of an operator class as far as their values are known.

    :param operator_class: the class
    :param given: arguments by name
    :param is_complete: whether no other argument is added to those that are given
    :raises UsedeskInvalidRequest: naming every invalid and every unknown argument
    """
    from airflow_provider_usedesk.operators.checks import raise_errors

    raise_errors(known_errors(operator_class, given, is_complete=is_complete))


def known_errors(
    operator_class: type[ChecksArguments],
    given: Mapping[str, Any],
    shared: Mapping[str, Any] = MappingProxyType({}),
    *,
    is_complete: bool,
) -> list[str]:
    """
    Return a text for each argument that is invalid or unknown, as far as their values are known.

    :param operator_class: the class
    :param given: arguments by name
    :param shared: arguments and other defaults by name, which the operator also gets if it takes them
    :param is_complete: whether no other argument is added to those that are given
    """
    from airflow_provider_usedesk.api.values import reads_once
    from airflow_provider_usedesk.operators.checks import iterator_errors

    everything = {**shared, **given}
    # An iterator would be used up by a check.
    rereadable = {name: value for name, value in everything.items() if not reads_once(value)}
    return [
        *_unknown_arguments(operator_class, given),
        *iterator_errors(everything),
        *operator_class.argument_errors(rereadable, is_complete=is_complete),
    ]


def assign_arguments(operator: object, variables: Mapping[str, Any]) -> None:
    """
    Set each argument of a constructor as an attribute of the same name.

    :param operator: the operator
    :param variables: ``locals()`` of the constructor, before it sets any variable
    """
    for name, value in variables.items():
        if _is_argument(name):
            setattr(operator, name, value)


def with_lists(params: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return parameters of which each can be read more than once.

    :param params: parameters by name; an iterator, which native rendering can make, becomes a list
    """
    from airflow_provider_usedesk.api.hidden import HiddenDict
    from airflow_provider_usedesk.api.values import as_list

    return HiddenDict(
        {name: as_list(value) if _is_generator(value) else value for name, value in params.items()}
    )


def template_fields_of(constructor: Callable[..., None]) -> tuple[str, ...]:
    """
    Return the template fields of an operator class: the arguments of its constructor that are templated.

    :param constructor: its ``__init__``
    """
    return tuple(name for name in _arguments_of(constructor) if name not in NOT_TEMPLATED)


def constructor_arguments(operator_class: type) -> tuple[str, ...]:
    """Return the names of all arguments that an operator class takes beside those of any task."""
    classes = (one for one in operator_class.__mro__ if one not in BaseOperator.__mro__)
    return tuple(dict.fromkeys(name for one in classes for name in _own_arguments(one)))


def argument_defaults(operator_class: type) -> dict[str, Any]:
    """Return the defaults of the arguments that an operator class takes beside those of any task."""
    constructors = [_constructor(one) for one in operator_class.__mro__ if one not in BaseOperator.__mro__]
    defaults = [getattr(init, "__kwdefaults__", None) or {} for init in constructors]
    return {name: value for found in reversed(defaults) for name, value in found.items()}


def _no_retry() -> AbstractContextManager[None]:
    """Fail the task that makes the operator, if one does, without a retry, unless a policy decides."""
    from airflow_provider_usedesk.compat.running import running_task
    from airflow_provider_usedesk.hooks.no_retry import no_retry

    task = running_task()
    is_final = task is not None and getattr(task, "retry_policy", None) is None
    return no_retry() if is_final else nullcontext()


def _unknown_arguments(operator_class: type, given: Mapping[str, Any]) -> Iterator[str]:
    known = {name for one in operator_class.__mro__ for name in _own_arguments(one)}
    for name in given:
        if name not in known and not name.startswith("_airflow"):
            from airflow_provider_usedesk.api.request import unknown_parameter

            yield f"{name}: {unknown_parameter(name, known, operator_class.__name__)}"


def _is_argument(name: str) -> bool:
    return name not in ("self", "kwargs", "__class__")


def _is_generator(value: Any) -> bool:
    from airflow_provider_usedesk.api.values import reads_once

    # An open file would become a list of its lines; it is refused later.
    return reads_once(value) and not isinstance(value, (list, tuple)) and not hasattr(value, "read")


def _own_arguments(one: type) -> tuple[str, ...]:
    init = _constructor(one)
    return _arguments_of(init) if hasattr(init, "__code__") else ()


def _constructor(one: type) -> Any:
    """Return the constructor of a class itself, which Airflow wraps; None if it has none."""
    init = vars(one).get("__init__")
    return None if init is None else inspect.unwrap(init)


def _arguments_of(constructor: Callable[..., None]) -> tuple[str, ...]:
    # Airflow wraps constructors. The code is quicker to read than the signature, and every import reads it.
    code: CodeType = inspect.unwrap(constructor).__code__
    return code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
