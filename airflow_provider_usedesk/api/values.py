"""Checks of single values: each takes a value of a caller and returns the value for the API."""

from __future__ import annotations

import ast
import json
import math
import numbers
import operator
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, TypeVar, get_args

T = TypeVar("T")

Check = Callable[[Any], Any]
"""Returns the value for the API, or raises ValueError with the right form, never with the value."""

UNKNOWN = object()
"""A value that is given, and that is not known yet, such as a template. It is not checked."""

# Unsigned, as MySQL counts ids: refusing a real id would leave its owner no way to use it.
MAX_ID = 2**32 - 1

STATUSES: Mapping[str, int] = {
    "open": 1,
    "solved": 2,
    "closed": 3,
    "deleted": 4,
    "on hold": 5,
    "pending": 6,
    "spam": 7,
    "new": 8,
    "newsletter": 9,
    "merged": 10,
}

NULL_TEXTS = ("None", "nan", "NaT", "<NA>")
"""
What a template renders for a null, in exactly this spelling.

``None`` is Python's, ``nan`` that of Python, numpy and pandas, ``NaT`` and ``<NA>`` those of pandas. Other
spellings are words that people write: Nan is a name, and "none" is an answer.
"""

# Above it, not every whole number is a float: the digits of an id may be other ones.
EXACT_FLOAT = 2**53

# Compiled at its first use: a Dag file that only names an operator needs no address.
ADDRESS = r"""[^\s@,;:<>()\[\]\\"]+@[^\s@,;:<>()\[\]\\".]+(\.[^\s@,;:<>()\[\]\\".]+)*"""


