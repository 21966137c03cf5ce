"""The result file of a batch: what became of each row, to be followed while the batch runs."""

from __future__ import annotations

import csv
import io
import json
import logging
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from airflow_provider_usedesk.api.attachments import OpenUrl, StoredFile, stored_file

log = logging.getLogger(__name__)

COLUMNS = ("row", "key", "outcome", "ticket_id", "reason")
TAKEN = "must be the path or URL of a .jsonl, .ndjson or .csv file"
CALM = 10
"""Between two uploads passes at least this many times what the last one took."""


class ResultFile:
    """
    Write a whole new file of what became of each row; a file of before stays until there is a new one.

    A file on disk has each row at once. Object storage cannot append: rows are kept in a private file, which
    is uploaded as a whole now and then, and at the end.

    Keys are written as they are, so that they can be looked up; a spreadsheet may take one that begins with
    ``=``, ``+``, ``-`` or ``@`` for a formula, if it is not told that the column is text.

    :param path: path or URL of a .jsonl, .ndjson or .csv file; missing folders on disk are made
    :param open_url: makes a path object of a URL; Airflow's ``ObjectStoragePath`` for example
    :param clock: tells the time in seconds
    :param sync_seconds: least time between two uploads; more when an upload takes long; default: 30
    :raises ValueError: when there can be no such file, or its storage cannot be reached
    """

    def __init__(
        self,
        path: str | StoredFile,
        open_url: OpenUrl | None = None,
        clock: Callable[[], float] = time.monotonic,
        sync_seconds: float = 30.0,
    ) -> None:
        self._line = _line_of(path)
        self._place: _Disk | _Storage
        if "://" in str(path):
            self._place = _Storage(path, open_url, clock, sync_seconds)
        else:
            self._place = _Disk(Path(str(path)))
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        """
        See that the file can be written, as far as can be seen without writing it.

        :raises OSError: when it cannot
        """
        self._place.check()
        return self

    def write(self, number: int, key: str, outcome: str, ticket_id: int | None, reason: str) -> None:
        """
        Write what became of a row.

        :param number: of the row
        :param key: of the row
        :param outcome: one word
        :param ticket_id: None when there is no ticket
        :param reason: empty when there is nothing to say
        :raises OSError: when the disk is full, or the like
        """
        file = self._begun()
        file.write(_encoded(self._line((number, key, outcome, ticket_id, reason))))
        self._place.show(file)

    def show(self) -> None:
        """Show the rows that are not seen yet, when it is time to; for pauses, as each row does it too."""
        if self._file is not None:
            self._place.show(self._file)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """
        Write the rest; without rows, an empty file is written, unless there was an error.

        :raises OSError: when the rest cannot be written, unless there was an error already
        """
        if kind is None:
            self._begun()
        if self._file is None:
            return
        try:
            with self._file as file:
                self._place.finish(file)
        except OSError as failure:
            if kind is None:
                raise
            log.warning("The last rows are missing in the result file (%s).", type(failure).__name__)

    def _begun(self) -> IO[bytes]:
        if self._file is None:
            self._file = self._place.begin()
            if self._line is _csv_line:
                self._file.write(_encoded(_csv_line(COLUMNS)))
        return self._file


class _Disk:
    """A file that is written in its place."""

    def __init__(self, path: Path) -> None:
        try:
            is_folder = path.is_dir()
        except OSError as exc:
            raise ValueError(f"cannot be written ({type(exc).__name__})") from None
        if is_folder:
            raise ValueError(f"{TAKEN}, not a folder")
        self._path = path

    def check(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.open("ab").close()

    def begin(self) -> IO[bytes]:
        return self._path.open("wb")

    def show(self, file: IO[bytes]) -> None:
        file.flush()

    def finish(self, file: IO[bytes]) -> None:
        file.flush()


class _Storage:
    """A file that is uploaded as a whole, again and again."""

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
        except Exception as exc:  # each storage has errors of its own
            message = f"the storage of the result file cannot be reached ({type(exc).__name__})"
            raise OSError(message) from None

    def begin(self) -> IO[bytes]:
        return tempfile.TemporaryFile()

    def show(self, file: IO[bytes]) -> None:
        began = self._clock()
        if began < self._next:
            return
        try:
            self.finish(file)
        except OSError as failure:
            log.warning("%s; its rows are kept, and uploaded later.", failure)
        now = self._clock()
        self._next = now + max(self._sync_seconds, CALM * (now - began))

    def finish(self, file: IO[bytes]) -> None:
        file.seek(0)
        try:
            with self._stored.open("wb") as target:
                shutil.copyfileobj(file, target)
        except Exception as exc:  # each storage has errors of its own
            raise OSError(f"the result file could not be uploaded ({type(exc).__name__})") from None
        finally:
            file.seek(0, io.SEEK_END)


def _line_of(path: object) -> Callable[[tuple[Any, ...]], str]:
    if isinstance(path, (str, StoredFile)):
        for ending, line in _LINES.items():
            if str(path).lower().endswith(ending):
                return line
    raise ValueError(TAKEN)


def _json_line(values: tuple[Any, ...]) -> str:
    return json.dumps(dict(zip(COLUMNS, values, strict=True)), ensure_ascii=False) + "\n"


def _csv_line(values: tuple[Any, ...]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(values)
    return line.getvalue()


_LINES = {".jsonl": _json_line, ".ndjson": _json_line, ".csv": _csv_line}


def _encoded(line: str) -> bytes:
    # Half of a surrogate pair cannot be written; JSON reads the escape back as what it was.
    return line.encode(errors="backslashreplace")
