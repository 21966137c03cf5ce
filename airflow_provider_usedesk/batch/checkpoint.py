"""
The checkpoint of a batch: which rows were sent, and which may have been sent.

A checkpoint has a manifest and any number of chunks, each a JSON value.

* In a folder each attempt writes files of its own: ``claims/000001-6f0c1e5a9b3d7f24.json`` says that it has
  begun, and ``e/000001-6f0c1e5a9b3d7f24/`` has its ``manifest.json``, ``chunk-000001.json`` and so on. The
  next attempt reads those of all. Mapped task instances share the folder; their claims begin with ``i`` and
  their map index.
* In the task state store of Airflow 3.3 all attempts write the same keys: ``usedesk/batch/<clear_count>/``
  and ``manifest``, ``chunk-000001`` and so on. There a write of a stale attempt fails.

A row is named by its id: 16 hexadecimal digits, the digest of its key. Unless the row has an
``additional_id`` of its own, the ``additional_id`` of its ticket contains these digits.

The manifest::

    {
        "owner": "6f0c1e5a9b3d7f24",
        "clear_count": 0,
        "recipients": {"rows": 1200, "fingerprint": "e3b0c442…", "checked": "5df6e0e2…"},
        "chunks": 2,
        "records": 1130,
        "open": [
            {
                "since": "2026-03-01T12:00:00Z",
                "until": "2026-03-01T12:00:15Z",
                "rows": ["8f3a5c0e1b2d4f67"]
            }
        ],
        "previous": {"000001-0b1c2d3e4f506172": {"chunks": 1, "records": 70}}
    }

``owner`` identifies the attempt that writes it. ``recipients`` is the number of rows and the SHA-256 of all,
null until all rows were read. Its ``checked`` is the SHA-256 of the arguments with which all rows were
checked before the first was sent, null if they were not. ``chunks`` and ``records`` count the chunks and
their rows, so that a missing chunk is noticed. ``open`` has the rows that may have been sent between two
moments, UTC. ``previous`` names the claims of earlier attempts.

A chunk::

    {
        "tickets": {"8f3a5c0e1b2d4f67": 1001, "0b1c2d3e4f506172": 1002},
        "not_delivered": ["0b1c2d3e4f506172"]
    }

``tickets`` has the ticket of each row that was sent; ``not_delivered`` the rows whose message the messenger
did not accept. A row that is in a chunk is closed, even if a manifest still has it as open.

Each chunk but the last has 1,000 rows, so a write changes only the last chunk and the manifest. A chunk has
at most 62 KB, and a manifest with 512 open rows at most 61 KB; the task state store takes 64 KB.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from airflow_provider_usedesk.batch.row_store import FinishedRow
from airflow_provider_usedesk.compat.stores import StaleAttempt


@dataclass(frozen=True)
class OpenRow:
    """
    A row that may have been sent, and whose outcome is not stored.

    :param digest: digest of its key
    :param since: when it was about to be sent, UTC
    :param until: after this moment it was not sent, UTC
    """

    digest: int
    since: datetime
    until: datetime


@dataclass(frozen=True)
class Recipients:
    """
    The recipients as a whole, to notice a change between two attempts.

    :param rows: number of rows
    :param fingerprint: hash of all rows
    :param checked: hash of the arguments with which all rows were checked before the first was sent;
        default: None, they were not
    """

    rows: int
    fingerprint: str
    checked: str | None = None


class CheckpointTaken(StaleAttempt):
    """Another attempt of the same task has begun, so this one must not send any more."""


class DamagedCheckpoint(ValueError):
    """
    A part of the checkpoint is missing or cannot be read.

    :param name: the key or the file, without the folder
    :param reason: what is wrong with it
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"The checkpoint of the batch is damaged: {name} {reason}. Nothing is sent, because rows that "
            "were sent already would be sent again. Restore it and clear the task, or mark the task as "
            "success. Delete the whole checkpoint only if all rows may be sent again."
        )


class Checkpoint(Protocol):
    """The stored state of a batch: written before rows are sent, and after they were sent."""

    @property
    def clear_count(self) -> int:
        """Grows with each clearing that sends all rows again, which begins a new checkpoint."""
        ...

    @property
    def open(self) -> Sequence[OpenRow]:
        """The rows that may have been sent by this attempt or those before it, as stored."""
        ...

    @property
    def open_elsewhere(self) -> Sequence[OpenRow]:
        """The rows that other mapped task instances may have sent, as they were loaded."""
        ...

    @property
    def recipients(self) -> Recipients | None:
        """The recipients of the earlier attempt."""
        ...

    def has_begun(self) -> bool:
        """Return whether an earlier attempt of the task loaded it, and so may have sent rows."""
        ...

    def load(self) -> Iterator[FinishedRow]:
        """
        Yield the rows that earlier attempts finished, and own the checkpoint from now on.

        Take all of them before any other call.

        :raises DamagedCheckpoint: if a part of the checkpoint is missing or cannot be read
        :raises StaleAttempt: if another attempt has begun
        """
        ...

    def write(self, finished: Sequence[FinishedRow], open_rows: Sequence[OpenRow]) -> None:
        """
        Store which rows were finished since the last call, and which may be sent from now on.

        :param finished: rows with a ticket
        :param open_rows: rows that are about to be sent, and rows whose outcome is unknown
        :raises StaleAttempt: if another attempt has begun
        """
        ...

    def write_recipients(self, recipients: Recipients) -> None:
        """
        Store the recipients as a whole.

        :param recipients: the recipients of this attempt
        :raises StaleAttempt: if another attempt has begun
        """
        ...
