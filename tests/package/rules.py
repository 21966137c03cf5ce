"""Rules about the source of the package, as functions from a module's text to what is wrong with it."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Mapping

PACKAGE = "airflow_provider_usedesk"
RELATIVE = "relative import of "
MODULE = re.compile(rf"(airflow|{PACKAGE})([.:]\w+)+")
VERSIONS = re.compile(r"\b(AIRFLOW|AIRFLOW_V_\w+|version_info|Version)\b|airflow\.__version__|metadata")


def imported_modules(source: str, *, in_strings: bool = True) -> set[str]:
    """
    Return the modules that a module imports, wherever the import stands.

    :param in_strings: whether a string that is the dotted name of a module counts as an import
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            found.add(f"{RELATIVE}{node.module or ''}")
        elif isinstance(node, ast.ImportFrom):
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif in_strings and isinstance(node, ast.Constant) and MODULE.fullmatch(str(node.value)):
            found.add(str(node.value))
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            found.update(str(part.value) for part in node.args if isinstance(part, ast.Constant))
    return found


def imported_rooms(source: str, rooms: Iterable[str], *, in_strings: bool = True) -> set[str]:
    """Return the rooms of the package that a module imports; what is in no other room is ``__init__``."""
    known = set(rooms)
    parts = [name.split(".") for name in imported_modules(source, in_strings=in_strings)]
    ours = [names[1] if len(names) > 1 else "" for names in parts if names[0] == PACKAGE]
    return {room if room in known else "__init__" for room in ours}


def airflow_imports(source: str) -> set[str]:
    """Return what a module imports of Airflow; of other providers only Redis has a use here."""
    return {
        name
        for name in imported_modules(source)
        if re.split(r"[.:]", name)[0] == "airflow" and not name.startswith("airflow.providers.redis.")
    }


def relative_imports(source: str) -> set[str]:
    """Return the relative imports of a module, which name no room."""
    return {name for name in imported_modules(source) if name.startswith(RELATIVE)}


def own_names(source: str) -> set[str]:
    """Return the names that a module defines, and the attributes that it sets on ``self``."""
    return _own_names(ast.parse(source))


def private_attributes(source: str, inherited: Collection[str] = ()) -> set[str]:
    """
    Return the private names that a module uses, but for those that it defines itself.

    :param inherited: names that it may use on ``self``, because classes of the package define them
    """
    tree = ast.parse(source)
    own = _own_names(tree)
    attributes = [
        (node, node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and not (_is_own(node) and node.attr in inherited)
    ]
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _is_getattr(node)]
    named = [(node, str(node.args[1].value)) for node in calls if isinstance(node.args[1], ast.Constant)]
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names = [(node, part) for node in imports for part in _imported_parts(node)]
    return {
        f"line {node.lineno}: {ast.unparse(node)}"
        for node, name in [*attributes, *named, *names]
        if _is_private(name) and name not in own
    }


def version_switches(source: str) -> set[str]:
    """Return the comparisons, conditions and calls of a module that name a version."""
    nodes = list(ast.walk(ast.parse(source)))
    tests = [node.test for node in nodes if isinstance(node, (ast.If, ast.IfExp, ast.While))]
    others = [node for node in nodes if isinstance(node, (ast.Compare, ast.Call))]
    return {
        f"line {node.lineno}: {ast.unparse(node)}"
        for node in [*tests, *others]
        if VERSIONS.search(ast.unparse(node))
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
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _is_own(node):
            names.add(node.attr)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return names


def _is_getattr(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Name) and node.func.id in ("getattr", "setattr") and len(node.args) > 1


def _imported_parts(node: ast.ImportFrom) -> list[str]:
    return [*(node.module or "").split("."), *(alias.name for alias in node.names)]


def _is_own(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
