"""The rows of a batch on disk: which keys were seen, which rows are finished, which are to be sent."""

from __future__ import annotations

import json
import pickle
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import TracebackType
from typing import Any

from airflow_provider_usedesk.batch.digests import digest
from airflow_provider_usedesk.batch.row import Row

_as_json = json.JSONEncoder(ensure_ascii=False).encode

TABLES = """
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    CREATE TABLE keys (
        digest INTEGER PRIMARY KEY, number INTEGER, ticket INTEGER, line INTEGER, content INTEGER
    );
    CREATE TABLE unchecked (number INTEGER PRIMARY KEY, kept BLOB);
    CREATE TABLE tickets (id INTEGER PRIMARY KEY);
    CREATE TABLE rows (
        number INTEGER PRIMARY KEY, digest INTEGER, key TEXT, line INTEGER, content TEXT
    );
"""


@dataclass(frozen=True)
class FinishedRow:
    """
    A row that has a ticket.

    :param digest: digest of its key
    :param ticket_id: id of the ticket
    :param not_delivered: whether the messenger did not accept the message
    """

    digest: int
    ticket_id: int
    not_delivered: bool = False


@dataclass(frozen=True)
class EarlierRow:
    """
    A row with the same key as a later one.

    :param number: its number
    :param line: its line in the file; None if it is not from a file
    :param is_same: whether all rows with this key so far have one content
    """

    number: int
    line: int | None
    is_same: bool


@dataclass(frozen=True)
class CheckedRow:
    """
    A row that was checked and can be sent.

    :param number: its place among the recipients, from 1
    :param key: its key, which identifies it in every attempt
    :param fields: the fields of the request, by the names of the API
    :param files: paths and URLs of its files
    :param line: its line in the file; default: None, not from a file
    """

    number: int
    key: str = field(repr=False)
    fields: Mapping[str, Any] = field(repr=False)
    files: Sequence[str] = field(default=(), repr=False)
    line: int | None = None

    @cached_property
    def digest(self) -> int:
        return digest(self.key)

    @cached_property
    def content(self) -> str:
        """All that is sent, as JSON."""
        return _as_json([dict(self.fields), list(self.files)])


