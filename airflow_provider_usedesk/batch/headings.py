"""The header of a table: where it is, and the columns that it names."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_usedesk.batch.file_options import FileOptions
from airflow_provider_usedesk.batch.row import InvalidRecipients, Row, UnreadableRow

log = logging.getLogger(__name__)

LINES_ABOVE = 10
"""Lines from the first among which the header is searched."""

MAX_QUOTED = 30
"""Headings that an error names."""

MAX_HEADING = 60
"""Characters of a heading that an error names."""

EXCEL_ERRORS = frozenset(
    {
        *("#N/A", "#VALUE!", "#REF!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!"),
        *("#Н/Д", "#ЗНАЧ!", "#ССЫЛКА!", "#ДЕЛ/0!", "#ИМЯ?", "#ЧИСЛО!", "#ПУСТО!"),
    }
)
"""What Excel writes where a formula failed, in English and in Russian."""


@dataclass
class Table:
    """
    The columns of a table.

    :param names: names of the columns up to the last that has one; empty for columns without a name
    :param width: number of columns of the header
    :param has_value: returns whether a cell has a value
    :param separated: how the columns are separated, for errors; default: empty
    """

    names: tuple[str, ...]
    width: int
    has_value: Callable[[Any], Any]
    separated: str = ""

    def __post_init__(self) -> None:
        self._named = tuple(name for name in self.names if name)
        self._has_nameless = len(self._named) < self.width
        self._has_warned = False

    def row(self, number: int, line: int, cells: Sequence[Any]) -> Row | UnreadableRow:
        """
        Return a row of the table.

        :param number: its number
        :param line: line of the file, or row of the sheet
        :param cells: its cells
        """
        if len(cells) != len(self.names):
            rest = cells[self.width :]
            if len(cells) < len(self.names) or any(map(self.has_value, rest)):
                reason = f"has {len(cells)} fields, but the header has {self.width}{self.separated}"
                return UnreadableRow(number, reason, line)
        has_value = self.has_value
        named = {name: cell for name, cell in zip(self.names, cells, strict=False) if has_value(cell)}
        if self._has_nameless:
            self._ignore_nameless(named, cells)
        return Row(number, named, line, self._named)

    def _ignore_nameless(self, named: dict[str, Any], cells: Sequence[Any]) -> None:
        # No template and no argument can use a column without a name.
        is_used = named.pop("", None) is not None or any(map(self.has_value, cells[len(self.names) :]))
        if is_used and not self._has_warned:
            self._has_warned = True
            log.warning("The recipients have a column without a name; it is ignored.")


def find_header(rows: Sequence[Sequence[str]], key_columns: Collection[str]) -> int | None:
    """
    Return which of the first rows of a table is the header, or None if no row has all key columns.

    :param rows: the first rows
    :param key_columns: headings that the header must have
    """
    if not key_columns:
        return None
    for index, cells in enumerate(rows[:LINES_ABOVE]):
        if set(key_columns) <= {normal(cell) for cell in cells}:
            return index
    return None


def headings_of(names: Collection[str], options: FileOptions) -> frozenset[str]:
    """Return the headings of the columns with these names."""
    headings = {name: heading for heading, name in options.columns.items()}
    return frozenset(headings.get(name, name) for name in names)


def key_headings(options: FileOptions) -> frozenset[str]:
    """Return the headings by which the header is recognised."""
    return headings_of(options.key_columns, options) | options.columns.keys()


def column_names(cells: Sequence[str], options: FileOptions) -> tuple[str, ...]:
    """
    Return the names of the columns, up to the last that has one; empty for columns without a name.

    :param cells: the header
    :param options: how the file is to be read
    :raises InvalidRecipients: if the header has not the columns that the task names, or has one twice
    """
    headings = [cell.strip() for cell in cells]
    while headings and not headings[-1]:
        headings.pop()
    if not headings:
        raise InvalidRecipients(["the header names no column"])
    known = {normal(heading) for heading in headings}
    unknown = [heading for heading in options.columns if heading not in known]
    names = [options.columns.get(normal(heading), heading) for heading in headings]
    missing = sorted(options.required.difference(names, options.columns.values()))
    if unknown or missing:
        wanted = [f"{heading!r}, which columns= names" for heading in unknown]
        wanted += [f"{name!r}, which row_key names" for name in missing]
        raise InvalidRecipients([f"the header has no column {' and '.join(wanted)}; {_seen(headings)}"])
    _check_repeated(names)
    return tuple(names)


def normal(heading: str) -> str:
    """Return a heading without the spaces and line breaks in which two writings of it may differ."""
    return " ".join(heading.split())


def _check_repeated(names: Sequence[str]) -> None:
    counts = Counter(filter(None, names))
    repeated = next((name for name, count in counts.items() if count > 1), None)
    if repeated is None:
        return
    columns = " and ".join(str(place) for place, name in enumerate(names, 1) if name == repeated)
    quoted = f" ({repeated})" if _are_headings(names) else ""
    raise InvalidRecipients([f"the header has one name for columns {columns}{quoted}"])


def _seen(headings: Sequence[str]) -> str:
    if not _are_headings(headings):
        return "it looks like a row of data, so it is not quoted here"
    quoted = ", ".join(repr(heading) for heading in headings[:MAX_QUOTED] if heading)
    more = len(headings) - MAX_QUOTED
    return f"it has {quoted}{f' and {more} more' if more > 0 else ''}"


def _are_headings(cells: Sequence[str]) -> bool:
    # In a file without a header this is the first row, whose values must not be repeated.
    return not any(
        len(cell) > MAX_HEADING or re.match(r"[+\d]", cell) or "@" in cell or len(re.findall(r"\d", cell)) > 4
        for cell in cells
    )
