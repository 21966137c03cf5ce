"""Parts of responses: each is read leniently, because pages and services differ in the forms of values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_usedesk.api.responses import as_id, text_or_none

# MySQL shows a date that is not set so.
NO_DATE = "0000-00-00"


def objects(content: object) -> Iterator[dict[str, Any]]:
    """Yield the objects of an array; nothing of anything else."""
    return (row for row in content if isinstance(row, dict)) if isinstance(content, list) else iter(())


def first_object(*candidates: object) -> dict[str, Any]:
    """Return the first object that has items; an empty one if there is none."""
    return next((one for one in candidates if isinstance(one, dict) and one), {})


def reference(value: object) -> int | None:
    """Return the id of something else, as a value or inside an object; None for 0, which means nothing."""
    return as_id(value.get("id") if isinstance(value, dict) else value) or None


def references(content: object) -> tuple[int, ...]:
    """Return the ids in an array of ids or objects."""
    items = content if isinstance(content, list) else []
    return tuple(number for item in items if (number := reference(item)) is not None)


def is_set(flag: object, default: bool = False) -> bool:
    """Return a flag, which is a bool, a number or a text."""
    return default if flag is None else str(flag).lower() in ("1", "true")


def moment(value: object) -> str | None:
    """Return a time as Usedesk writes it; None for a time that is not set."""
    text = text_or_none(value)
    return None if not text or text.startswith(NO_DATE) else text


def names(content: object) -> tuple[str, ...]:
    """Return the names of tags, which are texts or objects."""
    items = content if isinstance(content, list) else []
    found = (item.get("name") if isinstance(item, dict) else item for item in items)
    return tuple(str(name) for name in found if name is not None)


def texts(name: str, *contents: object) -> tuple[str, ...]:
    """
    Return texts such as e-mail addresses, each once.

    :param name: where the text is in an object
    :param contents: texts, several of them joined with commas, and arrays of texts or objects
    """
    found = (part for content in contents for text in _texts(name, content) for part in text.split(","))
    return tuple(dict.fromkeys(part.strip() for part in found if part.strip()))


def _texts(name: str, content: object) -> Iterator[str]:
    for item in content if isinstance(content, list) else [content]:
        text = text_or_none(item.get(name) if isinstance(item, dict) else item)
        if text:
            yield text


def field_values(content: object, *other_names: str) -> dict[int, str | None]:
    """
    Return the values of custom fields by the id of the field.

    :param content: a list of objects, or anything else
    :param other_names: where the id of the field is if not in ``ticket_field_id``
    """
    found: dict[int, str | None] = {}
    for one in objects(content):
        numbers = (as_id(one.get(name)) for name in ("ticket_field_id", *other_names))
        number = next((number for number in numbers if number is not None), None)
        if number is not None:
            found[number] = text_or_none(one.get("value"))
    return found


def raw_objects(*contents: object) -> tuple[Mapping[str, Any], ...]:
    """Return the objects of arrays as they are, each once."""
    found: list[Mapping[str, Any]] = []
    for content in contents:
        found += [one for one in objects(content) if one not in found]
    return tuple(found)
