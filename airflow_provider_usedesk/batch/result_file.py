"""The result file of a batch: the outcome of each row, written while the batch runs."""

from __future__ import annotations

import csv
import io
import json
import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol, Self

from airflow_provider_usedesk.api.attachments import OpenUrl, StoredFile, stored_file

log = logging.getLogger(__name__)

COLUMNS = ("row", "key", "outcome", "ticket_id", "reason")
REQUEST = "request"
"""One more column, in the file of a rehearsal."""
ALLOWED = "must be the path or URL of a .jsonl, .ndjson or .csv file"
UPLOAD_PAUSE = 10
"""The time between two uploads is at least so many times the duration of the last one."""

Line = Callable[[Sequence[str], Sequence[Any]], str]
"""Makes a line of the columns and the values of a row."""


class ResultWriter(Protocol):
    """Writes the outcome of each row."""

    def write(
        self,
        number: int,
        key: str,
        outcome: str,
        ticket_id: int | None,
        reason: str,
        request: Mapping[str, Any] | None = None,
    ) -> None:
        """Write the outcome of a row."""
        ...

    def sync(self) -> None:
        """Make the rows visible that were written so far, if it is time to."""
        ...


class NoResultFile:
    """Stands in for the result file where none was asked for."""

    def write(
        self,
        number: int,
        key: str,
        outcome: str,
        ticket_id: int | None,
        reason: str,
        request: Mapping[str, Any] | None = None,
    ) -> None:
        pass

    def sync(self) -> None:
        pass


