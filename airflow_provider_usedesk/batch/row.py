"""A row of the recipients, as it was read."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest


class Row(NamedTuple):
    """
    One row.

    :param number: its number, from 1; the header and blank lines do not count
    :param columns: values by column; without blank and null values
    :param line: line of the file where it begins, or row of the sheet, from 1; default: None, not from a file
    :param names: all its columns, also those without a value; default: none
    """

    number: int
    columns: Mapping[str, Any]
    line: int | None = None
    names: Collection[str] = ()

    def __repr__(self) -> str:
        return f"Row({self.number}, line={self.line})"

    def plain(self) -> tuple[Any, ...]:
        """Return the arguments of this row as a tuple, which pickle writes and reads faster than the row."""
        # Not every collection of names can be pickled.
        return (self.number, self.columns, self.line, tuple(self.names))


class UnreadableRow(NamedTuple):
    """
    A row that cannot be read.

    :param number: its number, counted together with the other rows
    :param reason: why, without any content of the row
    :param line: line of the file where it begins, or row of the sheet, from 1; default: None, not from a file
    """

    number: int
    reason: str
    line: int | None = None


class InvalidRecipients(UsedeskInvalidRequest):
    """
    The recipients as a whole cannot be read, and a retry would fail again.

    :param validation_errors: what is wrong, without any content of a row
    """

    def __init__(self, validation_errors: Sequence[str]) -> None:
        super().__init__(validation_errors)
        # Rows that came before may have been sent.
        self.args = ("; ".join(self.validation_errors),)


def place(number: int, line: int | None) -> str:
    """Return how a log or an error names a row."""
    return f"row {number}" if line is None else f"row {number} (line {line})"
