"""The rows of the first sheet of an Excel workbook."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, time
from itertools import chain, islice
from typing import IO, Any

from airflow_provider_usedesk.batch.file_options import FileOptions
from airflow_provider_usedesk.batch.headings import (
    EXCEL_ERRORS,
    LINES_ABOVE,
    Table,
    column_names,
    find_header,
    key_headings,
)
from airflow_provider_usedesk.batch.row import InvalidRecipients, Row, UnreadableRow

MAX_IN_MEMORY = 1 << 23
"""Bytes of a workbook that are kept in memory; a larger one is copied to a temporary file."""


def xlsx_rows(stored: IO[bytes], options: FileOptions) -> Iterator[Row | UnreadableRow]:
    """
    Yield the rows of the first visible sheet of an Excel workbook.

    :param stored: the bytes of the workbook
    :param options: how to read it
    :raises InvalidRecipients: if it is no workbook, its header is invalid, or openpyxl is not installed
    """
    with _copy(stored) as file, _sheet(file) as sheet:
        lines = ((line, [_value(cell) for cell in cells]) for line, cells in enumerate(sheet, 1))
        filled = ((line, cells) for line, cells in lines if any(cell is not None for cell in cells))
        sample = list(islice(filled, LINES_ABOVE))
        if not sample:
            raise InvalidRecipients(["its first sheet is empty; the first row must name the columns"])
        texts = [[_text(cell) for cell in cells] for _, cells in sample]
        header = find_header(texts, key_headings(options)) or 0
        names = column_names(texts[header], options)
        table = Table(names, len(texts[header]), _is_given)
        rows = enumerate(chain(sample[header + 1 :], filled), 1)
        for number, (line, cells) in rows:
            # A row of a sheet ends with its last cell.
            yield table.row(number, line, cells + [None] * (len(names) - len(cells)))


@contextmanager
def _copy(stored: IO[bytes]) -> Iterator[IO[bytes]]:
    # A workbook is a ZIP archive, whose index is at its end; not every storage can go back from there.
    with tempfile.SpooledTemporaryFile(MAX_IN_MEMORY) as file:
        shutil.copyfileobj(stored, file, 1 << 20)
        file.seek(0)
        yield file


@contextmanager
def _sheet(file: IO[bytes]) -> Iterator[Iterable[tuple[Any, ...]]]:
    try:
        from openpyxl import load_workbook
    except ImportError:
        raise InvalidRecipients(
            ["an .xlsx file needs openpyxl: pip install 'airflow-provider-usedesk[xlsx]'"]
        ) from None
    with warnings.catch_warnings():
        # About parts of a workbook that have no values.
        warnings.simplefilter("ignore", UserWarning)
        try:
            workbook = load_workbook(file, read_only=True, data_only=True, keep_links=False)
        except Exception:  # openpyxl raises what the parsers of ZIP and XML raise
            raise InvalidRecipients(
                ["it is not an Excel workbook, or it has a password; save it as .xlsx without one"]
            ) from None
        try:
            sheet = next((one for one in workbook.worksheets if one.sheet_state == "visible"), None)
            if sheet is None:
                raise InvalidRecipients(["it has no visible sheet"])
            # Some programs write a wrong size of the sheet.
            sheet.reset_dimensions()
            yield sheet.iter_rows(values_only=True)
        finally:
            workbook.close()


def _value(cell: Any) -> Any:
    """Return the value of a cell as a person sees it; None for an empty cell."""
    if isinstance(cell, str):
        return cell if cell.strip() and cell.strip() not in EXCEL_ERRORS else None
    if isinstance(cell, float):
        # Excel computes in binary, and shows 15 digits of it.
        rounded = float(f"{cell:.15g}")
        return int(rounded) if rounded.is_integer() else rounded
    if isinstance(cell, datetime) and cell.time() == time.min:
        # Excel stores a date as its midnight.
        return cell.date()
    return cell


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell)


def _is_given(cell: Any) -> bool:
    return cell is not None
