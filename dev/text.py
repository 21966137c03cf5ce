"""Plain text for the terminal: aligned tables, and color only where a person looks on."""

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


def _cell(value: object) -> str:
    text = "" if value is None else " ".join(str(value).split())
    return text if len(text) <= WIDEST_CELL else f"{text[: WIDEST_CELL - 1]}…"


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
