"""What a batch has to do, on disk: which keys there are, which of them are done, which rows are to send."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from types import TracebackType
from typing import Any

TABLES = """
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    CREATE TABLE keys (digest INTEGER PRIMARY KEY, number INTEGER, ticket INTEGER);
    CREATE TABLE tickets (id INTEGER PRIMARY KEY);
    CREATE TABLE rows (number INTEGER PRIMARY KEY, digest INTEGER, key TEXT, content TEXT);
"""


@dataclass(frozen=True)
class Done:
    """
    Hold that the message of a row was sent.

    :param digest: of its key
    :param ticket_id: its ticket
    :param not_delivered: whether the messenger did not take it
    """

    digest: int
    ticket_id: int
    not_delivered: bool = False


@dataclass(frozen=True)
class Sendable:
    """
    Hold a row that was checked and is to be sent.

    :param number: its place among the recipients, from 1
    :param key: what tells it from the others
    :param fields: what Usedesk gets, under the wire names
    :param files: paths and URLs of its files
    """

    number: int
    key: str
    fields: Mapping[str, Any]
    files: Sequence[str] = ()

    @cached_property
    def digest(self) -> int:
        return digest(self.key)

    @cached_property
    def shown(self) -> int:
        """Short number of what a list of tickets shows of its ticket."""
        return digest(json.dumps([self.fields.get("subject"), self.fields.get("client_id")]))


def digest(key: str) -> int:
    """Return a short number of a key; that two of a million share one is less likely than 1 in 10^7."""
    return int.from_bytes(blake2b(key.encode(errors="surrogatepass"), digest_size=8).digest(), signed=True)


def name_of(key: str) -> str:
    """Return the number of a key in a form for names: 16 hexadecimal digits."""
    return f"{digest(key) % 2**64:016x}"


class RowStore:
    """
    Keep the rows of a batch in a private temporary database, so that memory does not grow with them.

    The database has no name and is gone with the process, however that ends. It belongs to one thread.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(TABLES)
        # One transaction for all of it: nothing here outlives the process.
        self._database.execute("BEGIN")

    def __enter__(self) -> RowStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def note_done(self, records: Iterable[Done]) -> None:
        """Note which keys are done."""
        for record in records:
            ticket = record.ticket_id << 1 | record.not_delivered
            self._database.execute(
                "INSERT INTO keys VALUES (?, NULL, ?) ON CONFLICT DO UPDATE SET ticket = excluded.ticket",
                (record.digest, ticket),
            )
            self._database.execute("INSERT OR IGNORE INTO tickets VALUES (?)", (record.ticket_id,))

    def claim(self, key: str, number: int) -> int | Done | None:
        """
        Let a row have its key.

        :return: None when it is the first with this key; the number of the row that has it already; or how
            the key was done by an earlier try
        """
        of_key = digest(key)
        found = self._database.execute(
            "SELECT number, ticket FROM keys WHERE digest = ?", (of_key,)
        ).fetchone()
        if found is None:
            self._database.execute("INSERT INTO keys VALUES (?, ?, NULL)", (of_key, number))
            return None
        if found[0] is not None:
            return int(found[0])
        self._database.execute("UPDATE keys SET number = ? WHERE digest = ?", (number, of_key))
        return Done(of_key, found[1] >> 1, bool(found[1] & 1))

    def add(self, row: Sendable) -> None:
        """Add a row that is to be sent."""
        content = json.dumps([dict(row.fields), list(row.files)], ensure_ascii=False)
        self._database.execute(
            "INSERT INTO rows VALUES (?, ?, ?, ?)", (row.number, row.digest, row.key, content)
        )

    def after(self, number: int, limit: int) -> list[Sendable]:
        """Return the next rows to send, in their order."""
        found = self._database.execute(
            "SELECT number, key, content FROM rows WHERE number > ? ORDER BY number LIMIT ?", (number, limit)
        )
        return [_row(*columns) for columns in found]

    def with_digests(self, digests: Iterable[int]) -> Iterator[Sendable]:
        """Return those of the rows that have one of these digests."""
        for one in digests:
            found = self._database.execute(
                "SELECT rows.number, rows.key, rows.content FROM keys JOIN rows USING (number)"
                " WHERE keys.digest = ?",
                (one,),
            ).fetchone()
            if found:
                yield _row(*found)

    def is_done(self, of_key: int) -> bool:
        """Tell whether a key is done, by its digest."""
        found = self._database.execute(
            "SELECT 1 FROM keys WHERE digest = ? AND ticket IS NOT NULL", (of_key,)
        )
        return found.fetchone() is not None

    def knows_ticket(self, ticket_id: int) -> bool:
        """Tell whether a ticket is that of a row that is done."""
        found = self._database.execute("SELECT 1 FROM tickets WHERE id = ?", (ticket_id,))
        return found.fetchone() is not None

    def count_missing(self) -> int:
        """Count the keys that an earlier try did and that no row has any more."""
        [count] = self._database.execute("SELECT count(*) FROM keys WHERE number IS NULL").fetchone()
        return int(count)


def _row(number: int, key: str, content: str) -> Sendable:
    fields, files = json.loads(content)
    return Sendable(number, key, fields, files)
