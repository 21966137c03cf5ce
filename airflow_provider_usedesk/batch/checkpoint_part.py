"""A manifest and its chunks in a store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from airflow_provider_usedesk.batch.checkpoint import DamagedCheckpoint, OpenRow, Recipients
from airflow_provider_usedesk.batch.checkpoint_values import Chunk, Counts, Manifest
from airflow_provider_usedesk.batch.row_store import FinishedRow
from airflow_provider_usedesk.compat.stores import KeyValueStore

CHUNK_SIZE = 1000
"""Rows in a chunk."""
MANIFEST = "manifest"

Read = TypeVar("Read")


class CheckpointPart:
    """
    A manifest and its chunks, which one attempt writes at a time.

    :param store: where they are stored
    :param prefix: prefix of their keys
    :param chunk_size: rows in a chunk
    """

    def __init__(self, store: KeyValueStore, prefix: str, chunk_size: int) -> None:
        self._store = store
        self._prefix = prefix
        self._chunk_size = chunk_size
        self._number = 1
        self._chunk = Chunk()

    @property
    def counts(self) -> Counts:
        """How much was stored."""
        full = self._number - 1
        return Counts(full + (len(self._chunk) > 0), full * self._chunk_size + len(self._chunk))

    def manifest(self) -> Manifest | None:
        """Return the manifest; None if there is none."""
        return self._get(MANIFEST, Manifest.read)

    def has_chunks(self) -> bool:
        """Return whether there are chunks."""
        return self._get_chunk(1) is not None

    def rows(self, stored: Counts) -> Iterator[FinishedRow]:
        """
        Yield the rows of all chunks; the next rows are appended after them.

        :param stored: how much there is at least
        :raises DamagedCheckpoint: if less is there
        """
        while (chunk := self._get_chunk(self._number)) is not None:
            self._check_rows(chunk, stored)
            yield from chunk.rows()
            if len(chunk) < self._chunk_size:
                self._chunk = chunk
                return
            self._number += 1
        if self._number <= stored.chunks or self.counts.records < stored.records:
            raise DamagedCheckpoint(self._chunk_key(self._number), "is missing")

    def append(self, rows: Sequence[FinishedRow]) -> None:
        """
        Store more rows.

        :raises StaleAttempt: if the store refuses writes of this attempt
        """
        while rows:
            space = self._chunk_size - len(self._chunk)
            for row in rows[:space]:
                self._chunk.add(row)
            rows = rows[space:]
            self.set(f"chunk-{self._number:06d}", self._chunk.value())
            if len(self._chunk) == self._chunk_size:
                self._number += 1
                self._chunk = Chunk()

    def set_manifest(self, manifest: Manifest) -> None:
        """
        Store the manifest.

        :raises StaleAttempt: if the store refuses writes of this attempt
        """
        self.set(MANIFEST, manifest.value())

    def set(self, name: str, value: Any) -> None:
        """
        Store a value beside the manifest.

        :raises StaleAttempt: if the store refuses writes of this attempt
        """
        self._store.set(self._prefix + name, value)

    def _check_rows(self, chunk: Chunk, stored: Counts) -> None:
        missing = min(stored.records - self.counts.records, self._chunk_size) - len(chunk)
        if missing > 0 or (self._number < stored.chunks and len(chunk) < self._chunk_size):
            raise DamagedCheckpoint(self._chunk_key(self._number), f"has {len(chunk)} rows, which is too few")

    def _get_chunk(self, number: int) -> Chunk | None:
        return self._get(f"chunk-{number:06d}", Chunk.read)

    def _get(self, name: str, read: Callable[[Any], Read]) -> Read | None:
        return read_value(self._store, self._prefix + name, read)

    def _chunk_key(self, number: int) -> str:
        return f"{self._prefix}chunk-{number:06d}"


class ManifestOwner:
    """
    A checkpoint that writes the manifest of one part.

    :ivar _part: the part
    :ivar _stored: its manifest, as stored
    """

    _part: CheckpointPart
    _stored: Manifest

    @property
    def open(self) -> Sequence[OpenRow]:
        return self._stored.open

    @property
    def recipients(self) -> Recipients | None:
        return self._stored.recipients

    def _write_changes(self, manifest: Manifest) -> None:
        if manifest != self._stored:
            self._write_manifest(manifest)

    def _write_manifest(self, manifest: Manifest) -> None:
        self._part.set_manifest(manifest)
        # After the write: if it fails, the next call writes it again.
        self._stored = manifest


def read_value(store: KeyValueStore, key: str, read: Callable[[Any], Read]) -> Read | None:
    """
    Read a stored value.

    :param store: the store
    :param key: the key
    :param read: makes of the JSON value what it stands for
    :return: None if there is no value
    :raises DamagedCheckpoint: if the value is damaged
    """
    try:
        value = store.get(key)
        return None if value is None else read(value)
    except (ValueError, KeyError, TypeError, AttributeError):
        # Without the value, which the error may quote.
        raise DamagedCheckpoint(key, "cannot be read") from None
