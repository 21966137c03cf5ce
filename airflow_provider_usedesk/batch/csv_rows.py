"""The rows of a text file with delimiters."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from itertools import chain

from airflow_provider_usedesk.batch.delimiter import described, find_layout
from airflow_provider_usedesk.batch.file_options import FileOptions
from airflow_provider_usedesk.batch.headings import EXCEL_ERRORS, Table, column_names
from airflow_provider_usedesk.batch.row import InvalidRecipients, Row, UnreadableRow, place
from airflow_provider_usedesk.batch.text_records import TOO_LONG, Record, Text

SAMPLE_ROWS = 30
SAMPLE_LENGTH = 1 << 18
"""The first rows, in number and in characters, that show the delimiter and the header."""

_QUOTING = (
    "put a field that contains a quote, a line break or a delimiter in quotes, and double its own quotes"
)


def csv_rows(text: Text, options: FileOptions, delimiter: str | None = None) -> Iterator[Row | UnreadableRow]:
    """
    Yield the rows of a text file with delimiters.

    :param text: the text
    :param options: how to read it
    :param delimiter: the delimiter that the kind of the file says; default: None, none
    :raises InvalidRecipients: if the header, the encoding or the quotes are invalid
    """
    records = text.records(is_quoted=True)
    sample = _sample(records)
    delimiter = options.delimiter or _named_delimiter(sample) or delimiter
    if not sample:
        raise InvalidRecipients(["the file is empty; its first line must name the columns"])
    text.check(sample[0].text, "the header")
    if "\0" in sample[0].text:
        raise InvalidRecipients(
            ["the header has zero bytes: if the file is UTF-16 without a mark, give encoding='utf-16-le'"]
        )
    layout = find_layout([_readable(record) for record in sample], options, delimiter)
    parser = _Parser(text, layout.delimiter)
    header = parser.cells(sample[layout.header], "the header")
    separated = f" (read as {text.encoding}, separated by {described(layout.delimiter)})"
    if not isinstance(header, list):
        raise InvalidRecipients([f"the header {header}{separated}"])
    try:
        names = column_names(header, options)
    except InvalidRecipients as error:
        raise InvalidRecipients([f"{error}{separated}"]) from None
    table = Table(names, len(header), str.strip, separated)
    yield from _rows(chain(sample[layout.header + 1 :], records), parser, table)


def _rows(records: Iterator[Record], parser: _Parser, table: Table) -> Iterator[Row | UnreadableRow]:
    number = 0
    for record in records:
        cells = parser.cells(record, number + 1)
        if isinstance(cells, list):
            if any(map(str.strip, cells)):
                number += 1
                yield table.row(number, record.line, cells)
        elif not record.is_blank:
            number += 1
            yield UnreadableRow(number, cells, record.line)


def _sample(records: Iterator[Record]) -> list[Record]:
    sample: list[Record] = []
    size = 0
    for record in records:
        if record.is_blank or (not sample and not record.is_too_long and not record.text.strip(";,\t\r\n ")):
            continue
        sample.append(record)
        size += len(record.text)
        if len(sample) == SAMPLE_ROWS or size > SAMPLE_LENGTH:
            break
    return sample


def _named_delimiter(sample: list[Record]) -> str | None:
    """Return the delimiter that a line before the header names, as Excel writes it, and drop that line."""
    found = re.fullmatch(r'"?sep=(.)"?[;,\t]*\s*', sample[0].text, re.IGNORECASE) if sample else None
    if found is None:
        return None
    del sample[0]
    return found[1]


def _readable(record: Record) -> str:
    return "" if record.is_too_long or record.is_open else record.text


class _Parser:
    def __init__(self, text: Text, delimiter: str) -> None:
        self._text = text
        self._delimiter = delimiter

    def cells(self, record: Record, number: int | str) -> list[str] | str:
        """Return the cells, or why they cannot be separated."""
        text = record.text
        if not text.isascii():
            self._text.check(text, _name(number, record))
        if record.is_open:
            raise InvalidRecipients(
                [f"a quote in {_name(number, record)} opens and is never closed; {_QUOTING}"]
            )
        if record.is_too_long:
            reason = TOO_LONG
        else:
            try:
                cells = next(csv.reader((text,), delimiter=self._delimiter, strict=True))
            except csv.Error:
                reason = _reason(text)
            else:
                return _without_errors(cells) if "#" in text else cells
        if record.is_one_line:
            return reason
        raise InvalidRecipients(
            [f"{_name(number, record)} {reason}, and runs over several lines; {_QUOTING}"]
        )


def _reason(text: str) -> str:
    limit = csv.field_size_limit()
    if len(text) > limit:
        return f"has a field of more than {limit:,} characters, or a quote out of place"
    return "has a quote or a line break out of place"


def _without_errors(cells: list[str]) -> list[str]:
    return ["" if cell.strip() in EXCEL_ERRORS else cell for cell in cells]


def _name(number: int | str, record: Record) -> str:
    return number if isinstance(number, str) else place(number, record.line)
