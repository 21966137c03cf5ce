"""The storage interface of this package and its implementations: Airflow's state stores, a folder, memory."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path, PosixPath, WindowsPath
from secrets import token_hex
from typing import Any, Protocol
from urllib.parse import quote, unquote

SUFFIX = ".json"
NOT_FOUND = 404

NO_SYNC_OF_FOLDERS = frozenset(
    {errno.EACCES, errno.EPERM, errno.EISDIR, errno.EBADF, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP}
)
"""What systems say that cannot write the names in a folder to the disk; they keep them in their own way."""


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


class StaleAttempt(RuntimeError):
    """Another attempt of the task instance has begun, so this one must not send any more."""

    def __init__(self) -> None:
        super().__init__(
            "Another attempt of this task has begun, or the task was cleared. This attempt sends no more."
        )


class StoreInterrupted(RuntimeError):
    """An earlier call of this process to the task state store was interrupted, so no reply can be trusted."""

    def __init__(self) -> None:
        super().__init__("An earlier call to the task state store was interrupted.")


class TaskStateStore:
    """
    The task state store of Airflow 3.3, whose entries live as long as the Dag run.

    An attempt after which another one began, or whose task was cleared, reads an empty store. Only a failing
    write tells it that it is stale.

    :param accessor: ``context["task_state_store"]``
    :raises StoreInterrupted: by each method, once a call was interrupted, such as by ``execution_timeout``:
        Airflow does not match replies to calls, so the next call could take an earlier reply for its own
    """

    # The accessor whose call was interrupted; all operators of an attempt share one accessor.
    _interrupted: Any = None

    def __init__(self, accessor: Any) -> None:
        self._accessor = accessor

    def get(self, key: str) -> Any:
        with self._whole_call():
            return self._accessor.get(key)

    def set(self, key: str, value: Any) -> None:
        try:
            with self._whole_call():
                # Airflow compares by identity with this object; any other lets a clean-up delete the entry.
                self._accessor.set(key, value, retention=timedelta.max)
        except Exception as error:
            if _status_code(error) == NOT_FOUND:
                raise StaleAttempt from error
            raise

    def delete(self, key: str) -> None:
        with self._whole_call():
            self._accessor.delete(key)

    @contextmanager
    def _whole_call(self) -> Iterator[None]:
        if TaskStateStore._interrupted is self._accessor:
            raise StoreInterrupted
        try:
            yield
        except BaseException as error:
            # What the API server refused and what the accessor does not take is a reply.
            if not isinstance(error, (TypeError, ValueError)) and not hasattr(error, "error"):
                TaskStateStore._interrupted = self._accessor
            raise


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
    A folder on disk or on object storage, with a JSON file for each key; a slash in a key makes a subfolder.

    :param folder: a ``pathlib.Path`` or an ``ObjectStoragePath``; created with the first value
    """

    def __init__(self, folder: Any) -> None:
        self._folder = folder
        self._existing: set[str] = set()

    def get(self, key: str) -> Any:
        self._drop_listings()
        with suppress(FileNotFoundError):
            value = json.loads(self._file(key).read_text())
            if value is None:
                raise ValueError(f"{key} is null.")
            return value
        return None

    def set(self, key: str, value: Any) -> None:
        file, text = self._file(key), json.dumps(value)
        if (folder := key.rpartition("/")[0]) not in self._existing:
            self._make_folder(file.parent)
            self._existing.add(folder)
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
        self._drop_listings()
        above, slash, _ = prefix.rpartition("/")
        for key in self._keys(self._under(above) if slash else self._folder, above + slash):
            if key.startswith(prefix):
                yield key

    def _make_folder(self, folder: Any) -> None:
        if not isinstance(folder, (PosixPath, WindowsPath)):
            folder.mkdir(parents=True, exist_ok=True)
            return
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        # Also what another process made just now, which may not be on the disk yet.
        for made in dict.fromkeys((*missing, folder, self._folder)):
            _sync_names(made.parent)

    def _keys(self, folder: Any, above: str) -> Iterator[str]:
        # Object storage says of a missing folder that it is no folder.
        with suppress(FileNotFoundError, NotADirectoryError):
            for path in folder.iterdir():
                if path.name.endswith(SUFFIX):
                    yield above + unquote(path.name.removesuffix(SUFFIX))
                elif path.is_dir():
                    yield from self._keys(path, f"{above}{unquote(path.name)}/")

    def _file(self, key: str) -> Any:
        above, slash, name = key.rpartition("/")
        folder = self._under(above) if slash else self._folder
        return folder / f"{quote(name, safe='')}{SUFFIX}"

    def _under(self, key: str) -> Any:
        # Neither a folder above this one, nor a name that reads like a file.
        names = [quote(name, safe="").replace(".", "%2E") for name in key.split("/")]
        return self._folder.joinpath(*names)

    def _drop_listings(self) -> None:
        """Let object storage be listed anew: what other workers wrote since must be seen."""
        if not isinstance(self._folder, (PosixPath, WindowsPath)):
            # On Airflow 3 the path that it wraps may have a file system of its own.
            for path in (self._folder, getattr(self._folder, "__wrapped__", self._folder)):
                path.fs.invalidate_cache()


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


def _status_code(error: Exception) -> Any:
    """Return the status code that an ``AirflowRuntimeError`` of Airflow 3 carries; None for others."""
    detail = getattr(getattr(error, "error", None), "detail", None)
    return detail.get("status_code") if isinstance(detail, dict) else None


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
    _sync_names(file.parent)


def _sync_names(folder: Path) -> None:
    """Write the names in a folder to the disk; without it, a power failure undoes a new name."""
    try:
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
    except OSError as error:
        if error.errno not in NO_SYNC_OF_FOLDERS:
            raise
