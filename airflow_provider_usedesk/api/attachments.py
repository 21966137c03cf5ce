"""Files of a ticket: located and measured before anything is sent, and read while they are sent."""

from __future__ import annotations

import io
import mimetypes
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol, runtime_checkable
from urllib.parse import urlsplit

from airflow_provider_usedesk.api.values import as_text


@runtime_checkable
class StoredFile(Protocol):
    """A path object, such as ``pathlib.Path`` or ``upath.UPath``."""

    @property
    def name(self) -> str: ...
    def is_file(self) -> bool: ...
    def stat(self) -> Any: ...
    def open(self, mode: str, /) -> IO[bytes]: ...


OpenUrl = Callable[[str], StoredFile]


@dataclass(frozen=True)
class Attachment:
    """
    A file that is ready to be sent.

    :param name: file name that Usedesk shows
    :param size: size in bytes
    :param open: opens the content for reading
    """

    name: str
    size: int
    open: Callable[[], IO[bytes]] = field(repr=False)

    @property
    def content_type(self) -> str:
        return mimetypes.guess_type(self.name)[0] or "application/octet-stream"


def attachment(source: object, open_url: OpenUrl | None = None) -> Attachment:
    """
    Return a file and its size, without reading it.

    :param source: local path, URL, path object, or (name, bytes)
    :param open_url: returns a path object for a URL, such as ``upath.UPath``
    :raises ValueError: when there is no such file, with the reason
    """
    if isinstance(source, (tuple, list)):
        return _in_memory(source)
    if isinstance(source, str):
        source = stored_file(source, open_url)
    if not isinstance(source, StoredFile):
        raise ValueError("must be a path, a URL or (name, bytes)")
    return _stored(source)


def stored_file(path: str, open_url: OpenUrl | None = None) -> StoredFile:
    """
    Return the path object of a local path or a URL.

    :param path: local path or URL
    :param open_url: returns a path object for a URL, such as ``upath.UPath``
    :raises ValueError: when it is a URL that cannot be opened, with the reason
    """
    if "://" not in path:
        return Path(path)
    if open_url is None:
        raise ValueError("is a URL, which only a client with open_url can open")
    try:
        return open_url(path)
    except Exception as exc:
        raise ValueError(f"cannot be opened as {urlsplit(path).scheme}:// ({type(exc).__name__})") from None


def is_named_bytes(value: object) -> bool:
    """Return whether a value is one file given as (name, bytes)."""
    return isinstance(value, (tuple, list)) and len(value) == 2 and isinstance(value[1], (bytes, bytearray))


class Upload:
    """
    Reads an attachment in parts, as ``requests_toolbelt`` streams it.

    :param attachment: the file; opened at the first read, closed after the last one
    """

    def __init__(self, attachment: Attachment) -> None:
        self._attachment = attachment
        self._file: IO[bytes] | None = None
        self.len = attachment.size

    def read(self, size: int = -1) -> bytes:
        if self.len == 0:
            return b""
        part = self._part(self.len if size < 0 else min(size, self.len))
        if not part:
            raise OSError("a file became shorter while it was being sent")
        self.len -= len(part)
        if self.len == 0:
            self.close()
        return part

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _part(self, size: int) -> bytes:
        try:
            if self._file is None:
                self._file = self._attachment.open()
            return self._file.read(size)
        except Exception as exc:  # each kind of storage raises its own errors
            raise OSError(f"a file could not be read ({type(exc).__name__})") from None


def _in_memory(source: tuple[Any, ...] | list[Any]) -> Attachment:
    if not is_named_bytes(source) or not isinstance(source[0], str) or not source[0].strip():
        raise ValueError("must be a path, a URL or (name, bytes)")
    content = bytes(source[1])
    return Attachment(_safe(source[0]), len(content), lambda: io.BytesIO(content))


def _stored(path: StoredFile) -> Attachment:
    try:
        found = path.is_file()
        size = int(path.stat().st_size) if found else 0
        if found:
            path.open("rb").close()
    except Exception as exc:  # each kind of storage raises its own errors
        raise ValueError(f"cannot be read ({type(exc).__name__})") from None
    if not found:
        raise ValueError("there is no such file")
    return Attachment(_safe(path.name), size, lambda: path.open("rb"))


def _safe(name: str) -> str:
    # A line break would end the header of the part.
    return " ".join(as_text(name).split())
