"""The rows of a batch, one by one, from a list, a callable or a file; memory does not grow with them."""

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

TAKEN = (
    "must be an iterable of dicts, a callable without arguments that returns one, "
    "or the path or URL of a .csv, .jsonl or .ndjson file (also with .gz after it)"
)
LONGEST_ROW = 1 << 20
"""In characters: more than the largest message needs, even when JSON escapes each of its characters."""
DELIMITERS = (",", ";", "\t")

_TOO_LONG = f"is longer than {LONGEST_ROW:,} characters"
_QUOTING = "a field with a quote, a line break or a delimiter in it stands in quotes, its own quotes doubled"


@dataclass(frozen=True)
class Row:
    """
    Hold one row.

    :param number: counts the rows from 1, without header and blank lines
    :param columns: what is given for this row; what is blank or null is not there
    """

    number: int
    columns: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Unreadable:
    """
    Hold the place of a row that cannot be read.

    :param number: counts together with the rows that can be read
    :param reason: why, in words that repeat nothing of the row
    """

    number: int
    reason: str


def read_rows(source: object, open_url: OpenUrl | None = None) -> Iterator[Row | Unreadable]:
    """
    Read rows one by one.

    A CSV file is UTF-8, with commas, semicolons or tabs, and its first line names the columns. A row whose
    quotes run over several lines and make no sense is an error of the whole file, because nobody can tell
    how many rows have fallen into it.

    :param source: iterable of mappings; callable without arguments that returns one; or path or URL of a
        .csv, .jsonl or .ndjson file, also with .gz after it
    :param open_url: makes a path object of a URL; Airflow's ``ObjectStoragePath`` for example
    :raises ValueError: at once when the source cannot be taken; while rows are read when the file as a whole
        is invalid: its header, its encoding, its quotes
    :raises OSError: while rows are read, when the storage fails
    """
    if isinstance(source, (str, StoredFile)):
        return _file_rows(_found(source, open_url), _shown(source))
    if callable(source):
        source = source()
        if not _is_iterable_of_items(source):
            raise ValueError(f"the callable must return an iterable of dicts, not {type(source).__name__}")
    if not _is_iterable_of_items(source):
        raise ValueError(f"{TAKEN}, not {type(source).__name__}")
    return _item_rows(source)


def _is_iterable_of_items(source: object) -> bool:
    return isinstance(source, Iterable) and not isinstance(source, (str, bytes, bytearray, Mapping))


def _item_rows(items: Any) -> Iterator[Row | Unreadable]:
    return (_item_row(number, item) for number, item in enumerate(items, 1))


def _item_row(number: int, item: object) -> Row | Unreadable:
    if not isinstance(item, Mapping):
        return Unreadable(number, f"must be a dict of columns, not {type(item).__name__}")
    if not all(isinstance(name, str) for name in item):
        return Unreadable(number, "has a column whose name is no text")
    return Row(number, {name: value for name, value in item.items() if value is not None})


def _found(source: str | StoredFile, open_url: OpenUrl | None) -> StoredFile:
    if not re.search(r"\.(csv|jsonl|ndjson)(\.gz)?\Z", str(source), re.IGNORECASE):
        raise ValueError(TAKEN)
    shown = _shown(source)
    try:
        file = stored_file(source, open_url) if isinstance(source, str) else source
    except ValueError as error:
        raise ValueError(f"{shown} {error}") from None
    try:
        is_there = file.is_file()
    except Exception as exc:  # each storage has errors of its own
        raise ValueError(f"{shown} cannot be read ({type(exc).__name__})") from None
    if not is_there:
        raise ValueError(f"{shown}: there is no such file")
    return file


def _shown(source: str | StoredFile) -> str:
    # A URL may hold a password before its host, and a signature after its path.
    parts = urlsplit(str(source))
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}" if "://" in str(source) else str(source)


def _file_rows(path: StoredFile, shown: str) -> Iterator[Row | Unreadable]:
    name = path.name.lower()
    is_zipped = name.endswith(".gz")
    is_csv = name.removesuffix(".gz").endswith(".csv")
    try:
        with path.open("rb") as stored, _as_text(stored, is_zipped) as file:
            yield from (_csv_rows if is_csv else _json_rows)(file)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise ValueError(f"{shown} is not a whole gzip file") from None
    except _FaultyFile as error:
        raise ValueError(f"{shown}: {error}") from None
    except Exception as exc:  # each storage has errors of its own
        raise OSError(f"{shown} could not be read ({type(exc).__name__})") from None


