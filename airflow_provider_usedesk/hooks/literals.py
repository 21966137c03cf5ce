"""Which values are known when a Dag is parsed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, time, timedelta
from typing import Any

from airflow_provider_usedesk.api.values import is_null

MARKS = ("{{", "{%", "{#")


def is_template(text: str) -> bool:
    """Return whether Jinja changes a text, in a Dag with the usual delimiters."""
    return any(mark in text for mark in MARKS)


def is_literal(value: Any) -> bool:
    """Return whether a value is known when the Dag is parsed: neither a template nor an XComArg."""
    if isinstance(value, str):
        return not is_template(value)
    if isinstance(value, Mapping):
        return all(is_literal(item) for pair in value.items() for item in pair)
    if isinstance(value, (list, tuple, set, frozenset)):
        return all(is_literal(item) for item in value)
    return is_null(value) or isinstance(value, (bool, int, float, bytes, date, time, timedelta))