class RowStore:
    """
    A private temporary database with the rows of a batch, so that memory does not grow with them.

    The database has no name. It is deleted when the process ends, however that happens. Only the thread that
    created it can use it.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(TABLES)
        # One transaction for everything, because nothing is kept after the process.
        self._database.execute("BEGIN")
        self._has_finished = False
        self.removed = 0
        """Number of rows that an earlier attempt finished and that are not among the recipients so far."""

    def __enter__(self) -> RowStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def add_finished(self, rows: Iterable[FinishedRow]) -> None:
        """Store that rows are finished; of two records of one row, the later counts."""
        for row in rows:
            self._has_finished = True
            ticket = row.ticket_id << 1 | row.not_delivered
            is_known = self._database.execute(
                "UPDATE keys SET ticket = ? WHERE digest = ?", (ticket, row.digest)
            ).rowcount
            if not is_known:
                self._database.execute(
                    "INSERT INTO keys (digest, ticket) VALUES (?, ?)", (row.digest, ticket)
                )
                self.removed += 1
            self._database.execute("INSERT OR IGNORE INTO tickets VALUES (?)", (row.ticket_id,))

    def skip_finished(self, key_digest: int, row: Row) -> FinishedRow | None:
        """
        Register the key of a row that an earlier attempt finished; what the row would send is not known.

        :param key_digest: digest of the key
        :param row: the row, as it was read
        :return: the finished row; None if there is none, if this is not the first row with its key, or if the
            row has values that cannot be kept
        """
        if not self._has_finished:
            return None
        found = self._database.execute(
            "SELECT ticket FROM keys WHERE digest = ? AND number IS NULL", (key_digest,)
        ).fetchone()
        if found is None:
            return None
        try:
            kept = pickle.dumps(row.plain())
        except Exception:
            # A function may yield values of any class.
            return None
        self._database.execute(
            "UPDATE keys SET number = ?, line = ? WHERE digest = ?", (row.number, row.line, key_digest)
        )
        self._database.execute("INSERT INTO unchecked VALUES (?, ?)", (row.number, kept))
        self.removed -= 1
        return _finished(key_digest, *found)

    def unchecked(self, key_digest: int) -> Row | None:
        """Return the row that :meth:`skip_finished` registered with a key, until its content is known."""
        found = self._database.execute(
            "SELECT kept FROM keys JOIN unchecked USING (number) WHERE digest = ?",
            (key_digest,),
        ).fetchone()
        # Only this process can write to the database.
        return None if found is None else Row(*pickle.loads(found[0]))  # noqa: S301

    def register_key(self, row: CheckedRow) -> EarlierRow | FinishedRow | None:
        """
        Register the key of a row.

        :param row: the row
        :return: None for the first row with this key; the first row, for a later one; or the finished row, if
            an earlier attempt finished it
        """
        content = digest(row.content)
        is_first = self._database.execute(
            "INSERT INTO keys (digest, number, line, content) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (row.digest, row.number, row.line, content),
        ).rowcount
        if is_first:
            return None
        found = self._database.execute(
            "SELECT number, line, content, ticket FROM keys WHERE digest = ?", (row.digest,)
        ).fetchone()
        number, line, earlier_content, ticket = found
        if number is not None:
            return EarlierRow(number, line, content == earlier_content)
        self._database.execute(
            "UPDATE keys SET number = ?, line = ?, content = ? WHERE digest = ?",
            (row.number, row.line, content, row.digest),
        )
        self.removed -= 1
        return _finished(row.digest, ticket)

    def add(self, row: CheckedRow) -> None:
        """Store a row that is to be sent."""
        self._database.execute(
            "INSERT INTO rows VALUES (?, ?, ?, ?, ?)",
            (row.number, row.digest, row.key, row.line, row.content),
        )

    def set_content(self, key_digest: int, content: str | None) -> None:
        """
        Store what the rows with a key send.

        :param key_digest: digest of the key
        :param content: the content; None if they have different contents, so that no later row is the same
        """
        self._database.execute(
            "UPDATE keys SET content = ? WHERE digest = ?",
            (None if content is None else digest(content), key_digest),
        )
        self._database.execute(
            "DELETE FROM unchecked WHERE number = (SELECT number FROM keys WHERE digest = ?)", (key_digest,)
        )

    def remove(self, number: int) -> bool:
        """
        Remove a row that is not to be sent after all.

        :param number: number of the row
        :return: whether it was to be sent
        """
        return self._database.execute("DELETE FROM rows WHERE number = ?", (number,)).rowcount == 1

    def after(self, number: int, limit: int) -> list[CheckedRow]:
        """
        Return the next rows to send, in their order.

        :param number: the rows after this number
        :param limit: at most so many rows
        """
        found = self._database.execute(
            "SELECT number, digest, key, line, content FROM rows WHERE number > ? ORDER BY number LIMIT ?",
            (number, limit),
        )
        return [_row(*columns) for columns in found]

    def with_digests(self, digests: Iterable[int]) -> Iterator[CheckedRow]:
        """Yield the rows whose keys have one of these digests."""
        for key_digest in digests:
            found = self._database.execute(
                "SELECT rows.number, rows.digest, rows.key, rows.line, rows.content"
                " FROM keys JOIN rows USING (number) WHERE keys.digest = ?",
                (key_digest,),
            ).fetchone()
            if found:
                yield _row(*found)

    def is_finished(self, key_digest: int) -> bool:
        """Return whether the row with this digest of its key is finished."""
        found = self._database.execute(
            "SELECT 1 FROM keys WHERE digest = ? AND ticket IS NOT NULL", (key_digest,)
        )
        return found.fetchone() is not None

    def has_ticket(self, ticket_id: int) -> bool:
        """Return whether a ticket belongs to a finished row."""
        found = self._database.execute("SELECT 1 FROM tickets WHERE id = ?", (ticket_id,))
        return found.fetchone() is not None


def _finished(key_digest: int, ticket: int) -> FinishedRow:
    return FinishedRow(key_digest, ticket >> 1, bool(ticket & 1))


def _row(number: int, key_digest: int, key: str, line: int | None, content: str) -> CheckedRow:
    fields, files = json.loads(content)
    row = CheckedRow(number, key, fields, files, line)
    vars(row)["digest"] = key_digest
    return row
