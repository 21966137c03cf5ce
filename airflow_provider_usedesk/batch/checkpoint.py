"""
The checkpoint of a batch: which rows were sent, and which may have been sent.

A checkpoint is a manifest and any number of chunks, each a JSON value. In a folder they are the files
``manifest.json``, ``chunk-000001.json`` and so on. In the task state store of Airflow 3.3 their keys are
``usedesk/batch/<clear_count>/manifest``, ``usedesk/batch/<clear_count>/chunk-000001`` and so on.

A row is named by its id: 16 hexadecimal digits, the digest of its key. Unless the row has an
``additional_id`` of its own, the ``additional_id`` of its ticket ends with these digits.

The manifest::

    {
        "owner": "6f0c1e5a9b3d7f24",
        "recipients": {"rows": 1200, "fingerprint": "e3b0c442…"},
        "open": [
            {
                "since": "2026-03-01T12:00:00Z",
                "until": "2026-03-01T12:00:15Z",
                "rows": {"8f3a5c0e1b2d4f67": "1d2c3b4a59687706"}
            }
        ]
    }

``owner`` identifies the attempt that may write. ``recipients`` is the number of rows and the SHA-256 of
all, null until all rows were read. ``open`` has the rows that may have been sent between two moments, UTC;
for each it has the digest of the fields that a list of tickets shows.

A chunk::

    {
        "tickets": {"8f3a5c0e1b2d4f67": 1001, "0b1c2d3e4f506172": 1002},
        "not_delivered": ["0b1c2d3e4f506172"]
    }

``tickets`` has the ticket of each row that was sent; ``not_delivered`` the rows whose message the messenger
did not accept. A row that is in a chunk is closed, even if the manifest still has it as open.

Each chunk but the last has 1,000 rows, so a write changes only the last chunk and the manifest. A chunk has
at most 62 KB, and a manifest with 512 open rows at most 61 KB; the task state store takes 64 KB.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import Any

from airflow_provider_usedesk.batch.digests import as_hex, from_hex
from airflow_provider_usedesk.batch.row_store import FinishedRow
from airflow_provider_usedesk.compat.stores import KeyValueStore

CHUNK_SIZE = 1000
"""Rows in a chunk."""
MANIFEST = "manifest"


def prefix(clear_count: int) -> str:
    """
    Return the prefix of the keys in the task state store.

    :param clear_count: grows with each clearing that sends all rows again, which begins a new checkpoint
    """
    return f"usedesk/batch/{clear_count}/"


@dataclass(frozen=True)
class OpenRow:
    """
    A row that may have been sent, and whose outcome is not stored.

    :param digest: digest of its key
    :param since: when it was about to be sent, UTC
    :param until: after this moment it was not sent, UTC
    :param listed_digest: digest of the fields that a list of tickets shows
    """

    digest: int
    since: datetime
    until: datetime
    listed_digest: int


@dataclass(frozen=True)
class Recipients:
    """
    The recipients as a whole, to notice a change between two attempts.

    :param rows: number of rows
    :param fingerprint: hash of all rows
    """

    rows: int
    fingerprint: str


class CheckpointTaken(RuntimeError):
    """Another attempt of the same task has loaded the checkpoint, so this one must not send any more."""

    def __init__(self) -> None:
        super().__init__(
            "Another attempt of this task has begun and owns the checkpoint. This attempt sends no more rows."
        )


class Checkpoint:
    """
    The stored state of a batch: written before rows are sent, and after they were sent.

    It belongs to the attempt that loaded it last. An earlier attempt that still runs cannot write any more.

    :param store: where it is stored
    :param prefix: prefix of its keys; default: none
    :param chunk_size: rows in a chunk; default: 1000
    """

    def __init__(self, store: KeyValueStore, prefix: str = "", chunk_size: int = CHUNK_SIZE) -> None:
        self._store = store
        self._prefix = prefix
        self._chunk_size = chunk_size
        self._owner = token_hex(8)
        self._number = 1
        self._chunk = _Chunk({}, ())
        self.open: tuple[OpenRow, ...] = ()
        """The rows that may have been sent, as stored."""
        self.recipients: Recipients | None = None

    def load(self) -> Iterator[FinishedRow]:
        """
        Yield the rows that earlier attempts finished, and own the checkpoint from now on.

        Take all of them before any other call.
        """
        manifest = self._store.get(self._prefix + MANIFEST)
        if manifest is not None:
            self.open = tuple(_open_rows(manifest["open"]))
            self.recipients = Recipients(**manifest["recipients"]) if manifest["recipients"] else None
        # Before the chunks are read: from here on no other attempt appends to them.
        self._write_manifest(self.open, self.recipients)
        while (value := self._store.get(self._chunk_key())) is not None:
            chunk = _Chunk(value["tickets"], value["not_delivered"])
            yield from chunk.rows()
            if len(chunk) < self._chunk_size:
                self._chunk = chunk
                break
            self._number += 1

    def write(self, finished: Sequence[FinishedRow], open_rows: Sequence[OpenRow]) -> None:
        """
        Store which rows were finished since the last call, and which may be sent from now on.

        :param finished: rows with a ticket
        :param open_rows: rows that are about to be sent, and rows whose outcome is unknown
        :raises CheckpointTaken: if another attempt has loaded the checkpoint
        """
        self._check_owner()
        # First the finished rows: if the process dies in between, they are stored twice rather than not.
        self._append(finished)
        if (rows := tuple(open_rows)) != self.open:
            self._write_manifest(rows, self.recipients)

    def write_recipients(self, recipients: Recipients) -> None:
        """
        Store the recipients as a whole.

        :param recipients: the recipients of this attempt
        :raises CheckpointTaken: if another attempt has loaded the checkpoint
        """
        if recipients != self.recipients:
            self._check_owner()
            self._write_manifest(self.open, recipients)

    def _check_owner(self) -> None:
        manifest = self._store.get(self._prefix + MANIFEST)
        if manifest is None or manifest["owner"] != self._owner:
            raise CheckpointTaken

    def _append(self, rows: Sequence[FinishedRow]) -> None:
        while rows:
            space = self._chunk_size - len(self._chunk)
            for row in rows[:space]:
                self._chunk.add(row)
            rows = rows[space:]
            self._store.set(self._chunk_key(), self._chunk.value())
            if len(self._chunk) == self._chunk_size:
                self._number += 1
                self._chunk = _Chunk({}, ())

    def _write_manifest(self, open_rows: tuple[OpenRow, ...], recipients: Recipients | None) -> None:
        manifest = {
            "owner": self._owner,
            "recipients": asdict(recipients) if recipients else None,
            "open": _open_value(open_rows),
        }
        self._store.set(self._prefix + MANIFEST, manifest)
        # After the write: if it fails, the next call writes it again.
        self.open, self.recipients = open_rows, recipients

    def _chunk_key(self) -> str:
        return f"{self._prefix}chunk-{self._number:06d}"


class _Chunk:
    """
    Finished rows that are stored in one value.

    :param tickets: ids of the tickets, by row id
    :param not_delivered: row ids of the messages that were not delivered
    """

    def __init__(self, tickets: Mapping[str, int], not_delivered: Iterable[str]) -> None:
        self._tickets = dict(tickets)
        self._not_delivered = set(not_delivered)

    def __len__(self) -> int:
        return len(self._tickets)

    def add(self, row: FinishedRow) -> None:
        row_id = as_hex(row.digest)
        self._tickets[row_id] = row.ticket_id
        if row.not_delivered:
            self._not_delivered.add(row_id)
        else:
            self._not_delivered.discard(row_id)

    def value(self) -> dict[str, Any]:
        return {"tickets": dict(self._tickets), "not_delivered": sorted(self._not_delivered)}

    def rows(self) -> Iterator[FinishedRow]:
        for row_id, ticket_id in self._tickets.items():
            yield FinishedRow(from_hex(row_id), ticket_id, row_id in self._not_delivered)


def _open_value(rows: Iterable[OpenRow]) -> list[dict[str, Any]]:
    # Rows that are released together share their moments.
    groups: dict[tuple[datetime, datetime], dict[str, str]] = {}
    for row in rows:
        group = groups.setdefault((row.since, row.until), {})
        group[as_hex(row.digest)] = as_hex(row.listed_digest)
    return [
        {"since": _floor(since), "until": _ceil(until), "rows": group}
        for (since, until), group in groups.items()
    ]


def _open_rows(groups: Iterable[dict[str, Any]]) -> Iterator[OpenRow]:
    for group in groups:
        since, until = datetime.fromisoformat(group["since"]), datetime.fromisoformat(group["until"])
        for row_id, listed in group["rows"].items():
            yield OpenRow(from_hex(row_id), since, until, from_hex(listed))


def _floor(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _ceil(moment: datetime) -> str:
    return _floor(moment + timedelta(seconds=1) - timedelta.resolution)
