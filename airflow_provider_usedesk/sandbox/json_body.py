"""JSON that a client sent, within the limits of PHP."""

from __future__ import annotations

import json
from typing import Any

MAX_DEPTH = 512


def read_json(text: str | bytes) -> Any:
    """
    Read JSON.

    :raises ValueError: for invalid JSON, half of a surrogate pair, a number that is not finite, or more than
        512 levels
    """
    try:
        content = json.loads(text)
        json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
    except RecursionError:
        raise ValueError("The JSON has too many levels.") from None
    if _depth(content) > MAX_DEPTH:
        raise ValueError("The JSON has too many levels.")
    return content


def _depth(content: Any) -> int:
    depth, level = 0, [content]
    while level:
        depth += 1
        level = [item for one in level for item in _items(one)]
    return depth


def _items(content: Any) -> list[Any]:
    if isinstance(content, dict):
        return list(content.values())
    return content if isinstance(content, list) else []
