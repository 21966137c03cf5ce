"""Form fields with PHP's brackets, such as ``files[]`` and ``lists[0][0][id]``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

MAX_DEPTH = 16
INDEX = r"[0-9]{1,18}"


class _Branch(dict[str, Any]):
    """The values below a name, and the next number for ``[]``."""

    next_number = 0

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        if re.fullmatch(INDEX, key):
            self.next_number = max(self.next_number, int(key) + 1)


def flattened(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values in nested dicts and lists, each with its name in brackets."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from flattened(item, f"{name}[{key}]" if name else str(key))
    elif isinstance(value, list):
        yield from flattened(dict(enumerate(value)), name)
    else:
        yield name, value


def nested(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Build nested dicts and lists from names in brackets, as PHP does."""
    tree = _Branch()
    for name, value in pairs:
        _put(tree, _keys(name), value)
    return {key: _as_list(value) for key, value in tree.items()}


def _keys(name: str) -> list[str]:
    head, brackets, rest = name.partition("[")
    if not brackets or not head:
        return [name]
    # No regular expression: a long name without a closing bracket would take minutes.
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
    """Convert dicts with the keys 0, 1, 2, … to lists."""
    if not isinstance(value, dict):
        return value
    items = {key: _as_list(item) for key, item in value.items()}
    if items and list(items) == [str(index) for index in range(len(items))]:
        return list(items.values())
    return items
