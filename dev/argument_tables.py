"""Every argument of an operator, sensor, trigger or notifier, from its signature and its docstring."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
import types
import typing
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

PACKAGE = "airflow_provider_usedesk"
FIELD = re.compile(r":(?P<field>\w+)(?: (?P<name>\w+))?: *(?P<text>.*)")
DEFAULT = re.compile(r"[;.] (?P<whose>[Dd]efault(?: of Usedesk)?): (?P<text>.*)$")
TEMPLATED = "(templated)"
REQUIRED = "required"
# A variable argument of a constructor that takes parameters by name is shown; `kwargs` goes to Airflow.
AIRFLOW_ARGUMENTS = "kwargs"


@dataclass(frozen=True)
class Argument:
    """One row of a table; texts are reStructuredText."""

    name: str
    type: str
    default: str
    is_templated: bool
    meaning: str


def arguments_of(shown: type) -> list[Argument]:
    """
    Return the arguments of a class, required ones first, without those of Airflow's own classes.

    :param shown: the class
    :raises LookupError: when no docstring describes an argument
    """
    texts = _parameter_texts(shown)
    arguments = {}
    for owner, parameter in _parameters(shown):
        if parameter.name in arguments:
            continue
        if parameter.name not in texts:
            raise LookupError(f"{shown.__name__}: no docstring has a line :param {parameter.name}:")
        arguments[parameter.name] = _argument(shown, owner, parameter, texts[parameter.name])
    return sorted(arguments.values(), key=lambda argument: argument.default != REQUIRED)


def table_lines(arguments: Iterable[Argument]) -> Iterator[str]:
    """
    Return the lines of a reStructuredText table.

    :param arguments: its rows
    """
    yield from (".. list-table::", "   :header-rows: 1", "   :class: arguments", "")
    yield from _row("argument", "type", "default", "templated", "meaning")
    for one in arguments:
        templated = "yes" if one.is_templated else ""
        yield from _row(f"``{one.name}``", one.type, one.default, templated, one.meaning)
    yield ""


def without_parameters(docstring: Iterable[str]) -> list[str]:
    """
    Return the lines of a docstring without those that describe parameters.

    :param docstring: its lines, without indentation
    """
    kept, is_parameter = [], False
    for line in docstring:
        if field := FIELD.match(line):
            is_parameter = field["field"] == "param"
        elif line and not line.startswith(" "):
            is_parameter = False
        if not is_parameter:
            kept.append(line)
    return kept


def docstring_fields(docstring: str) -> Iterator[tuple[str, str, str]]:
    """
    Return the fields of a docstring: the kind, the name and the text of each.

    :param docstring: the docstring as it stands in the source
    """
    lines: list[str] = []
    for line in [*inspect.cleandoc(docstring).splitlines(), ""]:
        if lines and line.startswith(" "):
            lines.append(line.strip())
            continue
        if lines and (field := FIELD.match(" ".join(lines))):
            yield field["field"], field["name"] or "", field["text"]
        lines = [line] if FIELD.match(line) else []


def _row(*cells: str) -> Iterator[str]:
    for number, cell in enumerate(cells):
        yield f"   {'  ' if number else '* '}- {cell}".rstrip()


def _own_classes(shown: type) -> Iterator[type]:
    return (one for one in shown.__mro__ if one.__module__.partition(".")[0] == PACKAGE)


def _parameters(shown: type) -> Iterator[tuple[type, inspect.Parameter]]:
    for owner in _own_classes(shown):
        if "__init__" not in vars(owner):
            continue
        parameters = inspect.signature(inspect.unwrap(vars(owner)["__init__"])).parameters.values()
        for parameter in list(parameters)[1:]:
            if parameter.kind is not parameter.VAR_KEYWORD or parameter.name != AIRFLOW_ARGUMENTS:
                yield owner, parameter


def _parameter_texts(shown: type) -> dict[str, str]:
    texts: dict[str, str] = {}
    for owner in _own_classes(shown):
        for field, name, text in docstring_fields(vars(owner).get("__doc__") or ""):
            if field == "param":
                texts.setdefault(name, text)
    return texts


def _argument(shown: type, owner: type, parameter: inspect.Parameter, text: str) -> Argument:
    is_templated = text.endswith(TEMPLATED)
    meaning = text.removesuffix(TEMPLATED).rstrip()
    described = DEFAULT.search(meaning)
    return Argument(
        name=f"**{parameter.name}" if parameter.kind is parameter.VAR_KEYWORD else parameter.name,
        type=type_text(parameter.annotation, owner.__module__),
        default=_described_default(described) if described else _default(parameter),
        is_templated=is_templated,
        meaning=DEFAULT.sub("", meaning),
    )


def _described_default(described: re.Match[str]) -> str:
    return (
        described["text"] if described["whose"].lower() == "default" else f"of Usedesk: {described['text']}"
    )


def _default(parameter: inspect.Parameter) -> str:
    value = parameter.default
    if parameter.kind is parameter.VAR_KEYWORD:
        return "none"
    if value is parameter.empty:
        return REQUIRED
    if value is None:
        return "none"
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g} seconds"
    return f"``{_double_quoted(repr(value))}``"


def type_text(annotation: object, module: str) -> str:
    """
    Return a short text for the type of an argument: names of types, and the words of a choice.

    :param annotation: its annotation, as a string or evaluated
    :param module: the module in which it stands
    """
    if annotation is inspect.Parameter.empty:
        return ""
    source = annotation if isinstance(annotation, str) else _source(annotation)
    words = dict.fromkeys(_members(ast.parse(source, mode="eval").body, module))
    words.pop("None", None)
    return ", ".join(f"``{word}``" for word in words)


def _members(node: ast.expr, module: str) -> Iterator[str]:
    if isinstance(node, ast.BinOp):
        yield from _members(node.left, module)
        yield from _members(node.right, module)
    elif isinstance(node, ast.Subscript) and ast.unparse(node.value) in ("Templated", "Rendered"):
        yield from _members(node.slice, module)
    elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Literal":
        words = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        yield from (_double_quoted(ast.unparse(word)) for word in words)
    elif isinstance(node, ast.Name) and (alias := _alias(node.id, module)) is not None:
        # An alias is written in its own module, where its parts are known.
        yield from _members(ast.parse(_source(alias), mode="eval").body, module)
    else:
        yield _double_quoted(ast.unparse(_WithoutAliases(module).visit(node)))


class _WithoutAliases(ast.NodeTransformer):
    """Write out the names for several types inside another type, such as ``Sequence[Id]``."""

    def __init__(self, module: str) -> None:
        self._module = module

    def visit_Name(self, node: ast.Name) -> ast.expr:
        alias = _alias(node.id, self._module)
        return node if alias is None else ast.parse(_source(alias), mode="eval").body


def _alias(name: str, module: str) -> object | None:
    """Return what a name stands for, if it is a name for a choice or for several types."""
    value = getattr(sys.modules[module], name, None)
    if value is None and (home := _imports(module).get(name)):
        value = getattr(importlib.import_module(home), name, None)
    return value if typing.get_origin(value) in (typing.Literal, typing.Union, types.UnionType) else None


@cache
def _imports(module: str) -> dict[str, str]:
    """Return from which module each name comes, also those that are imported for type checks only."""
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    found = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module)
    return {alias.name: str(node.module) for node in found for alias in node.names}


def _source(value: Any) -> str:
    """Return a type as it is written in source, without the modules of its parts."""
    origin = typing.get_origin(value)
    if origin is typing.Literal:
        return f"Literal[{', '.join(map(repr, typing.get_args(value)))}]"
    if origin in (typing.Union, types.UnionType):
        return " | ".join(_source(one) for one in typing.get_args(value))
    if value is type(None):
        return "None"
    if origin is not None and (parts := typing.get_args(value)):
        return f"{origin.__name__}[{', '.join(map(_source, parts))}]"
    text = value.__name__ if isinstance(value, type) else str(value)
    return re.sub(r"\b[a-z_]\w*\.", "", text)


def _double_quoted(text: str) -> str:
    return text.replace("'", '"')
