"""The storage interface of this package, and where it stores: Airflow's state stores, a folder, memory."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol


class KeyValueStore(Protocol):
    """JSON values by key."""

    def get(self, key: str) -> Any:
        """Return the value of a key; None where there is none."""
        ...

    def set(self, key: str, value: Any) -> None:
        """Store a JSON value, which must not be None."""
        ...

    def delete(self, key: str) -> None:
        """Delete a key; do nothing where there is none."""
        ...


class ListableStore(KeyValueStore, Protocol):
    """A store that can list its keys, which the task state store of Airflow cannot."""

    def list(self, prefix: str) -> Iterator[str]:
        """Yield the keys that begin with the prefix, in any order."""
        ...


class TaskStateStore:
    """
    Store in the task state store of Airflow 3.3, whose entries live as long as the Dag run.

    :param accessor: ``context["task_state_store"]``
    """

    def __init__(self, accessor: Any) -> None:
        self._accessor = accessor

    def get(self, key: str) -> Any:
        return self._accessor.get(key)

    def set(self, key: str, value: Any) -> None:
        # Airflow compares with this very object; without it a clean-up could delete the entry before a retry.
        self._accessor.set(key, value, retention=timedelta.max)

    def delete(self, key: str) -> None:
        self._accessor.delete(key)


class AssetStateStore:
    """
    Store in the asset state stores of Airflow 3.3; with several assets, in the store of each.

    :param accessors: one accessor for each asset
    """

    def __init__(self, accessors: Sequence[Any]) -> None:
        self._accessors = accessors

    def __bool__(self) -> bool:
        return bool(self._accessors)

    def get(self, key: str) -> Any:
        values = (accessor.get(key) for accessor in self._accessors)
        return next((value for value in values if value is not None), None)

    def set(self, key: str, value: Any) -> None:
        for accessor in self._accessors:
            accessor.set(key, value)

    def delete(self, key: str) -> None:
        for accessor in self._accessors:
            accessor.delete(key)

    async def aget(self, key: str) -> Any:
        """Return the value of a key, from an event loop."""
        for accessor in self._accessors:
            if (value := await accessor.aget(key)) is not None:
                return value
        return None

    async def aset(self, key: str, value: Any) -> None:
        """Store a JSON value, from an event loop."""
        for accessor in self._accessors:
            await accessor.aset(key, value)


class FolderStore:
    """
    Store each value as a JSON file in a folder, on disk or on object storage.

    :param folder: a ``pathlib.Path`` or an ``ObjectStoragePath``; made when the first value is stored
    """

    def __init__(self, folder: Any) -> None:
        self._folder = folder
        self._exists = False

    def get(self, key: str) -> Any:
        with suppress(FileNotFoundError):
            return json.loads(self._file(key).read_text())
        return None

    def set(self, key: str, value: Any) -> None:
        if not self._exists:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._exists = True
        file, text = self._file(key), json.dumps(value)
        if isinstance(file, Path):
            _replace(file, text)
        else:
            # An upload to object storage is atomic by itself.
            file.write_text(text)

    def delete(self, key: str) -> None:
        with suppress(FileNotFoundError):
            self._file(key).unlink()

    def list(self, prefix: str) -> Iterator[str]:
        with suppress(FileNotFoundError):
            for file in self._folder.iterdir():
                if file.name.startswith(prefix) and file.name.endswith(".json"):
                    yield file.name.removesuffix(".json")

    def _file(self, key: str) -> Any:
        return self._folder / f"{key}.json"


class MemoryStore:
    """Store in this process; values are copied through JSON, as the other stores do."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def get(self, key: str) -> Any:
        text = self._values.get(key)
        return None if text is None else json.loads(text)

    def set(self, key: str, value: Any) -> None:
        self._values[key] = json.dumps(value)

    def delete(self, key: str) -> None:
        self._values.pop(key, None)

    def list(self, prefix: str) -> Iterator[str]:
        return iter([key for key in self._values if key.startswith(prefix)])


def _replace(file: Path, text: str) -> None:
    """Write a file so that nobody reads half of it, not even after a power failure."""
    draft = file.with_suffix(".new")
    with draft.open("w") as target:
        target.write(text)
        target.flush()
        os.fsync(target.fileno())
    draft.replace(file)
