"""Rules about the source of the package, as functions from a module's text to what is wrong with it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping

PACKAGE = "airflow_provider_usedesk"
MODULE = re.compile(rf"(airflow|{PACKAGE})(\.\w+)+")
VERSIONS = re.compile(r"AIRFLOW|AIRFLOW_V_\w+|AIRFLOW_VERSION|version_info|__version__")


def imported_modules(source: str, *, in_strings: bool = True) -> set[str]:
    """
    Return the modules that a module imports, wherever the import stands.

    :param in_strings: whether a string that is the dotted name of a module counts as an import
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif in_strings and isinstance(node, ast.Constant) and MODULE.fullmatch(str(node.value)):
            found.add(str(node.value))
    return found


def imported_rooms(source: str, rooms: Iterable[str], *, in_strings: bool = True) -> set[str]:
    """Return the rooms of the package that a module imports; what is in no other room is ``__init__``."""
    known = set(rooms)
    parts = [name.split(".") for name in imported_modules(source, in_strings=in_strings)]
    ours = [names[1] if len(names) > 1 else "" for names in parts if names[0] == PACKAGE]
    return {room if room in known else "__init__" for room in ours}


def airflow_imports(source: str) -> set[str]:
    """Return what a module imports of Airflow itself; other providers have public interfaces."""
    return {
        name
        for name in imported_modules(source)
        if name.split(".")[0] == "airflow" and not name.startswith("airflow.providers.")
    }


def private_attributes(source: str) -> set[str]:
    """Return the private attributes that a module uses, but for those that it defines itself."""
    tree = ast.parse(source)
    own = _own_names(tree)
    return {
        f"line {node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and _is_private(node.attr) and node.attr not in own
    }


def version_switches(source: str) -> set[str]:
    """Return the comparisons and conditions of a module that name a version."""
    return {
        f"line {node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Compare) and VERSIONS.search(ast.unparse(node))
    }


def upward_arrows(arrows: Mapping[str, set[str]], floors: list[set[str]]) -> set[tuple[str, str]]:
    """Return the imports from a room to a room on a higher floor."""
    level = {room: number for number, floor in enumerate(floors) for room in floor}
    return {
        (room, other) for room, others in arrows.items() for other in others if level[other] > level[room]
    }


def circle(arrows: Mapping[str, set[str]]) -> list[str]:
    """Return rooms that import each other in a circle, in order; an empty list if there is no circle."""
    for start in sorted(arrows):
        path = next(_paths_back(start, [start], arrows), [])
        if path:
            return path
    return []


def _paths_back(start: str, path: list[str], arrows: Mapping[str, set[str]]) -> Iterator[list[str]]:
    for other in sorted(arrows.get(path[-1], ())):
        if other == start and len(path) > 1:
            yield [*path, start]
        elif other not in path:
            yield from _paths_back(start, [*path, other], arrows)


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _own_names(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and _is_own(node):
            names.add(node.attr)
    return names


def _is_own(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
