"""Lists that Usedesk returns in pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

PAGE_SIZE = 100
MAX_REPEATED = 5
"""Repeated pages in a row that new rows can explain; more of them, and the service ignores ``offset``."""


class Identified(Protocol):
    """A row of a list."""

    @property
    def id(self) -> int: ...


Row = TypeVar("Row", bound=Identified)


def pages(read: Callable[[int], list[Row]], *, until_empty: bool = False) -> Iterator[list[Row]]:
    """
    Yield the pages of a list, without repeated rows.

    New rows may move the others to later pages while the list is read.

    :param read: returns the rows at an offset
    :param until_empty: whether only an empty page ends the list, for a service whose pages are smaller than
        documented; a page of repeated rows is then an empty list, and a service that ignores ``offset`` has
        no end; default: false, a page that is not full is the last one
    """
    seen: set[int] = set()
    offset, counts_rows, repeated = 0, False, 0
    while rows := read(offset):
        new = [row for row in rows if row.id not in seen]
        seen.update(row.id for row in new)
        repeated = 0 if new else repeated + 1
        is_last = not until_empty and (len(rows) < PAGE_SIZE or repeated == MAX_REPEATED)
        if offset and not (is_last or counts_rows) and 4 * len(new) <= len(rows):
            counts_rows = _overlaps(rows, read(0))
        if new or until_empty:
            yield new
        if is_last:
            return
        offset += len(rows) if counts_rows else 1


def _overlaps(rows: list[Row], first_page: list[Row]) -> bool:
    """
    Return whether a page overlaps the first one.

    Usedesk does not document whether ``offset`` counts pages or rows. If they overlap, it counts rows.

    :param rows: the page
    :param first_page: the first page, read after the other one: new rows only move rows away from it
    """
    first = {row.id for row in first_page}
    return 2 * sum(row.id in first for row in rows) > len(rows)
