"""What a batch remembers between its tries: which rows may have been sent, and which were."""

from __future__ import annotations

import json
import struct
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from airflow_provider_usedesk.batch.worklist import Done

# A piece of so many records stays far below the 64 KB that Airflow's state store wants a value to have.
RECORDS_IN_PIECE = 1000
RECORD = struct.Struct("<qQ")
DIGEST = struct.Struct("<q")


class Pieces(Protocol):
    """Where a ledger is kept: small JSON values by name."""

    def get(self, name: str) -> Any: ...
    def set(self, name: str, value: Any) -> None: ...


@dataclass(frozen=True)
class Open:
    """
    Hold which rows may have been sent without an answer that is remembered.

    :param digests: of their keys
    :param since: when the first of them was about to be sent, UTC
    :param until: when the last of them was, UTC
    """

    digests: tuple[int, ...]
    since: datetime
    until: datetime


@dataclass(frozen=True)
class Seen:
    """
    Hold what the recipients were.

    :param rows: how many
    :param fingerprint: of all of them
    """

    rows: int
    fingerprint: str


class Ledger:
    """
    Write before rows are sent that they will be, and behind it that they were.

    Each write is small: records go into pieces of a thousand, of which only the last is written again.

    :param pieces: where it is kept
    """

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self._full = 0
        self._last: list[Done] = []
        self._open: Open | None = None
        self.seen: Seen | None = None

    def read(self) -> Iterator[Done]:
        """Read what earlier tries wrote; take all of it before anything else is called."""
        while (piece := self._pieces.get(_name(self._full))) is not None:
            self._last = _records(piece)
            yield from self._last
            if len(self._last) < RECORDS_IN_PIECE:
                break
            self._full += 1
            self._last = []
        head = self._pieces.get("head")
        if head is not None:
            self._open = _open(head["open"])
            self.seen = Seen(**head["seen"]) if head["seen"] else None

    @property
    def open(self) -> Open | None:
        """Which rows may have been sent, as it was written last."""
        return self._open

    def write(self, done: Sequence[Done], open_rows: Open | None) -> None:
        """
        Write what was done since the last time, and what may be sent from now on.

        :param done: rows with an answer
        :param open_rows: rows that are about to be sent, and those still without an answer
        """
        # First what was done: who dies in between finds it, and the rows in `open` that it closes.
        self._append(done)
        if open_rows != self._open:
            self._open = open_rows
            self._write_head()

    def write_seen(self, seen: Seen) -> None:
        """Write what the recipients were."""
        if seen != self.seen:
            self.seen = seen
            self._write_head()

    def _append(self, done: Sequence[Done]) -> None:
        while done:
            space = RECORDS_IN_PIECE - len(self._last)
            self._last += done[:space]
            done = done[space:]
            self._pieces.set(_name(self._full), _packed(self._last))
            if len(self._last) == RECORDS_IN_PIECE:
                self._full += 1
                self._last = []

    def _write_head(self) -> None:
        seen = {"rows": self.seen.rows, "fingerprint": self.seen.fingerprint} if self.seen else None
        self._pieces.set("head", {"open": _open_value(self._open), "seen": seen})


class StatePieces:
    """
    Keep a ledger in the task state store of Airflow 3.3.

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


class FolderPieces:
    """
    Keep a ledger in a folder on disk or on object storage.

    :param folder: a path object; one of object storage has an atomic write of its own
    """

    def __init__(self, folder: Any) -> None:
        self._folder = folder

    def get(self, name: str) -> Any:
        with suppress(FileNotFoundError):
            return json.loads((self._folder / f"{name}.json").read_text())
        return None

    def set(self, name: str, value: Any) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        target = self._folder / f"{name}.json"
        if not isinstance(target, Path):
            target.write_text(json.dumps(value))
            return
        # A half-written file must never be found.
        draft = target.with_suffix(".new")
        draft.write_text(json.dumps(value))
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


def _open_value(open_rows: Open | None) -> Any:
    if open_rows is None:
        return None
    digests = b64encode(b"".join(map(DIGEST.pack, open_rows.digests))).decode()
    return {
        "digests": digests,
        "since": open_rows.since.isoformat(),
        "until": open_rows.until.isoformat(),
    }


def _open(value: Any) -> Open | None:
    if value is None:
        return None
    digests = tuple(one for (one,) in DIGEST.iter_unpack(b64decode(value["digests"])))
    return Open(digests, datetime.fromisoformat(value["since"]), datetime.fromisoformat(value["until"]))
