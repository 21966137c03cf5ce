"""The text of a file, decoded and separated into rows that are parsed one by one."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, NamedTuple, TextIO, cast

from airflow_provider_usedesk.batch.row import InvalidRecipients

MAX_ROW_LENGTH = 1 << 20
"""In characters: more than the largest message needs, even if JSON escapes each of its characters."""

TOO_LONG = f"is longer than {MAX_ROW_LENGTH:,} characters"

_WORKBOOK_MARKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""The first bytes of .xlsx and .xls files."""

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Record(NamedTuple):
    """
    The text of one row of a file.

    :param text: the text; empty if the row is too long
    :param line: line of the file where it begins, from 1
    :param is_one_line: whether it is on one line
    :param is_too_long: whether it is too long
    :param is_open: whether the file ends within quotes
    """

    text: str
    line: int
    is_one_line: bool = True
    is_too_long: bool = False
    is_open: bool = False

    @property
    def is_blank(self) -> bool:
        return not self.is_too_long and not self.text.strip()


@dataclass(frozen=True)
class Text:
    """
    The decoded text of a file.

    :param file: the text
    :param encoding: its encoding
    :param is_given: whether the task named the encoding
    """

    file: TextIO
    encoding: str
    is_given: bool

    def records(self, is_quoted: bool) -> Iterator[Record]:
        """
        Yield the rows, which end at the end of a line.

        :param is_quoted: whether a row goes on if a line ends between quotes, after an odd number of them
        """
        line = 0
        readline = self.file.readline
        while part := readline(MAX_ROW_LENGTH):
            if part.endswith("\n") and not (is_quoted and '"' in part and part.count('"') % 2):
                line += 1
                yield Record(part, line)
            else:
                record, lines = self._long_record(part, line + 1, is_quoted)
                line += lines
                yield record

    def _long_record(self, part: str, line: int, is_quoted: bool) -> tuple[Record, int]:
        parts: list[str] = []
        size = quotes = lines = 0
        while part:
            size += len(part)
            quotes += part.count('"') if is_quoted else 0
            if size <= MAX_ROW_LENGTH:
                parts.append(part)
            else:
                parts.clear()
            is_line = part.endswith("\n")
            lines += is_line
            if is_line and quotes % 2 == 0:
                break
            part = self.file.readline(MAX_ROW_LENGTH)
        is_one_line = lines == (0 if not part else 1)
        return Record("".join(parts), line, is_one_line, size > MAX_ROW_LENGTH, quotes % 2 == 1), lines

    def check(self, text: str, place: str) -> None:
        """
        Check that a text was decoded.

        :param text: the text
        :param place: how an error names it
        :raises InvalidRecipients: if it was not
        """
        if text.isascii():
            return
        if not re.search("[\ud800-\udfff]", text):
            if self.is_given and _is_utf8(text, self.encoding):
                # Each Russian letter would be two wrong letters, which a customer would read.
                raise InvalidRecipients([f"{place} is UTF-8, but encoding= names {self.encoding}"])
            return
        if self.is_given:
            raise InvalidRecipients([f"{place} is not {self.encoding}, which encoding= names"])
        raise InvalidRecipients(
            [
                f"{place} is not UTF-8. Excel in Russian saves CSV files as Windows-1251: if it made this "
                "file, give encoding='cp1251', or save it as CSV UTF-8"
            ]
        )


def open_text(stored: IO[bytes], encoding: str | None) -> Text:
    """
    Return the text of a file, decoded while it is read.

    :param stored: the bytes
    :param encoding: the encoding, unless the file begins with a byte order mark; None for UTF-8
    :raises InvalidRecipients: if it is a workbook
    """
    head = _head(stored)
    if head in _WORKBOOK_MARKS:
        raise InvalidRecipients(
            ["it is an Excel workbook, not a text file: name it .xlsx, or save an .xls file as .xlsx"]
        )
    marked = next((name for mark, name in _BYTE_ORDER_MARKS if head.startswith(mark)), None)
    used = marked or encoding or "utf-8"
    return Text(
        # Bytes that cannot be decoded become surrogates, so that the error can name their row.
        io.TextIOWrapper(
            cast("IO[bytes]", _Stream(head, stored)),
            encoding="utf-8-sig" if marked == "utf-8" else used,
            errors="surrogateescape",
            newline="\n",
        ),
        used,
        is_given=marked is None and encoding is not None,
    )


def _is_utf8(text: str, encoding: str) -> bool:
    """Return whether a text that was decoded byte by byte is one of UTF-8."""
    encoded = text.encode(encoding)
    if len(encoded) != len(text):
        return False
    try:
        decoded = encoded.decode()
    except UnicodeDecodeError:
        return False
    # A pair of bytes of another encoding may be valid UTF-8 by chance, several are not.
    return len(text) - len(decoded) > 2


def _head(stored: IO[bytes]) -> bytes:
    head = b""
    while len(head) < 4 and (part := stored.read(4 - len(head))):
        head += part
    return head


class _Stream(io.BufferedIOBase):
    """A stream of which the first bytes were read already, and which may not be able to go back."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self._head = head
        self._rest = rest
        self._read_rest = getattr(rest, "read1", rest.read)

    def readable(self) -> bool:
        return True

    def read1(self, size: int = -1, /) -> bytes:
        head, self._head = self._head, b""
        return head or self._read_rest(size)

    def close(self) -> None:
        self._rest.close()
        super().close()