class _FaultyFile(Exception):
    """The words of it say what is wrong with the file as a whole."""


def _as_text(stored: IO[bytes], is_zipped: bool) -> TextIO:
    # What is not UTF-8 comes through as surrogates, so that the row it stands in can be named.
    return io.TextIOWrapper(
        gzip.GzipFile(fileobj=stored) if is_zipped else stored,
        encoding="utf-8-sig",
        errors="surrogateescape",
        newline="\n",
    )


@dataclass(frozen=True)
class _Record:
    """The text of one row of a file; without it when the row is too long."""

    text: str
    is_too_long: bool = False
    is_one_line: bool = True
    is_open: bool = False


def _records(file: TextIO, is_quoted: bool) -> Iterator[_Record]:
    # A row ends where a line ends, but not between quotes: after an odd number of them.
    store: list[str] = []
    size = quotes = lines = 0
    while piece := file.readline(LONGEST_ROW):
        size += len(piece)
        quotes += piece.count('"') if is_quoted else 0
        if size <= LONGEST_ROW:
            store.append(piece)
        else:
            store.clear()
        is_line = piece.endswith("\n")
        lines += is_line
        if is_line and quotes % 2 == 0:
            yield _Record("".join(store), size > LONGEST_ROW, lines == 1)
            store.clear()
            size = quotes = lines = 0
    if size:
        yield _Record("".join(store), size > LONGEST_ROW, lines == 0, quotes % 2 == 1)


def _json_rows(file: TextIO) -> Iterator[Row | Unreadable]:
    number = 0
    for record in _records(file, is_quoted=False):
        if not record.text.strip() and not record.is_too_long:
            continue
        number += 1
        _check_encoding(record.text, f"row {number}")
        yield _json_row(number, record)


def _json_row(number: int, record: _Record) -> Row | Unreadable:
    if record.is_too_long:
        return Unreadable(number, _TOO_LONG)
    try:
        value = json.loads(record.text)
    except (ValueError, RecursionError):
        return Unreadable(number, "is no JSON")
    if not isinstance(value, dict):
        return Unreadable(number, "must be a JSON object, such as {…}")
    return _item_row(number, value)


def _csv_rows(file: TextIO) -> Iterator[Row | Unreadable]:
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
            yield Unreadable(number, cells)
        elif len(cells) != len(names):
            yield Unreadable(number, f"has {len(cells)} fields, but the header has {len(names)}")
        else:
            named = zip(names, cells, strict=True)
            yield Row(number, {name: cell for name, cell in named if cell.strip()})


def _header(records: Iterator[_Record]) -> tuple[str, list[str]]:
    record = next((record for record in records if record.text.strip() or record.is_too_long), None)
    if record is None:
        raise _FaultyFile("is empty; its first line has to name the columns")
    delimiter = _delimiter(record.text)
    cells = _cells(record, delimiter, "the header")
    if not isinstance(cells, list):
        raise _FaultyFile(f"the header {cells}")
    names = [cell.strip() for cell in cells]
    if not all(names):
        raise _FaultyFile(f"the header has no name for column {names.index('') + 1}")
    counts = Counter(names)
    repeated = next((name for name in names if counts[name] > 1), None)
    if repeated is not None:
        columns = " and ".join(str(place) for place, name in enumerate(names, 1) if name == repeated)
        # Without a header the first row stands here, with what nobody else shall read.
        named = f" ({repeated})" if re.fullmatch(r"[^\W\d][\w .-]{,39}", repeated) else ""
        raise _FaultyFile(f"the header has one name for columns {columns}{named}")
    return delimiter, names


def _delimiter(header: str) -> str:
    return max(DELIMITERS, key=re.sub(r'"[^"]*"', "", header).count)


def _cells(record: _Record, delimiter: str, place: str) -> list[str] | str:
    """Return the cells, or why they cannot be told apart."""
    _check_encoding(record.text, place)
    if record.is_open:
        raise _FaultyFile(f"a quote in {place} opens and is never closed; {_QUOTING}")
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
    raise _FaultyFile(f"{place} {error}, and runs over several lines; {_QUOTING}")


def _check_encoding(text: str, place: str) -> None:
    if not text.isascii() and re.search("[\ud800-\udfff]", text):
        raise _FaultyFile(f"{place} is not UTF-8; save the file as UTF-8 (in Excel: CSV UTF-8)")
