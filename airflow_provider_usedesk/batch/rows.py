"""The rows of a batch, read one by one from a list, a callable or a file."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any, TextIO
from urllib.parse import urlsplit

from airflow_provider_usedesk.api.attachments import OpenUrl, StoredFile, stored_file

ALLOWED = (
    "must be an iterable of dicts, a callable without arguments that returns one, "
    "or the path or URL of a .csv, .jsonl or .ndjson file (also with .gz after it)"
)
MAX_ROW_LENGTH = 1 << 20
"""In characters: more than the largest message needs, even if JSON escapes each of its characters."""
DELIMITERS = (",", ";", "\t")

_TOO_LONG = f"is longer than {MAX_ROW_LENGTH:,} characters"
_QUOTING = (
    "put a field that contains a quote, a line break or a delimiter in quotes, and double its own quotes"
)


@dataclass(frozen=True)
class Row:
    """
    One row.

    :param number: its number, from 1; the header and blank lines do not count
    :param columns: values by column; without blank and null values
    """

    number: int
    columns: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class UnreadableRow:
    """
    A row that cannot be read.

    :param number: its number, counted together with the other rows
    :param reason: why, without any content of the row
    """

    number: int
    reason: str


def read_rows(source: object, open_url: OpenUrl | None = None) -> Iterator[Row | UnreadableRow]:
    """
    Yield the rows one by one, so that memory does not grow with them.

    A CSV file is in UTF-8, with commas, semicolons or tabs, and its first line names the columns. Quotes that
    do not match over several lines are an error of the whole file: nobody can say how many rows they cover.

    :param source: an iterable of mappings; a callable without arguments that returns one; or the path or URL
        of a .csv, .jsonl or .ndjson file, also with .gz at its end
    :param open_url: returns a path object for a URL, such as Airflow's ``ObjectStoragePath``; default: None,
        no URLs
    :raises ValueError: at once if the source has none of these forms; while rows are read if the header, the
        encoding or the quotes of the file are invalid
    :raises OSError: while rows are read, if the storage fails
    """
    if isinstance(source, (str, StoredFile)):
        return _file_rows(_file(source, open_url), _without_secrets(source))
    if callable(source):
        source = source()
        if not _is_iterable_of_items(source):
            raise ValueError(f"the callable must return an iterable of dicts, not {type(source).__name__}")
    if not _is_iterable_of_items(source):
        raise ValueError(f"{ALLOWED}, not {type(source).__name__}")
    return _item_rows(source)


def _is_iterable_of_items(source: object) -> bool:
    return isinstance(source, Iterable) and not isinstance(source, (str, bytes, bytearray, Mapping))


def _item_rows(items: Any) -> Iterator[Row | UnreadableRow]:
    return (_item_row(number, item) for number, item in enumerate(items, 1))


def _item_row(number: int, item: object) -> Row | UnreadableRow:
    if not isinstance(item, Mapping):
        return UnreadableRow(number, f"must be a dict of columns, not {type(item).__name__}")
    if not all(isinstance(name, str) for name in item):
        return UnreadableRow(number, "has a column whose name is not a text")
    return Row(number, {name: value for name, value in item.items() if value is not None})


def _file(source: str | StoredFile, open_url: OpenUrl | None) -> StoredFile:
    if not re.search(r"\.(csv|jsonl|ndjson)(\.gz)?\Z", str(source), re.IGNORECASE):
        raise ValueError(ALLOWED)
    name = _without_secrets(source)
    try:
        file = stored_file(source, open_url) if isinstance(source, str) else source
    except ValueError as error:
        raise ValueError(f"{name} {error}") from None
    try:
        exists = file.is_file()
    except Exception as exc:  # each storage has its own errors
        raise ValueError(f"{name} cannot be read ({type(exc).__name__})") from None
    if not exists:
        raise ValueError(f"{name}: there is no such file")
    return file


def _without_secrets(source: str | StoredFile) -> str:
    # A URL may have a password before its host, and a signature after its path.
    parts = urlsplit(str(source))
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}" if "://" in str(source) else str(source)


def _file_rows(path: StoredFile, source: str) -> Iterator[Row | UnreadableRow]:
    name = path.name.lower()
    is_compressed = name.endswith(".gz")
    is_csv = name.removesuffix(".gz").endswith(".csv")
    try:
        with path.open("rb") as stored, _as_text(stored, is_compressed) as file:
            yield from (_csv_rows if is_csv else _json_rows)(file)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise ValueError(f"{source} is not a complete gzip file") from None
    except _InvalidFile as error:
        raise ValueError(f"{source}: {error}") from None
    except Exception as exc:  # each storage has its own errors
        raise OSError(f"{source} could not be read ({type(exc).__name__})") from None


class _InvalidFile(Exception):
    """The file as a whole is invalid."""


def _as_text(stored: IO[bytes], is_compressed: bool) -> TextIO:
    # Bytes that are not UTF-8 become surrogates, so that the error can name their row.
    return io.TextIOWrapper(
        gzip.GzipFile(fileobj=stored) if is_compressed else stored,
        encoding="utf-8-sig",
        errors="surrogateescape",
        newline="\n",
    )


@dataclass(frozen=True)
class _Record:
    """The text of one row of a file; empty if the row is too long."""

    text: str
    is_too_long: bool = False
    is_one_line: bool = True
    is_open: bool = False


def _records(file: TextIO, is_quoted: bool) -> Iterator[_Record]:
    # A row ends at the end of a line, unless that is between quotes, after an odd number of them.
    parts: list[str] = []
    size = quotes = lines = 0
    while part := file.readline(MAX_ROW_LENGTH):
        size += len(part)
        quotes += part.count('"') if is_quoted else 0
        if size <= MAX_ROW_LENGTH:
            parts.append(part)
        else:
            parts.clear()
        is_line = part.endswith("\n")
        lines += is_line
        if is_line and quotes % 2 == 0:
            yield _Record("".join(parts), size > MAX_ROW_LENGTH, lines == 1)
            parts.clear()
            size = quotes = lines = 0
    if size:
        yield _Record("".join(parts), size > MAX_ROW_LENGTH, lines == 0, quotes % 2 == 1)


def _json_rows(file: TextIO) -> Iterator[Row | UnreadableRow]:
    number = 0
    for record in _records(file, is_quoted=False):
        if not record.text.strip() and not record.is_too_long:
            continue
        number += 1
        _check_encoding(record.text, f"row {number}")
        yield _json_row(number, record)


def _json_row(number: int, record: _Record) -> Row | UnreadableRow:
    if record.is_too_long:
        return UnreadableRow(number, _TOO_LONG)
    try:
        value = json.loads(record.text)
    except (ValueError, RecursionError):
        return UnreadableRow(number, "is not JSON")
    if not isinstance(value, dict):
        return UnreadableRow(number, "must be a JSON object, such as {…}")
    return _item_row(number, value)


def _csv_rows(file: TextIO) -> Iterator[Row | UnreadableRow]:
    records = _records(file, is_quoted=True)
    delimiter, names = _header(records)
    number = 0
    for record in records:
        if not record.text.strip() and not record.is_too_long:
            continue
        cells = _cells(record, delimiter, f"row {number + 1}")
        if isinstance(cells, list) and not any(cell.strip() for cell in cells):
            continue
        number += 1
        if not isinstance(cells, list):
            yield UnreadableRow(number, cells)
        elif len(cells) != len(names):
            yield UnreadableRow(number, f"has {len(cells)} fields, but the header has {len(names)}")
        else:
            named = zip(names, cells, strict=True)
            yield Row(number, {name: cell for name, cell in named if cell.strip()})


def _header(records: Iterator[_Record]) -> tuple[str, list[str]]:
    record = next((record for record in records if record.text.strip() or record.is_too_long), None)
    if record is None:
        raise _InvalidFile("is empty; its first line must name the columns")
    delimiter = _delimiter(record.text)
    cells = _cells(record, delimiter, "the header")
    if not isinstance(cells, list):
        raise _InvalidFile(f"the header {cells}")
    names = [cell.strip() for cell in cells]
    if not all(names):
        raise _InvalidFile(f"the header has no name for column {names.index('') + 1}")
    counts = Counter(names)
    repeated = next((name for name in names if counts[name] > 1), None)
    if repeated is not None:
        columns = " and ".join(str(place) for place, name in enumerate(names, 1) if name == repeated)
        # In a file without a header this is the first row, whose values must not be repeated.
        quoted = f" ({repeated})" if re.fullmatch(r"[^\W\d][\w .-]{,39}", repeated) else ""
        raise _InvalidFile(f"the header has one name for columns {columns}{quoted}")
    return delimiter, names


def _delimiter(header: str) -> str:
    return max(DELIMITERS, key=re.sub(r'"[^"]*"', "", header).count)


def _cells(record: _Record, delimiter: str, place: str) -> list[str] | str:
    """Return the cells, or why they cannot be separated."""
    _check_encoding(record.text, place)
    if record.is_open:
        raise _InvalidFile(f"a quote in {place} opens and is never closed; {_QUOTING}")
    error = _TOO_LONG
    if not record.is_too_long:
        try:
            return next(csv.reader([record.text], delimiter=delimiter, strict=True))
        except csv.Error:
            error = "has a quote or a line break out of place"
            if len(record.text) > csv.field_size_limit():
                error = (
                    f"has a field of more than {csv.field_size_limit():,} characters, or a quote out of place"
                )
    if record.is_one_line:
        return error
    raise _InvalidFile(f"{place} {error}, and runs over several lines; {_QUOTING}")


def _check_encoding(text: str, place: str) -> None:
    if not text.isascii() and re.search("[\ud800-\udfff]", text):
        raise _InvalidFile(f"{place} is not UTF-8; save the file as UTF-8 (in Excel: CSV UTF-8)")
