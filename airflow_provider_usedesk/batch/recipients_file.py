"""The file of a batch's recipients: where it is, what kind it is, and what goes wrong with it."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from typing import IO, cast
from urllib.parse import urlsplit

from airflow_provider_usedesk.api.attachments import OpenUrl, StoredFile, stored_file
from airflow_provider_usedesk.batch.csv_rows import csv_rows
from airflow_provider_usedesk.batch.file_options import FileOptions
from airflow_provider_usedesk.batch.json_rows import json_rows
from airflow_provider_usedesk.batch.row import InvalidRecipients, Row, UnreadableRow
from airflow_provider_usedesk.batch.text_records import open_text
from airflow_provider_usedesk.batch.web_file import WebFile, WebFileError
from airflow_provider_usedesk.batch.xlsx_rows import xlsx_rows

ALLOWED = (
    "must be an iterable of dicts, a callable without arguments that returns one, or the path or URL of a "
    ".csv, .tsv, .jsonl, .ndjson or .xlsx file (a text file also with .gz after it)"
)
_NAME = re.compile(r"\.((?P<text>csv|tsv|jsonl|ndjson)(?P<gz>\.gz)?|xlsx)\Z", re.IGNORECASE)


class RecipientsFile:
    """
    The file of a batch's recipients.

    :param source: its path, its URL, or a path object
    :param options: how it is to be read
    :param open_url: returns a path object for a URL; default: None, no URLs but those of the web
    :raises InvalidRecipients: if it is of no known kind, the options do not fit its kind, or a library for
        its storage is not installed
    :raises OSError: if there is no such file, or the storage fails
    """

    def __init__(
        self, source: str | StoredFile, options: FileOptions, open_url: OpenUrl | None = None
    ) -> None:
        self._name = without_secrets(source)
        self._options = options
        kind = file_kind(str(source))
        self._is_compressed = kind["gz"] is not None
        self._kind = (kind["text"] or "xlsx").lower()
        if options.delimiter and self._kind not in ("csv", "tsv"):
            raise InvalidRecipients([f"{self._name}: delimiter= is for .csv and .tsv files only"])
        if options.encoding and self._kind == "xlsx":
            raise InvalidRecipients([f"{self._name}: encoding= is for text files only"])
        self._file = self._located(source, open_url)

    def rows(self) -> Iterator[Row | UnreadableRow]:
        """
        Yield the rows.

        :raises InvalidRecipients: if the file is invalid
        :raises OSError: if the storage fails
        """
        try:
            with self._file.open("rb") as stored:
                yield from self._rows(stored)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise InvalidRecipients([f"{self._name} is not a complete gzip file"]) from None
        except InvalidRecipients as error:
            raise InvalidRecipients([f"{self._name}: {error}"]) from None
        except UnicodeDecodeError as error:
            raise InvalidRecipients([f"{self._name} is not {error.encoding}"]) from None
        except Exception as exc:  # each storage has its own errors
            raise OSError(f"{self._name} could not be read ({_reason(exc)})") from None

    def _rows(self, stored: IO[bytes]) -> Iterator[Row | UnreadableRow]:
        if self._kind == "xlsx":
            yield from xlsx_rows(stored, self._options)
            return
        unpacked = gzip.GzipFile(fileobj=stored) if self._is_compressed else stored
        text = open_text(cast("IO[bytes]", unpacked), self._options.encoding)
        with text.file:
            if self._kind in ("jsonl", "ndjson"):
                yield from json_rows(text, self._options.columns)
            else:
                yield from csv_rows(text, self._options, "\t" if self._kind == "tsv" else None)

    def _located(self, source: str | StoredFile, open_url: OpenUrl | None) -> StoredFile:
        if isinstance(source, str) and urlsplit(source).scheme in ("http", "https"):
            return WebFile(source)
        try:
            file = stored_file(source, open_url) if isinstance(source, str) else source
        except ValueError as error:
            if isinstance(error.__context__, ImportError):
                raise InvalidRecipients([f"{self._name} {error}"]) from None
            raise OSError(f"{self._name} {error}") from None
        try:
            exists = file.is_file()
        except ImportError as exc:
            # Its text names libraries, and no data.
            raise InvalidRecipients([f"{self._name} cannot be read: {exc}"]) from None
        except Exception as exc:  # each storage has its own errors
            raise OSError(f"{self._name} cannot be read ({type(exc).__name__})") from None
        if not exists:
            raise FileNotFoundError(f"{self._name}: there is no such file")
        return file


def without_secrets(source: str | StoredFile) -> str:
    """Return how an error names a file: a URL may have a password in it, and a signature after its path."""
    parts = urlsplit(str(source))
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}" if "://" in str(source) else str(source)


def has_secrets(path: str) -> bool:
    """
    Return whether a path or URL contains a password, a token or a signature.

    :param path: path or URL; the name before ``@`` in ``s3://conn_id@bucket`` is that of a connection
    """
    try:
        parts = urlsplit(path)
    except ValueError:
        return True
    user = parts.netloc.rpartition("@")[0]
    return "?" in path or ":" in user or (bool(user) and parts.scheme in ("http", "https"))


def file_kind(source: str) -> re.Match[str]:
    """
    Return the end of a file's name that tells its kind, with the groups ``text`` and ``gz``.

    :param source: its path or URL
    :raises InvalidRecipients: if it is of no known kind
    """
    # What follows the path of a URL is no part of the name, unless the storage takes it as one.
    path = urlsplit(source).path if "://" in source else source
    if (found := _NAME.search(path) or _NAME.search(source)) is None:
        raise InvalidRecipients([ALLOWED])
    return found


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, WebFileError) else type(error).__name__
