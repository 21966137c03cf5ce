"""How a file of recipients is to be read, checked before it is opened."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

CANDIDATES = (",", ";", "\t")
"""Delimiters that are found without being named."""

_FROM_TEMPLATE = re.compile(r"\brow\.([^\W\d]\w*)|\brow\[\s*(?:'([^']+)'|\"([^\"]+)\")\s*\]")


@dataclass(frozen=True)
class FileOptions:
    """
    How a file of recipients is to be read.

    :param delimiter: character between two fields; default: None, found from the header and the first rows
    :param encoding: encoding of a text file without a byte order mark; default: None, UTF-8
    :param columns: column names by heading; default: none, headings are names
    :param required: columns that every row must have; default: none
    :param key_columns: columns by which the header is recognised if there are lines above it; default: none
    :param hints: columns that the task uses, by which the delimiter is recognised; default: none
    """

    delimiter: str | None = None
    encoding: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    key_columns: frozenset[str] = frozenset()
    hints: frozenset[str] = frozenset()


def file_option_errors(given: Mapping[str, Any]) -> list[str]:
    """
    Return a text for each argument that says how a file is read and is not valid.

    :param given: the arguments of the operator; those that are missing are valid
    """
    return [
        *_errors_of_delimiter(given.get("delimiter")),
        *_errors_of_encoding(given.get("encoding")),
        *_errors_of_columns(given.get("columns")),
    ]


def file_options(
    delimiter: str | None,
    encoding: str | None,
    columns: Mapping[str, str] | None,
    row_key: str,
    row_template: Any,
    arguments: Collection[str],
) -> FileOptions:
    """
    Return how a file is to be read for a task.

    :param delimiter: as in :class:`FileOptions`
    :param encoding: as in :class:`FileOptions`
    :param columns: as in :class:`FileOptions`; None for none
    :param row_key: the column that identifies a row, or a template
    :param row_template: templates of arguments
    :param arguments: columns that are sent under their own names
    """
    in_key = names_in(row_key)
    required = frozenset() if in_key or "{" in row_key else frozenset({row_key.strip()})
    return FileOptions(
        delimiter=delimiter,
        encoding=encoding,
        columns={_normal(heading): name for heading, name in (columns or {}).items()},
        required=required,
        key_columns=required | in_key,
        hints=required | in_key | names_in(row_template) | frozenset(arguments),
    )


def names_in(template: Any) -> frozenset[str]:
    """Return the columns that the texts in a template name."""
    if isinstance(template, str):
        return frozenset(next(filter(None, found)) for found in _FROM_TEMPLATE.findall(template))
    if isinstance(template, Mapping):
        template = list(template.values())
    if isinstance(template, (list, tuple)):
        return frozenset[str]().union(*map(names_in, template))
    return frozenset()


def _normal(heading: str) -> str:
    return " ".join(heading.split())


def _errors_of_delimiter(delimiter: object) -> list[str]:
    is_valid = isinstance(delimiter, str) and len(delimiter) == 1 and delimiter not in '"\r\n\0'
    if delimiter is None or is_valid:
        return []
    return ["delimiter: must be one character, such as ';' or '\\t'"]


def _errors_of_encoding(encoding: object) -> list[str]:
    if encoding is None:
        return []
    try:
        # Also refuses codecs of bytes, such as base64.
        b"a".decode(encoding)  # type: ignore[arg-type]
    except UnicodeDecodeError:
        # One byte is not a whole character in UTF-16.
        return []
    except (LookupError, TypeError, ValueError):
        return ["encoding: must be the name of a text encoding, such as 'cp1251' or 'utf-8'"]
    return []


def _errors_of_columns(columns: object) -> list[str]:
    if columns is None:
        return []
    if not isinstance(columns, Mapping) or not all(map(_is_name, (*columns, *columns.values()))):
        return ["columns: must be a dict of column names by heading, such as {'Телефон': 'client_phone'}"]
    repeated = [name for name, count in Counter(columns.values()).items() if count > 1]
    return [f"columns: has two headings for {name!r}" for name in repeated]


def _is_name(name: object) -> bool:
    return isinstance(name, str) and bool(name.strip())
