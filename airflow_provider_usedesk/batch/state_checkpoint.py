"""The checkpoint of a batch in a store that refuses the writes of stale attempts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from secrets import token_hex

from airflow_provider_usedesk.batch.checkpoint import (
    CheckpointTaken,
    DamagedCheckpoint,
    OpenRow,
    Recipients,
)
from airflow_provider_usedesk.batch.checkpoint_part import (
    CHUNK_SIZE,
    MANIFEST,
    CheckpointPart,
    ManifestOwner,
    read_value,
)
from airflow_provider_usedesk.batch.checkpoint_values import Manifest
from airflow_provider_usedesk.batch.row_store import FinishedRow
from airflow_provider_usedesk.compat.stores import KeyValueStore
from airflow_provider_usedesk.idempotency.clear_count import Clears, StoredClearCount

CLEAR_COUNT = "usedesk/batch/clear_count"
"""Key of the ``clear_count``."""
BEGUN = "begun"
"""Key that says that there was a manifest."""


def stored_clear_count(store: KeyValueStore, clears: Clears) -> int:
    """
    Return the ``clear_count`` of this attempt, and store it for the next one.

    :param store: where it is stored
    :param clears: how the task was cleared
    :raises StaleAttempt: if another attempt has begun
    """
    stored = read_value(
        store, CLEAR_COUNT, lambda value: StoredClearCount(int(value["clear_count"]), int(value["max_tries"]))
    )
    stored_now = StoredClearCount(clears.count(stored), clears.max_tries)
    store.set(CLEAR_COUNT, asdict(stored_now))
    return stored_now.clear_count


def prefix(clear_count: int) -> str:
    """
    Return the prefix of the keys in the task state store.

    :param clear_count: grows with each clearing that sends all rows again, which begins a new checkpoint
    """
    return f"usedesk/batch/{clear_count}/"


class StateCheckpoint(ManifestOwner):
    """
    The checkpoint in the task state store: all attempts write the same keys.

    A stale attempt reads an empty store, and its writes fail. So each call that allows to send begins with a
    write, and only what was read before a successful write counts.

    :param store: where it is stored
    :param prefix: prefix of its keys; default: none
    :param clear_count: grows with each clearing that sends all rows again; default: 0
    :param chunk_size: rows in a chunk; default: 1000
    """

    open_elsewhere: Sequence[OpenRow] = ()

    def __init__(
        self, store: KeyValueStore, prefix: str = "", clear_count: int = 0, chunk_size: int = CHUNK_SIZE
    ) -> None:
        self.clear_count = clear_count
        self._store = store
        self._prefix = prefix
        self._part = CheckpointPart(store, prefix, chunk_size)
        self._stored = Manifest(token_hex(8), clear_count)

    def has_begun(self) -> bool:
        """See :meth:`Checkpoint.has_begun`; a checkpoint before a clear counts, too."""
        prefixes = {self._prefix, *map(prefix, range(self.clear_count))}
        return any(self._store.get(one + name) is not None for one in prefixes for name in (BEGUN, MANIFEST))

    def load(self) -> Iterator[FinishedRow]:
        """See :meth:`Checkpoint.load`."""
        found = self._part.manifest()
        if found is None:
            self._check_new()
        # From here on no other attempt writes, and what was read is no empty store of a stale attempt.
        self._write_manifest(replace(found or self._stored, owner=self._stored.owner))
        if found is None:
            self._part.set(BEGUN, {"owner": self._stored.owner})
        try:
            yield from self._part.rows(self._stored.counts)
        except DamagedCheckpoint:
            # A stale attempt finds no chunk either.
            self._write_manifest(self._stored)
            raise

    def write(self, finished: Sequence[FinishedRow], open_rows: Sequence[OpenRow]) -> None:
        """See :meth:`Checkpoint.write`."""
        self._check_owner()
        # First the finished rows: if the process dies in between, they are stored twice rather than not.
        self._part.append(finished)
        self._write_changes(replace(self._stored, open=tuple(open_rows), counts=self._part.counts))

    def write_recipients(self, recipients: Recipients) -> None:
        """See :meth:`Checkpoint.write_recipients`."""
        if recipients != self.recipients:
            self._check_owner()
            self._write_changes(replace(self._stored, recipients=recipients))

    def _check_new(self) -> None:
        has_begun = read_value(self._store, self._prefix + BEGUN, lambda value: True)
        if has_begun or self._part.has_chunks():
            raise DamagedCheckpoint(self._prefix + MANIFEST, "is missing")

    def _check_owner(self) -> None:
        manifest = self._part.manifest()
        if manifest is None or manifest.owner != self._stored.owner:
            raise CheckpointTaken
