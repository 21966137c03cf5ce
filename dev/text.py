"""Plain text: aligned tables for the terminal and for pages, and color only where a person looks on."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence

BOLD, GREEN, RED, DIM = "1", "32", "31", "2"
WIDEST_CELL = 60


def say(line: str = "") -> None:
    """Print at once, so that a waiting reader sees how far it is."""
    print(line, flush=True)


def colored(text: str, color: str) -> str:
    if not sys.stdout.isatty() or "NO_COLOR" in os.environ:
        return text
    return f"\033[{color}m{text}\033[0m"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(row[column]) for row in [list(head), *cells]) for column in range(len(head))]
    lines = [colored(_aligned(head, widths), BOLD), *(_aligned(row, widths) for row in cells)]
    return "\n".join(f"  {line}" for line in lines)


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table for a page, with columns that are aligned as text, too."""
    lines = [list(head), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    lines.insert(1, ["-" * width for width in widths])
    return "".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |\n"
        for line in lines
    )


def with_table(page: str, begin: str, end: str, text: str) -> str:
    """
    Return the page with another table between two markers.

    :param page: text of the page
    :param begin: the marker before the table
    :param end: the marker after it
    :param text: the table
    """
    before, _, rest = page.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"the page has no {begin} and {end}")
    return f"{before}{begin}\n\n{text}\n{end}{after}"


def _cell(value: object) -> str:
    text = "" if value is None else " ".join(str(value).split())
    return text if len(text) <= WIDEST_CELL else f"{text[: WIDEST_CELL - 1]}…"


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
