"""The checks of what a task is mapped over, when the Dag is parsed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from airflow_provider_usedesk.api.values import UNKNOWN
from airflow_provider_usedesk.compat.inlets import mapped_arguments
from airflow_provider_usedesk.compat.mapped import with_expand_check
from airflow_provider_usedesk.operators.arguments import (
    ChecksArguments,
    argument_defaults,
    check_known,
    known_errors,
)
from airflow_provider_usedesk.operators.checks import raise_errors

# More of them say nothing new.
MAX_ERRORS = 10
# So that a long list does not slow down the parsing of the Dag.
MAX_ITEMS = 100


def checked_partial(
    operator_class: type[ChecksArguments], given: Mapping[str, Any], partial: Callable[..., Any]
) -> Any:
    """
    Check what the instances of a mapped task share, and return ``partial()``, which checks the rest.

    :param operator_class: the class of the operator
    :param given: the arguments
    :param partial: ``partial()`` of Airflow
    :raises UsedeskInvalidRequest: naming every invalid and every unknown argument
    """
    check_known(operator_class, given, is_complete=False)
    made = partial(**given)
    # With the defaults of the Dag, some of which other operators take.
    shared = mapped_arguments(made)
    raise_errors(known_errors(operator_class, {}, shared, is_complete=False))
    shared = {**argument_defaults(operator_class), **shared}
    return with_expand_check(
        made,
        lambda mapped: raise_errors(_errors_of_expand(operator_class, shared, mapped)),
        lambda rows: raise_errors(_errors_of_rows(operator_class, shared, rows)),
    )


def _errors_of_expand(
    operator_class: type[ChecksArguments], shared: Mapping[str, Any], mapped: Mapping[str, Any]
) -> list[str]:
    given = dict.fromkeys(mapped, UNKNOWN)
    of_values = [
        f"{error} (value {number})"
        for name, values in mapped.items()
        for number, value in enumerate(_items(values), 1)
        for error in known_errors(operator_class, {name: value}, is_complete=False)
    ]
    return [*known_errors(operator_class, given, shared, is_complete=True), *of_values[:MAX_ERRORS]]


def _errors_of_rows(operator_class: type[ChecksArguments], shared: Mapping[str, Any], rows: Any) -> list[str]:
    of_rows = [
        f"{error} (item {number})"
        for number, row in enumerate(_items(rows), 1)
        if isinstance(row, Mapping)
        for error in known_errors(operator_class, row, shared, is_complete=True)
    ]
    return of_rows[:MAX_ERRORS]


def _items(values: Any) -> Sequence[Any]:
    # An XComArg has none yet.
    return values[:MAX_ITEMS] if isinstance(values, (list, tuple)) else ()
