"""The recipients of a batch, read once, with their number and a hash of all."""

from __future__ import annotations

import json
import pickle
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import sha256
from itertools import chain
from typing import IO, Any

from airflow_provider_usedesk.batch.checkpoint import Recipients
from airflow_provider_usedesk.batch.row import Row, UnreadableRow

_as_json = json.JSONEncoder(default=str, sort_keys=True).encode


class RowSource:
    """
    Yields the rows, and counts and hashes them while they are read.

    :param rows: the recipients
    """

    def __init__(self, rows: Iterable[Row | UnreadableRow]) -> None:
        self._rows = self._hashed(rows)
        self._hash = sha256()
        self.rows_read = 0
        """Number of rows that were read so far; rows that were read ahead count."""

    def __iter__(self) -> Iterator[Row | UnreadableRow]:
        return self

    def __next__(self) -> Row | UnreadableRow:
        return next(self._rows)

    @property
    def recipients(self) -> Recipients:
        """Number and hash of the rows that were read so far."""
        return Recipients(self.rows_read, self._hash.hexdigest())

    def read_ahead(self, is_stopped: Callable[[], bool]) -> bool:
        """
        Read all rows into a private temporary file, from which they are yielded then.

        :param is_stopped: returns whether to stop after the current row
        :return: whether all rows were read: no, if it was stopped or a row has values that cannot be kept
        """
        # _load closes it.
        file = tempfile.TemporaryFile()  # noqa: SIM115
        for row in self._rows:
            try:
                file.write(_kept(row))
            except Exception:
                # A function may yield values of any class.
                self._rows = chain(_load(file), [row], self._rows)
                return False
            if is_stopped():
                break
        self._rows = chain(_load(file), self._rows)
        return not is_stopped()

    def _hashed(self, rows: Iterable[Row | UnreadableRow]) -> Iterator[Row | UnreadableRow]:
        for row in rows:
            self.rows_read += 1
            self._hash.update(b"?" if isinstance(row, UnreadableRow) else _as_bytes(row.columns))
            yield row


def _kept(row: Row | UnreadableRow) -> bytes:
    return pickle.dumps(row.plain() if isinstance(row, Row) else row)


def _load(file: IO[bytes]) -> Iterator[Row | UnreadableRow]:
    with file:
        file.seek(0)
        while True:
            try:
                # Only this process can write to the file.
                kept = pickle.load(file)  # noqa: S301
            except EOFError:
                return
            yield kept if isinstance(kept, UnreadableRow) else Row(*kept)


def _as_bytes(columns: Mapping[str, Any]) -> bytes:
    try:
        return _as_json(columns).encode()
    except (TypeError, ValueError, RecursionError):
        # A function may yield values that JSON does not have; they are checked later.
        return json.dumps(sorted(columns)).encode()
