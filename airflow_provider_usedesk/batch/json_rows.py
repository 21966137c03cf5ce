"""The rows of a file of JSON Lines, and of anything that yields dicts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from airflow_provider_usedesk.batch.headings import normal
from airflow_provider_usedesk.batch.row import Row, UnreadableRow, place
from airflow_provider_usedesk.batch.text_records import TOO_LONG, Record, Text


def json_rows(text: Text, columns: Mapping[str, str]) -> Iterator[Row | UnreadableRow]:
    """
    Yield the rows of a file of JSON Lines.

    :param text: the text
    :param columns: column names by heading
    :raises InvalidRecipients: if the encoding is another one
    """
    number = 0
    for record in text.records(is_quoted=False):
        if record.is_blank:
            continue
        number += 1
        text.check(record.text, place(number, record.line))
        yield _json_row(number, record, columns)


def item_rows(items: Iterable[Any], columns: Mapping[str, str]) -> Iterator[Row | UnreadableRow]:
    """
    Yield the rows of an iterable of dicts.

    :param items: the dicts
    :param columns: column names by heading
    """
    return (_item_row(number, item, columns) for number, item in enumerate(items, 1))


def _json_row(number: int, record: Record, columns: Mapping[str, str]) -> Row | UnreadableRow:
    if record.is_too_long:
        return UnreadableRow(number, TOO_LONG, record.line)
    try:
        value = json.loads(record.text)
    except (ValueError, RecursionError):
        return UnreadableRow(number, "is not JSON", record.line)
    if not isinstance(value, dict):
        return UnreadableRow(number, "must be a JSON object, such as {…}", record.line)
    return _item_row(number, value, columns, record.line)


def _item_row(
    number: int, item: object, columns: Mapping[str, str], line: int | None = None
) -> Row | UnreadableRow:
    if not isinstance(item, Mapping):
        return UnreadableRow(number, f"must be a dict of columns, not {type(item).__name__}", line)
    if not all(isinstance(name, str) for name in item):
        return UnreadableRow(number, "has a column whose name is not a text", line)
    if columns:
        renamed = _renamed(item, columns)
        if isinstance(renamed, str):
            return UnreadableRow(number, renamed, line)
        item = renamed
    return Row(number, {name: value for name, value in item.items() if value is not None}, line, item.keys())


def _renamed(item: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any] | str:
    """Return a row with other column names, or why that is not possible."""
    renamed = {columns.get(normal(name), name): value for name, value in item.items()}
    missing = columns.keys() - {normal(name) for name in item}
    if missing:
        return f"has no column {min(missing)!r}, which columns= names"
    return renamed if len(renamed) == len(item) else "has two columns that columns= gives one name"
