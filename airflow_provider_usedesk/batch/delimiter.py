"""The delimiter of a file, found from its header and its first rows."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass

from airflow_provider_usedesk.batch.file_options import CANDIDATES, FileOptions
from airflow_provider_usedesk.batch.headings import find_header, headings_of, key_headings, normal
from airflow_provider_usedesk.batch.row import InvalidRecipients

NAMES = {",": "','", ";": "';'", "\t": "a tab"}


@dataclass(frozen=True)
class Layout:
    """
    How the text of a table is to be read.

    :param delimiter: character between two fields
    :param header: which of the first rows is the header, from 0
    """

    delimiter: str
    header: int


@dataclass(frozen=True)
class _Reading:
    """The first rows of a file, separated by one delimiter; a row that cannot be is empty."""

    delimiter: str
    rows: Sequence[Sequence[str]]
    header: int | None

    def header_cells(self) -> Sequence[str]:
        return self.rows[self.header or 0]

    def width(self) -> int:
        return len(self.header_cells())

    def below(self) -> Sequence[Sequence[str]]:
        return [row for row in self.rows[(self.header or 0) + 1 :] if row]

    def most_fields(self) -> int:
        """Return the number of fields of the longest row; 0 if there is none."""
        return max(map(len, self.below()), default=0)

    def fitting(self) -> int:
        """Return how many rows have as many fields as the header."""
        return sum(len(row) == self.width() for row in self.below())


def find_layout(texts: Sequence[str], options: FileOptions, delimiter: str | None) -> Layout:
    """
    Return how the text of a table is to be read.

    The columns that the task names decide, then the numbers of fields: each row has as many as the header.

    :param texts: the first rows, at least one; empty texts for those that cannot be read
    :param options: how the file is to be read
    :param delimiter: the delimiter, if it is known
    :raises InvalidRecipients: if several delimiters are possible
    """
    keys = key_headings(options)
    readings = [_read(texts, one, keys) for one in ([delimiter] if delimiter else CANDIDATES)]
    found = [reading for reading in readings if reading.header is not None]
    if found:
        first = min(reading.header or 0 for reading in found)
        readings = [reading for reading in found if reading.header == first]
    chosen = _choose(readings, headings_of(options.hints, options) | keys)
    return Layout(chosen.delimiter, chosen.header or 0)


def described(delimiter: str) -> str:
    """Return how an error names a delimiter."""
    return NAMES.get(delimiter, repr(delimiter))


def _read(texts: Sequence[str], delimiter: str, keys: frozenset[str]) -> _Reading:
    rows = [_cells(text, delimiter) for text in texts]
    return _Reading(delimiter, rows, find_header(rows, keys))


def _cells(text: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True), [])
    except csv.Error:
        return []


def _choose(readings: Sequence[_Reading], hints: frozenset[str]) -> _Reading:
    known = [len(hints & {normal(cell) for cell in reading.header_cells()}) for reading in readings]
    readings = [reading for reading, count in zip(readings, known, strict=True) if count == max(known)]
    if len(readings) == 1:
        return readings[0]
    several = [reading for reading in readings if reading.width() > 1]
    most = max((reading.fitting() for reading in several), default=0)
    best = [reading for reading in several if reading.fitting() == most]
    if most:
        return _only(best)
    # No row has as many fields as the header, unless each is one field.
    single = [reading for reading in readings if reading.width() == reading.most_fields() == 1]
    if not several and any(_splits_all(reading) for reading in readings):
        raise _ambiguous(readings)
    if single:
        return single[0]
    widest = max(reading.width() for reading in readings)
    return _only([reading for reading in readings if reading.width() == widest], is_strict=bool(several))


def _splits_all(reading: _Reading) -> bool:
    """Return whether all rows have the same number of fields, though the header has but one."""
    widths = {len(row) for row in reading.below()}
    return len(widths) == 1 and max(widths) > 1


def _only(readings: Sequence[_Reading], is_strict: bool = True) -> _Reading:
    if len(readings) > 1 and is_strict:
        raise _ambiguous(readings)
    return readings[0]


def _ambiguous(readings: Sequence[_Reading]) -> InvalidRecipients:
    found = " or ".join(described(reading.delimiter) for reading in readings)
    return InvalidRecipients([f"the delimiter may be {found}: name it with delimiter="])
