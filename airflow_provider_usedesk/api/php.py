"""Form fields with PHP's brackets, put together the way PHP does."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

MAX_DEPTH = 16
INDEX = r"[0-9]{1,18}"


class _Branch(dict[str, Any]):
    """Hold what is below a name, and the number that comes after the highest one."""

    next_number = 0

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        if re.fullmatch(INDEX, key):
            self.next_number = max(self.next_number, int(key) + 1)


def nested(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Build nested lists and dicts of names such as ``lists[0][0][id]`` and ``files[]``."""
    tree = _Branch()
    for name, value in pairs:
        _put(tree, _keys(name), value)
    return {key: _as_list(value) for key, value in tree.items()}


def _keys(name: str) -> list[str]:
    head, brackets, rest = name.partition("[")
    if not brackets or not head:
        return [name]
    # Not with a pattern: over a long name without a closing bracket it would take minutes.
    closed = rest.split("]", MAX_DEPTH)[:-1]
    return [head, *(part.rpartition("[")[2] for part in closed)]


def _put(tree: _Branch, keys: list[str], value: Any) -> None:
    key, *deeper = keys
    if key == "":
        key = str(tree.next_number)
    if not deeper:
        tree[key] = value
        return
    branch = tree.get(key)
    if not isinstance(branch, _Branch):
        branch = tree[key] = _Branch()
    _put(branch, deeper, value)


def _as_list(value: Any) -> Any:
    """Turn what is numbered from 0 into a list, as JSON would show it."""
    if not isinstance(value, dict):
        return value
    items = {key: _as_list(item) for key, item in value.items()}
    if items and list(items) == [str(place) for place in range(len(items))]:
        return list(items.values())
    return items
