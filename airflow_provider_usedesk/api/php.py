"""Form fields with PHP's brackets, put together the way PHP does."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

MAX_DEPTH = 16
INDEX = r"[0-9]{1,18}"


def nested(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Build nested lists and dicts of names such as ``lists[0][0][id]`` and ``files[]``."""
    tree: dict[str, Any] = {}
    for name, value in pairs:
        _put(tree, _keys(name), value)
    return {key: _as_list(value) for key, value in tree.items()}


def _keys(name: str) -> list[str]:
    head, brackets, rest = name.partition("[")
    if not brackets or not head:
        return [name]
    return [head, *re.findall(r"\[?([^\[\]]*)\]", rest)[:MAX_DEPTH]]


def _put(tree: dict[str, Any], keys: list[str], value: Any) -> None:
    key, *deeper = keys
    if key == "":
        key = str(max((int(used) + 1 for used in tree if re.fullmatch(INDEX, used)), default=0))
    if not deeper:
        tree[key] = value
        return
    branch = tree.get(key)
    if not isinstance(branch, dict):
        branch = tree[key] = {}
    _put(branch, deeper, value)


def _as_list(value: Any) -> Any:
    """Turn what is numbered from 0 into a list, as JSON would show it."""
    if not isinstance(value, dict):
        return value
    items = {key: _as_list(item) for key, item in value.items()}
    if items and list(items) == [str(place) for place in range(len(items))]:
        return list(items.values())
    return items
