"""The types of templated arguments, for editors and type checkers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NewType, TypeAlias, TypeVar

Template = NewType("Template", str)
"""
A text that Airflow renders, for an argument that is one of several words.

``priority=Template("{{ params.priority }}")``, or ``Template(text)`` for a variable. Only type checkers need
it: when the Dag runs, it is the text.
"""

OnNotDelivered = Literal["fail", "ignore", "resend"]
FindBy = Literal["email", "phone"]

if TYPE_CHECKING:
    from airflow_provider_usedesk.compat.sdk import XComArg

    T = TypeVar("T")
    Templated: TypeAlias = T | Template | XComArg
    # Not written out at an argument: jedi fails at a union with a NewType.
    Rendered: TypeAlias = T | Template
