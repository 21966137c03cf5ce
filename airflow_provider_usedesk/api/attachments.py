"""Files of a ticket: located and measured before anything is sent, and read while they are sent."""

from __future__ import annotations

import io
import mimetypes
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol, runtime_checkable
from urllib.parse import urlsplit

from airflow_provider_usedesk.api.values import as_list, as_text

FORMS = "must be a path, a URL or (name, content), with the content as bytes or text"


@runtime_checkable
class StoredFile(Protocol):
    """A path object, such as ``pathlib.Path`` or ``upath.UPath``."""

    @property
    def name(self) -> str: ...
    def is_file(self) -> bool: ...
    def stat(self) -> Any: ...
    def open(self, mode: str, /) -> IO[bytes]: ...


class UploadError(OSError):
    """A file could not be read while it was sent; the text names neither its path nor its content."""


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

    :param source: local path, URL, path object, or (name, content) with the content as bytes or text
    :param open_url: returns a path object for a URL, such as ``upath.UPath``
    :raises ValueError: when there is no such file, with the reason
    """
    if isinstance(source, (tuple, list)):
        return _in_memory(source)
    if isinstance(source, str):
        source = stored_file(source, open_url)
    if _is_open_file(source):
        raise ValueError("is an open file; give its path, or (name, content) with what it contains")
    if not isinstance(source, StoredFile):
        raise ValueError(FORMS)
    return _stored(source)


def file_sources(given: object) -> list[Any] | None:
    """
    Return the files that an argument gives, each as :func:`attachment` takes it.

    A tuple of a name and a content is one file. A list of two texts is two paths.

    :param given: one file, or a list of files, also as the text that a template rendered
    :return: the files; None if the argument is one value that is no list
    """
    several = None if _is_open_file(given) else as_list(given)
    if several is not None and _is_pair(several, is_tuple=isinstance(given, tuple) or _is_tuple_text(given)):
        return [tuple(several)]
    return several


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
    except ImportError as exc:
        raise ValueError(_cannot_be("opened", exc)) from None
    except Exception as exc:
        raise ValueError(f"cannot be opened as {urlsplit(path).scheme}:// ({type(exc).__name__})") from None


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
            raise UploadError("a file became shorter while it was being sent")
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
            raise UploadError(f"a file could not be read ({type(exc).__name__})") from None


def _is_open_file(value: object) -> bool:
    # Also a temporary file, which wraps one.
    return hasattr(value, "read") and not isinstance(value, StoredFile)


def _is_pair(several: list[Any], *, is_tuple: bool) -> bool:
    """Return whether a list of two is one file; a list of two texts is two paths."""
    if len(several) != 2 or not isinstance(several[0], str):
        return False
    return isinstance(several[1], (bytes, bytearray, str) if is_tuple else (bytes, bytearray))


def _is_tuple_text(value: object) -> bool:
    return isinstance(value, str) and value.lstrip().startswith("(")


def _in_memory(source: tuple[Any, ...] | list[Any]) -> Attachment:
    if not _is_pair(list(source), is_tuple=True) or not source[0].strip():
        raise ValueError(FORMS)
    content = _encoded(source[1]) if isinstance(source[1], str) else bytes(source[1])
    return Attachment(_safe(source[0]), len(content), lambda: io.BytesIO(content))


def _encoded(content: str) -> bytes:
    if not content.strip():
        raise ValueError("has no content; its template may have rendered to an empty value")
    if _is_like_a_path(content):
        raise ValueError(
            "has a content that looks like a path or a URL. Give several files as a list, or the content as "
            "bytes: text.encode()"
        )
    return as_text(content).encode()


def _is_like_a_path(text: str) -> bool:
    if "\n" in text or len(text) > 4096:
        return False
    if "://" in text or re.fullmatch(r"\S+\.[A-Za-z]\w{0,7}", text) or re.match(r"[~.]{0,2}/\S", text):
        return True
    try:
        return Path(text).is_file()
    except (OSError, ValueError):
        return False


def _stored(path: StoredFile) -> Attachment:
    try:
        found = path.is_file()
        size = int(path.stat().st_size) if found else 0
        if found:
            path.open("rb").close()
    except ImportError as exc:
        raise ValueError(_cannot_be("read", exc)) from None
    except Exception as exc:  # each kind of storage raises its own errors
        raise ValueError(f"cannot be read ({type(exc).__name__})") from None
    if not found:
        raise ValueError("there is no such file")
    return Attachment(_safe(path.name), size, lambda: path.open("rb"))


def _cannot_be(done: str, error: ImportError) -> str:
    """Return why a storage cannot be used; the text of an ImportError names libraries, and no data."""
    return f"cannot be {done}: {str(error).rstrip('.') or 'a library is not installed'}"


def _safe(name: str) -> str:
    # A line break would end the header of the part.
    return " ".join(as_text(name).split())
