"""The storage interface of this package and its implementations: Airflow's state stores, a folder, memory."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path, PosixPath, WindowsPath
from secrets import token_hex
from typing import Any, Protocol
from urllib.parse import quote, unquote

SUFFIX = ".json"


class KeyValueStore(Protocol):
    """JSON values by key."""

    def get(self, key: str) -> Any:
        """Return the value of a key; None if there is none."""
        ...

    def set(self, key: str, value: Any) -> None:
        """Store a JSON value, which must not be None."""
        ...

    def delete(self, key: str) -> None:
        """Delete a key; a missing key is no error."""
        ...


class ListableStore(KeyValueStore, Protocol):
    """A store that can list its keys; the state stores of Airflow cannot."""

    def list(self, prefix: str) -> Iterator[str]:
        """Yield the keys that begin with the prefix, in any order."""
        ...


class TaskStateStore:
    """
    The task state store of Airflow 3.3, whose entries live as long as the Dag run.

    :param accessor: ``context["task_state_store"]``
    """

    def __init__(self, accessor: Any) -> None:
        self._accessor = accessor

    def get(self, key: str) -> Any:
        return self._accessor.get(key)

    def set(self, key: str, value: Any) -> None:
        # Airflow compares by identity with this object; any other value lets a clean-up delete the entry.
        self._accessor.set(key, value, retention=timedelta.max)

    def delete(self, key: str) -> None:
        self._accessor.delete(key)


class AssetStateStore:
    """
    The asset state stores of Airflow 3.3; a value is written to all of several assets.

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
    A folder on disk or on object storage, with a JSON file for each key.

    :param folder: a ``pathlib.Path`` or an ``ObjectStoragePath``; created with the first value
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
        # On Airflow 2.11 a path of object storage is a `Path`, too.
        if isinstance(file, (PosixPath, WindowsPath)):
            _replace(file, text)
        else:
            # An upload to object storage is atomic by itself.
            file.write_text(text)

    def delete(self, key: str) -> None:
        with suppress(FileNotFoundError):
            self._file(key).unlink()

    def list(self, prefix: str) -> Iterator[str]:
        # Object storage says of a missing folder that it is no folder.
        with suppress(FileNotFoundError, NotADirectoryError):
            for file in self._folder.iterdir():
                key = unquote(file.name.removesuffix(SUFFIX))
                if file.name.endswith(SUFFIX) and key.startswith(prefix):
                    yield key

    def _file(self, key: str) -> Any:
        # A key may contain a slash; escaped, all files lie in one folder.
        return self._folder / f"{quote(key, safe='')}{SUFFIX}"


class MemoryStore:
    """A dictionary in this process; values are copied as JSON, as in the other stores."""

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
    """Replace a file at once, so that no reader finds half of it, not even after a power failure."""
    # Two processes may write at the same time: each needs a draft of its own.
    draft = file.with_name(f"{file.name}.{token_hex(4)}.new")
    try:
        with draft.open("w") as target:
            target.write(text)
            target.flush()
            os.fsync(target.fileno())
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
