"""What a batch remembers between its tries: which rows may have been sent, and which were."""

from __future__ import annotations

import json
import os
import struct
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path
from secrets import token_hex
from typing import Any, Protocol

from airflow_provider_usedesk.batch.row_store import Done

# A piece of so many records stays far below the 64 KB that Airflow's state store wants a value to have.
RECORDS_IN_PIECE = 1000
RECORD = struct.Struct("<qQ")
OPEN_ROW = struct.Struct("<qIIq")


class KeyValueStore(Protocol):
    """Where a checkpoint is kept: small JSON values by name."""

    def get(self, name: str) -> Any: ...
    def set(self, name: str, value: Any) -> None: ...


@dataclass(frozen=True)
class OpenRow:
    """
    Hold that a row may have been sent without an answer that is remembered.

    :param digest: of its key
    :param since: when it was about to be sent, UTC, in whole seconds
    :param until: after this moment it was not sent, UTC, in whole seconds
    :param shown: of what a list of tickets would show of its ticket
    """

    digest: int
    since: datetime
    until: datetime
    shown: int


@dataclass(frozen=True)
class Seen:
    """
    Hold what the recipients were.

    :param rows: how many
    :param fingerprint: of all of them
    """

    rows: int
    fingerprint: str


class CheckpointTaken(RuntimeError):
    """Report that another try of the same task has begun, and that this one must not send any more."""

    def __init__(self) -> None:
        super().__init__("Another try of this task has begun; this one sends nothing more.")


class Checkpoint:
    """
    Write before rows are sent that they will be, and behind it that they were.

    Each write is small: records go into store of a thousand, of which only the last is written again. It
    belongs to the try that read it last; a worker that is taken for dead and lives on cannot write any more.

    :param store: where it is kept
    """

    def __init__(self, store: KeyValueStore) -> None:
        self._store = store
        self._owner = token_hex(8)
        self._full = 0
        self._last: list[Done] = []
        self.open: tuple[OpenRow, ...] = ()
        """Which rows may have been sent, as it was written last."""
        self.seen: Seen | None = None

    def read(self) -> Iterator[Done]:
        """Read what earlier tries wrote, and own it from now on; to be taken whole before anything else."""
        head = self._store.get("head")
        if head is not None:
            self.open = _open_rows(head["open"])
            self.seen = Seen(**head["seen"]) if head["seen"] else None
        # Before the records are read: nobody else adds any from here on.
        self._write_head(self.open, self.seen)
        while (piece := self._store.get(_name(self._full))) is not None:
            self._last = _records(piece)
            yield from self._last
            if len(self._last) < RECORDS_IN_PIECE:
                break
            self._full += 1
            self._last = []

    def write(self, done: Sequence[Done], open_rows: Sequence[OpenRow]) -> None:
        """
        Write what was done since the last time, and what may be sent from now on.

        :param done: rows with an answer
        :param open_rows: rows that are about to be sent, and those still without an answer
        :raises CheckpointTaken: when another try has read it since
        """
        self._check_owner()
        # First what was done: who dies in between finds it, and the rows in `open` that it closes.
        self._append(done)
        if (rows := tuple(open_rows)) != self.open:
            self._write_head(rows, self.seen)

    def write_seen(self, seen: Seen) -> None:
        """
        Write what the recipients were.

        :raises CheckpointTaken: when another try has read it since
        """
        if seen != self.seen:
            self._check_owner()
            self._write_head(self.open, seen)

    def _check_owner(self) -> None:
        if (head := self._store.get("head")) is None or head["owner"] != self._owner:
            raise CheckpointTaken

    def _append(self, done: Sequence[Done]) -> None:
        while done:
            space = RECORDS_IN_PIECE - len(self._last)
            self._last += done[:space]
            done = done[space:]
            self._store.set(_name(self._full), _packed(self._last))
            if len(self._last) == RECORDS_IN_PIECE:
                self._full += 1
                self._last = []

    def _write_head(self, open_rows: tuple[OpenRow, ...], seen: Seen | None) -> None:
        self._store.set(
            "head",
            {
                "owner": self._owner,
                "open": _packed_open(open_rows),
                "seen": {"rows": seen.rows, "fingerprint": seen.fingerprint} if seen else None,
            },
        )
        # Behind the write: what failed to be written is written again.
        self.open, self.seen = open_rows, seen


class TaskStateStore:
    """
    Keep a checkpoint in the task state store of Airflow 3.3.

    :param store: ``context["task_state_store"]``
    :param turn: how often the task was cleared, where clearing means sending again
    """

    def __init__(self, store: Any, turn: int) -> None:
        self._store = store
        self._prefix = f"usedesk_batch/{turn}/"

    def get(self, name: str) -> Any:
        return self._store.get(self._prefix + name)

    def set(self, name: str, value: Any) -> None:
        # Never expires (Airflow compares with this very object): no clean-up may outrun a retry.
        self._store.set(self._prefix + name, value, retention=timedelta.max)


class FolderStore:
    """
    Keep a checkpoint in a folder on disk or on object storage.

    :param folder: a path object; one of object storage has an atomic write of its own
    """

    def __init__(self, folder: Any) -> None:
        self._folder = folder
        self._is_there = False

    def get(self, name: str) -> Any:
        with suppress(FileNotFoundError):
            return json.loads((self._folder / f"{name}.json").read_text())
        return None

    def set(self, name: str, value: Any) -> None:
        if not self._is_there:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._is_there = True
        target = self._folder / f"{name}.json"
        if not isinstance(target, Path):
            target.write_text(json.dumps(value))
            return
        # A half-written file must never be found, not even when the machine goes down.
        draft = target.with_suffix(".new")
        with draft.open("w") as file:
            file.write(json.dumps(value))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)


def _name(piece: int) -> str:
    return f"done-{piece:06d}"


def _packed(records: Sequence[Done]) -> str:
    packed = (RECORD.pack(one.digest, one.ticket_id << 1 | one.not_delivered) for one in records)
    return b64encode(b"".join(packed)).decode()


def _records(piece: str) -> list[Done]:
    return [
        Done(of_key, ticket >> 1, bool(ticket & 1)) for of_key, ticket in RECORD.iter_unpack(b64decode(piece))
    ]


def _packed_open(rows: Sequence[OpenRow]) -> str:
    packed = (
        OPEN_ROW.pack(row.digest, int(row.since.timestamp()), ceil(row.until.timestamp()), row.shown)
        for row in rows
    )
    return b64encode(b"".join(packed)).decode()


def _open_rows(packed: str) -> tuple[OpenRow, ...]:
    return tuple(
        OpenRow(of_key, datetime.fromtimestamp(since, UTC), datetime.fromtimestamp(until, UTC), shown)
        for of_key, since, until, shown in OPEN_ROW.iter_unpack(b64decode(packed))
    )
