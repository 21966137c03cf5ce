"""Lists that Usedesk returns in pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

PAGE_SIZE = 100


class Identified(Protocol):
    """A row of a list."""

    @property
    def id(self) -> int: ...


Row = TypeVar("Row", bound=Identified)


def pages(read: Callable[[int], list[Row]], *, until_empty: bool = False) -> Iterator[list[Row]]:
    """
    Yield the pages of a list, without repeated rows.

    Usedesk does not document whether ``offset`` counts pages or rows. It counts rows if the second page
    begins like the first one.

    :param read: returns the rows at an offset
    :param until_empty: whether only a page without new rows is the last one, for a service whose pages are
        smaller than documented; default: false, the last one is a page that is not full
    """
    seen: set[int] = set()
    page, counts_rows = 0, False
    rows: list[Row] = []
    while True:
        before, rows = rows, read(len(seen) if counts_rows else page)
        new = [row for row in rows if row.id not in seen]
        seen.update(row.id for row in new)
        if new:
            yield new
        is_shifted = page == 1 and bool(rows) and rows[0].id in [row.id for row in before[:2]]
        if (len(rows) < PAGE_SIZE and not until_empty) or not (new or is_shifted):
            return
        counts_rows = counts_rows or is_shifted
        page += 1