def all_checked(checks: Mapping[str, Check], given: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Check values by their names; return the valid ones, and the validation errors of the others."""
    valid: dict[str, Any] = {}
    validation_errors: list[str] = []
    for name, value in given.items():
        try:
            valid[name] = checks[name](value)
        except ValueError as error:
            validation_errors.append(f"{name}: {error}")
    return valid, validation_errors


def is_null(value: Any) -> bool:
    """
    Return whether a value stands for no value: None, a NaN of any type, or NaT and NA of pandas.

    A data frame has them where a file has an empty cell. No library of theirs is imported.
    """
    # The commonest first: a batch asks this for each value of each row.
    if isinstance(value, (str, bool, int)):
        return False
    if value is None or type(value).__name__ == "NAType":
        return True
    if hasattr(value, "__len__"):
        return False
    try:
        # Only what is not a number differs from itself.
        return bool(value != value)
    except Exception:
        # A signaling NaN of decimal refuses the comparison.
        return isinstance(value, Decimal)


def is_null_text(value: object) -> bool:
    """Return whether a value is the text that a template renders for a null."""
    return isinstance(value, str) and value.strip() in NULL_TEXTS


def is_empty(value: Any) -> bool:
    """Return whether a value is empty: a null, a blank text, or an empty collection."""
    if isinstance(value, str):
        return not value.strip()
    return is_null(value) or (hasattr(value, "__len__") and len(value) == 0)


def without_nulls(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by their names, with None in place of every other null."""
    return {name: None if is_null(value) else value for name, value in given.items()}


def check_not_null_text(value: object) -> None:
    """
    Check that a value is not the text that a template renders for a null.

    :raises ValueError: saying what to do
    """
    if is_null_text(value):
        raise ValueError(
            f"is the text {str(value).strip()!r}, which a template renders for a missing value; give it "
            "a default with default(), or leave the argument out"
        )


def text(limit: int) -> Callable[[Any], str]:
    """Return a check for a text of at most ``limit`` characters."""

    def check(value: Any) -> str:
        string = as_text(value)
        if len(string) > limit:
            raise ValueError(f"must have at most {limit} characters, has {len(string)}")
        return string

    return check


def one_line(limit: int) -> Callable[[Any], str]:
    """
    Return a check for a text of one line, of at most ``limit`` characters.

    Line breaks, tabs and other control characters in a row become one space, together with the spaces
    around them; at the ends they are removed.
    """

    def check(value: Any) -> str:
        return text(limit)(_filled_text(as_line(as_text(value))))

    return check


def as_line(string: str) -> str:
    """Return a text as one line, as :func:`one_line` does."""
    parts = (part.strip() for part in re.split(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", string))
    return " ".join(part for part in parts if part)


def text_of_bytes(limit: int) -> Callable[[Any], str]:
    """Return a check for a text of at most ``limit`` bytes in UTF-8."""

    def check(value: Any) -> str:
        string = as_text(value)
        size = len(string.encode())
        if size > limit:
            raise ValueError(f"must have at most {limit} bytes in UTF-8, has {size}")
        return string

    return check


def one_of(literal: Any) -> Check:
    """Return a check for one of the words of a ``Literal``."""
    return choice(*get_args(literal))


def choice(*options: str) -> Check:
    """Return a check for one of a few words."""

    def check(value: Any) -> str:
        word = value.strip().lower() if isinstance(value, str) else None
        if word not in options:
            raise ValueError(f"must be one of {', '.join(options)}")
        return word

    return check


def as_text(value: Any) -> str:
    """Return a text; numbers are accepted, because native rendering turns digits into numbers."""
    if isinstance(value, str):
        check_not_null_text(value)
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError("contains half of a surrogate pair, which cannot be sent") from None
        return value
    if is_null(value):
        raise ValueError("is an empty value: null, NaN or NaT")
    number = _number_text(value)
    if number is None:
        raise ValueError(f"must be a text, not {type(value).__name__}")
    return number


def name_text(value: Any) -> str:
    """
    Return the text of a value that names something, with a whole number as its digits.

    ``5``, ``5.0`` and the text ``5.0`` name the same: a column of numbers with an empty cell has floats.
    """
    if not isinstance(value, str):
        number = None if is_null(value) else _whole_number(value)
        return str(value).strip() if number is None else str(number)
    name = value.strip()
    decimal = re.fullmatch(r"(-?[0-9]+)\.0+", name) if name.endswith("0") else None
    return decimal[1] if decimal else name


def identifier(value: Any) -> int:
    """Return a 32-bit id, given as a number or as digits."""
    number = _whole_number(value)
    if number is None or not 1 <= number <= MAX_ID:
        raise ValueError("must be a 32-bit id: a whole number from 1 to 4294967295, or its digits")
    return number


def count(value: Any) -> int:
    """Return a whole number, at least 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError("must be a whole number, at least 1")
    return value


def id_or_null(value: Any) -> int | str:
    """Return the id of an agent or a group, or ``null``, which removes them from the ticket."""
    if isinstance(value, str) and value.strip() == "null":
        return "null"
    try:
        return identifier(value)
    except ValueError as error:
        raise ValueError(f"{error}, or 'null' for none") from None


def client_identifier(value: Any) -> str:
    """Return the id of a client, or ``new_client`` for a new one."""
    if isinstance(value, str) and value.strip() == "new_client":
        return "new_client"
    number = _whole_number(value)
    if number is None or number < 1 or len(str(number)) > 255:
        raise ValueError("must be a numeric client id or 'new_client'")
    return str(number)


def status(value: Any) -> int:
    """Return the number of a ticket status, given as number or English name."""
    if isinstance(value, str):
        name = re.sub(r"[\s_-]+", " ", value.strip().lower())
        if name in STATUSES:
            return STATUSES[name]
    try:
        return identifier(value)
    except ValueError:
        raise ValueError(f"must be a status number, or one of {', '.join(STATUSES)}") from None


def statuses(value: Any) -> tuple[int, ...]:
    """Return the numbers of ticket statuses, given as one, a collection, or a text with commas."""
    return tuple(_part(f"status {place}", status, item) for place, item in enumerate(several(value), 1))


def several(value: Any) -> list[Any]:
    """Return a list of values without order, given as one, a collection, or a text with commas."""
    items = list(value) if isinstance(value, (set, frozenset)) else as_list(value)
    if items is not None:
        return items
    return value.split(",") if isinstance(value, str) else [value]


def flag(value: Any) -> bool:
    """Return a bool, given as such or as the text that a template renders."""
    if is_bool(value):
        return bool(value)
    word = str(value).strip().lower()
    if word in ("true", "1"):
        return True
    if word in ("false", "0"):
        return False
    raise ValueError("must be true or false")


def username(value: Any) -> str:
    """Return a Telegram name, with or without the leading @."""
    name = text(255)(value).strip()
    if not re.fullmatch(r"@?[^\s@]+", name):
        raise ValueError("must be a Telegram name, such as ivanov or @ivanov")
    return name


def email(value: Any) -> str:
    """Return one email address, without the spaces around it."""
    return _address(text(255)(value))


def addresses(value: Any) -> list[str]:
    """Return email addresses, given as a list or a text with commas."""
    items = as_list(value)
    if items is None:
        items = as_text(value).split(",")
    return [_part(f"address {place}", _address, item) for place, item in enumerate(items, 1)]


def tags(value: Any) -> str:
    """Return tags as one text, given as a list or a text with commas."""
    items = as_list(value)
    if items is None:
        listed = one_line(255)(value)
        if any(is_empty(item) or is_null_text(item) for item in listed.split(",")):
            raise ValueError("contains an empty tag")
        return listed
    names = [_tag(item) for item in items]
    return text(255)(",".join(names))


def tag_key(tag: str) -> str:
    """Return what all spellings of a tag have in common, because Usedesk may change case and blanks."""
    return tag.strip().casefold()


def custom_fields(value: Any) -> tuple[str, str]:
    """Return field_id and field_value for custom fields, given as {id: value}."""
    fields = as_mapping(value)
    if fields is None:
        raise ValueError("must be a dict of {field id: value}")
    ids = [_part(f"key {place}", identifier, key) for place, key in enumerate(fields, 1)]
    if len(set(ids)) < len(ids):
        raise ValueError("names a field twice")
    values = [
        _part(f"the value of field {key}", field_value, item)
        for key, item in zip(ids, fields.values(), strict=True)
    ]
    return text(255)(";".join(map(str, ids))), ";".join(values)


def field_ids(value: Any) -> str:
    """Return the ids of custom fields, given as one id, a list, or a text with semicolons."""
    items = field_items(value)
    return text(255)(";".join(str(_part(f"id {place}", identifier, i)) for place, i in enumerate(items, 1)))


def field_values(value: Any) -> str:
    """Return the values of custom fields, given as one value, a list, or a text with semicolons."""
    items = field_items(value)
    return ";".join(_part(f"value {place}", field_value, item) for place, item in enumerate(items, 1))


def field_items(value: Any) -> list[Any]:
    """Return the ids or values of custom fields, given as one, a list, or a text with semicolons."""
    items = as_list(value)
    if items is not None:
        return items
    return value.split(";") if isinstance(value, str) else [value]


def field_value(value: Any) -> str:
    """Return the value of one custom field."""
    if is_bool(value):
        return "true" if value else "false"
    string = text(255)(value)
    if string in ("True", "False"):
        # As a template renders a bool.
        return string.lower()
    if ";" in string:
        raise ValueError("cannot contain a ';', which ends the value in Usedesk")
    return string


def nested_lists(value: Any) -> list[Any]:
    """Return the values of nested lists, given as a list of lists of {"id": …, "value": …}."""
    items = as_list(value)
    if items is None:
        raise ValueError('must be a list of lists of {"id": …, "value": …}')
    if any(as_list(entry) == [] for entry in items):
        raise ValueError("contains an empty list")
    return [
        [_part(f"level {level} of list {place}", _list_level, item) for level, item in enumerate(levels, 1)]
        if (levels := as_list(entry)) is not None
        # It is not known whether Usedesk also accepts the flat form, which one typed client sends.
        else _part(f"entry {place}", _list_level, entry)
        for place, entry in enumerate(items, 1)
    ]


def template_variables(value: Any) -> list[str]:
    """Return the variables of a template, in their order."""
    items = as_list(value)
    if items is None:
        raise ValueError("must be a list, or a text that renders to one")
    return [_part(f"variable {place}", _filled_text, item) for place, item in enumerate(items, 1)]


def address_flag(value: Any) -> str | None:
    """Return the flag for an additional address: true or a text; None for false."""
    try:
        return "true" if flag(value) else None
    except ValueError:
        return text(255)(value)


def as_list(value: Any) -> list[Any] | None:
    """Return any list-like value as a list, also one that a template rendered to text; else None."""
    if isinstance(value, str):
        value = _literal(value) if value.strip().startswith(("[", "(")) else None
    if isinstance(value, (str, bytes, bytearray, Mapping, set, frozenset)):
        return None  # a set has no order, which decides what a customer reads
    if not isinstance(value, Iterable):
        return None
    return list(value)


def reads_once(value: Any) -> bool:
    """Return whether a value, or an item of a list, is used up by reading it: a generator, an open file."""
    if isinstance(value, (list, tuple)):
        return any(reads_once(item) for item in value)
    return isinstance(value, Iterator)


def as_mapping(value: Any) -> Mapping[Any, Any] | None:
    """Return a dict, also one that a template rendered to text; else None."""
    found = _literal(value) if isinstance(value, str) else value
    return found if isinstance(found, Mapping) else None


def _literal(value: str) -> Any:
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(value)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return None


def is_bool(value: object) -> bool:
    """Return whether a value is a bool, of Python or of numpy."""
    kind = type(value)
    return kind is bool or (kind.__module__ == "numpy" and kind.__name__ in ("bool", "bool_"))


def _number_text(value: Any) -> str | None:
    """Return a number as text; None if it is no number that has decimal digits."""
    if is_bool(value):
        return None
    # numpy registers its numbers with these classes.
    if isinstance(value, numbers.Integral):
        return str(int(value))
    if isinstance(value, Decimal):
        return f"{value:f}" if value.is_finite() else None
    if isinstance(value, numbers.Real) and not isinstance(value, numbers.Rational):
        return str(value) if math.isfinite(value) else None
    return None


def _whole_number(value: Any) -> int | None:
    """Return a whole number; ``683.0``, too: a column of numbers with an empty cell has floats."""
    if isinstance(value, str):
        digits = re.fullmatch(r"([0-9]{1,300})(\.0+)?", value.strip())
        return int(digits[1]) if digits else None
    # The commonest first: numpy's numbers are asked of an abstract class.
    if type(value) is int:
        return value
    if is_bool(value):
        return None
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, (numbers.Real, Decimal)):
        number = float(value)
        return int(number) if number.is_integer() and abs(number) < EXACT_FLOAT else None
    try:
        return operator.index(value)
    except TypeError:
        return None


def _filled_text(value: Any) -> str:
    string = as_text(value)
    if not string.strip():
        raise ValueError("is empty")
    return string


def _address(value: Any) -> str:
    address = _trimmed(_filled_text(value))
    if not re.fullmatch(ADDRESS, address):
        raise ValueError("must be one email address")
    # After the form, which an address with a visible fault breaks first.
    if hidden := sorted({code_point(one) for one in address if unicodedata.category(one) in ("Cc", "Cf")}):
        raise ValueError(f"contains the invisible characters {', '.join(hidden[:3])}")
    return address


def _trimmed(string: str) -> str:
    """Return a text without spaces and invisible characters at its ends."""
    ends = "".join(one for one in set(string) if one.isspace() or unicodedata.category(one) in ("Cc", "Cf"))
    return string.strip(ends)


def code_point(character: str) -> str:
    """Return the code point of a character, such as U+200B."""
    return f"U+{ord(character):04X}"


def _tag(value: Any) -> str:
    name = as_line(_filled_text(value)).strip()
    if "," in name:
        raise ValueError("a tag cannot contain a comma, which ends the tag in Usedesk")
    return name


def _list_level(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping) or set(value) != {"id", "value"}:
        raise ValueError('must be {"id": …, "value": …}')
    return {
        "id": str(_part("id", identifier, value["id"])),
        "value": _part("value", _filled_text, value["value"]),
    }


def _part(place: str, check: Callable[[Any], T], value: Any) -> T:
    try:
        return check(value)
    except ValueError as error:
        raise ValueError(f"{place} {error}") from None
