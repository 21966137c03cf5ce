"""What Jinja makes of an expression that finds nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Undefined


def is_omitted_else(value: Undefined) -> bool:
    """
    Return whether a value is the missing ``else`` of an expression such as ``{{ 'Dr. ' if is_doctor }}``.

    Jinja renders it to an empty text, also where it refuses every variable that does not exist.

    :param value: what the expression gave
    """
    return str(value._undefined_hint).startswith("the inline if-expression")
