"""The parameter ``lists``: values of nested lists, each with the values of the levels above it."""

from __future__ import annotations

import re
from typing import Any

from airflow_provider_usedesk.sandbox.call import DIGITS, Call, Refusal, as_array
from airflow_provider_usedesk.sandbox.company import CustomField, Option

WRONG_FORM = "lists must be an array of arrays of id and value"


def nested_lists(call: Call) -> tuple[Any, ...]:
    """
    Read and check ``lists``.

    :return: the lists as they were sent; empty for null and an empty value
    :raises Refusal: for another form, an unknown field or option, or a level without those above it
    """
    given = call.params.get("lists")
    lists = [] if given == "null" else as_array(given)
    for levels in _levels(lists):
        _check_levels(call, levels)
    return tuple(lists)


def _levels(lists: list[Any]) -> list[list[Any]]:
    # One public client sends a flat array.
    is_flat = any(isinstance(one, dict) and "id" in one for one in lists)
    return [lists] if is_flat else [as_array(one) for one in lists]


def _check_levels(call: Call, levels: list[Any]) -> None:
    above: Option | None = None
    for level in levels:
        if not _is_id_and_value(level):
            raise Refusal(WRONG_FORM)
        if not call.is_lenient:
            above = _chosen(call.company.fields.get(int(level["id"])), level.get("value"), above)


def _is_id_and_value(level: Any) -> bool:
    return (
        isinstance(level, dict)
        and re.fullmatch(DIGITS, str(level.get("id"))) is not None
        and not isinstance(level.get("value"), (dict, list))
    )


def _chosen(field: CustomField | None, value: Any, above: Option | None) -> Option | None:
    """Return the option that a value of one level selects; None for an empty value."""
    if field is None or field.type != "nested list":
        raise Refusal("lists contains an id that is not of a nested list")
    if value in (None, ""):
        return None
    named = [option for option in field.options if str(value) in (option.value, str(option.id))]
    if not named:
        raise Refusal(f"lists contains an unknown value of the field {field.id}")
    parent = above.id if above else None
    fitting = [option for option in named if option.parent_id == parent]
    if not fitting:
        raise Refusal(f"lists must contain the levels above the field {field.id}, from the first one down")
    return fitting[0]