class ResultFile:
    """
    A new file with the outcome of each row. An old file of this name stays until the first row is written.

    A file on disk has each row at once. Object storage cannot append: rows are collected in a private file,
    which is uploaded as a whole from time to time, and at the end.

    Keys are written unchanged. A spreadsheet may take a key that begins with ``=``, ``+``, ``-`` or ``@`` for
    a formula, unless the column is imported as text.

    :param path: path or URL of a .jsonl, .ndjson or .csv file; missing folders on disk are created
    :param open_url: returns a path object for a URL, such as Airflow's ``ObjectStoragePath``; default: None,
        no URLs
    :param clock: returns the time in seconds; default: ``time.monotonic``
    :param sync_seconds: least time between two uploads; more if an upload takes long; default: 30
    :param with_requests: whether the file has a column ``request`` with all parameters of each request, in a
        .csv file as JSON; default: false
    :raises ValueError: if there can be no such file
    """

    def __init__(
        self,
        path: str | StoredFile,
        open_url: OpenUrl | None = None,
        clock: Callable[[], float] = time.monotonic,
        sync_seconds: float = 30.0,
        *,
        with_requests: bool = False,
    ) -> None:
        self._line = _line_of(path)
        self._columns = (*COLUMNS, REQUEST) if with_requests else COLUMNS
        self._target: _DiskFile | _StorageFile
        if "://" in str(path):
            self._target = _StorageFile(path, open_url, clock, sync_seconds)
        else:
            self._target = _DiskFile(Path(str(path)))
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        """
        Check that the file can be written, as far as possible without writing it.

        :raises OSError: if it cannot
        """
        self._target.check()
        return self

    def write(
        self,
        number: int,
        key: str,
        outcome: str,
        ticket_id: int | None,
        reason: str,
        request: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Write the outcome of a row.

        :param number: number of the row
        :param key: key of the row
        :param outcome: one word
        :param ticket_id: id of its ticket; None if there is none
        :param reason: why it was not sent; empty if it was
        :param request: its parameters, for a file that has them; default: None
        :raises OSError: if the row cannot be written, because the disk is full for example
        """
        file = self._open_file()
        values = (number, key, outcome, ticket_id, reason, request)[: len(self._columns)]
        file.write(_encoded(self._line(self._columns, values)))
        self._target.sync(file)

    def sync(self) -> None:
        """Upload the rows, if it is time to. Each ``write`` does it as well; this is for pauses."""
        if self._file is not None:
            self._target.sync(self._file)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """
        Write the rest. If there were no rows and no error, write an empty file.

        :raises OSError: if the rest cannot be written, unless there was an error already
        """
        if kind is None:
            self._open_file()
        if self._file is None:
            return
        try:
            with self._file as file:
                self._target.finish(file)
        except OSError as failure:
            if kind is None:
                raise
            log.warning("The last rows are missing in the result file (%s).", type(failure).__name__)

    def _open_file(self) -> IO[bytes]:
        if self._file is None:
            self._file = self._target.open()
            if self._line is _csv_line:
                self._file.write(_encoded(_csv_line((), self._columns)))
        return self._file


class _DiskFile:
    """A file on disk, which is written in place."""

    def __init__(self, path: Path) -> None:
        try:
            is_folder = path.is_dir()
        except OSError as exc:
            raise ValueError(f"cannot be written ({type(exc).__name__})") from None
        if is_folder:
            raise ValueError(f"{ALLOWED}, not a folder")
        self._path = path

    def check(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.open("ab").close()

    def open(self) -> IO[bytes]:
        return self._path.open("wb")

    def sync(self, file: IO[bytes]) -> None:
        file.flush()

    def finish(self, file: IO[bytes]) -> None:
        file.flush()


class _StorageFile:
    """A file on object storage, which is uploaded as a whole, again and again."""

    def __init__(
        self,
        path: str | StoredFile,
        open_url: OpenUrl | None,
        clock: Callable[[], float],
        sync_seconds: float,
    ) -> None:
        self._stored = stored_file(path, open_url) if isinstance(path, str) else path
        self._clock = clock
        self._sync_seconds = sync_seconds
        self._next = clock() + sync_seconds

    def check(self) -> None:
        try:
            self._stored.is_file()
        except Exception as exc:  # each storage has its own errors
            message = f"The storage of the result file cannot be reached ({type(exc).__name__})"
            raise OSError(message) from None

    def open(self) -> IO[bytes]:
        return tempfile.TemporaryFile()

    def sync(self, file: IO[bytes]) -> None:
        began = self._clock()
        if began < self._next:
            return
        try:
            self.finish(file)
        except OSError as failure:
            log.warning("%s. Its rows are kept, and uploaded later.", failure)
        now = self._clock()
        self._next = now + max(self._sync_seconds, UPLOAD_PAUSE * (now - began))

    def finish(self, file: IO[bytes]) -> None:
        file.seek(0)
        try:
            with self._stored.open("wb") as target:
                shutil.copyfileobj(file, target)
        except Exception as exc:  # each storage has its own errors
            raise OSError(f"The result file could not be uploaded ({type(exc).__name__})") from None
        finally:
            file.seek(0, io.SEEK_END)


def check_path(path: object) -> None:
    """
    Check the name of a result file.

    :param path: path or URL
    :raises ValueError: if it does not end in .jsonl, .ndjson or .csv
    """
    _line_of(path)


def _line_of(path: object) -> Line:
    if isinstance(path, (str, StoredFile)):
        for ending, line in _LINES.items():
            if str(path).lower().endswith(ending):
                return line
    raise ValueError(ALLOWED)


def _json_line(columns: Sequence[str], values: Sequence[Any]) -> str:
    return json.dumps(dict(zip(columns, values, strict=True)), ensure_ascii=False) + "\n"


def _csv_line(columns: Sequence[str], values: Sequence[Any]) -> str:
    line = io.StringIO()
    cells = (json.dumps(one, ensure_ascii=False) if isinstance(one, Mapping) else one for one in values)
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


_LINES = {".jsonl": _json_line, ".ndjson": _json_line, ".csv": _csv_line}


def _encoded(line: str) -> bytes:
    # Half of a surrogate pair has no UTF-8; JSON reads the escape back as the same character.
    return line.encode(errors="backslashreplace")
