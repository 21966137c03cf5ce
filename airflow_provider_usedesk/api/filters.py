"""The filters of the methods that list something."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from airflow_provider_usedesk.api import choices, values
from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest
from airflow_provider_usedesk.api.request import unknown_parameter

# Usedesk ignores a filter that it does not know, and returns every row.
FILTERS: Mapping[str, frozenset[str]] = {
    "tickets": frozenset(
        {
            *("fchannel", "fassigned", "fgroup", "fstatus", "ftype", "fpriority", "tag", "query"),
            *("created_after", "created_before", "updated_after", "updated_before", "client_id"),
            *("fields", "sort", "order", "accessible_for_agent_id", "properties"),
        }
    ),
    "clients": frozenset({"query", "search_type", "created_after", "created_before"}),
    "users": frozenset({"user_type", "group_id", "query", "user_id"}),
    "tags": frozenset({"query"}),
}
CHOICES: Mapping[str, values.Check] = {
    "search_type": values.one_of(choices.SearchType),
    "user_type": values.one_of(choices.Role),
    "order": values.one_of(choices.Order),
}
MOMENT = r"\d{4}-\d\d-\d\d( \d\d:\d\d(:\d\d)?)?"


def encoded_filters(method: str, filters: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return filters as the API takes them: several values joined with commas, times to the minute in UTC.

    :param method: path of the method
    :param filters: values by name; a null for no filter
    :raises UsedeskInvalidRequest: naming every invalid filter
    """
    validation_errors = []
    if "offset" in filters:
        validation_errors.append("offset: is not accepted, because the client reads page after page itself")
    encoded = {}
    for name, value in filters.items():
        if name != "offset" and name not in FILTERS[method]:
            validation_errors.append(f"{name}: {unknown_parameter(name, FILTERS[method], method)}")
        elif not values.is_null(value) and name != "offset":
            try:
                encoded[name] = _filter(name, value)
            except ValueError as error:
                validation_errors.append(f"{name}: {error}")
    if validation_errors:
        raise UsedeskInvalidRequest(validation_errors)
    return encoded


def _filter(name: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M}"
    if name.endswith(("_after", "_before")) and not re.fullmatch(MOMENT, str(value)):
        raise ValueError("must be a datetime, or a text such as 2026-03-01 05:00, in UTC")
    if name in CHOICES:
        return CHOICES[name](value)
    if name in ("fassigned", "fields", "properties"):
        return value
    items = sorted(value) if isinstance(value, (set, frozenset)) else values.as_list(value)
    return values.as_text(value) if items is None else ",".join(map(values.as_text, items))
