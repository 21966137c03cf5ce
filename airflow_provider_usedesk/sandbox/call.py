"""One call of an API method: its parameters, parsed as PHP would, and the errors it can return."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from airflow_provider_usedesk.sandbox.company import Company
from airflow_provider_usedesk.sandbox.json_body import read_json

PAGE_SIZE = 100
FILES_PATH = "/files"
MAX_ID = 2**32 - 1
DIGITS = r"[0-9]{1,10}"
TIME_FORMATS = ("%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d")
# For refusals whose code is unknown; the status of Laravel for parameters that are not valid.
UNKNOWN_CODE = 422

Row = TypeVar("Row")


class Refusal(Exception):
    """
    An error response of Usedesk.

    :param error: the text of the error, or the messages by parameter
    :param code: its code
    :param status: HTTP status
    :param extra: other members of the response
    """

    def __init__(
        self,
        error: str | Mapping[str, list[str]],
        code: int = UNKNOWN_CODE,
        *,
        status: int = 200,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(error)
        self.error = error
        self.code = code
        self.status = status
        self._extra = extra or {}

    def as_json(self) -> dict[str, Any]:
        return {**self._extra, "code": self.code, "error": self.error}


@dataclass(frozen=True)
class Upload:
    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True)
class Call:
    """
    One call of an API method.

    :param company: the data
    :param params: the merged parameters of the query and the body
    :param now: time of the call
    :param listing_lag: time for which ``tickets`` does not list a new ticket
    :param offset_is: unit of ``offset``, ``page`` or ``row``
    :param filters_fields: whether ``tickets`` filters by custom fields
    :param additional_id: returns what ``ticket`` shows of an ``additional_id``
    :param delivered_at: time at which a message that is sent now is delivered; None for never
    :param shapes: form of responses, ``pages`` or ``clients``
    :param is_lenient: whether to accept what public clients send although the pages do not allow it
    """

    company: Company
    params: Mapping[str, Any]
    now: datetime
    listing_lag: timedelta
    offset_is: str
    filters_fields: bool
    additional_id: Callable[[str], Any]
    delivered_at: datetime | None
    shapes: str = "pages"
    is_lenient: bool = False

    def text(self, name: str) -> str:
        value = self.params.get(name)
        if isinstance(value, (dict, list, Upload)):
            raise Refusal(f"{name} must be a string", 116 if name == "tag" else UNKNOWN_CODE)
        return "" if value is None else str(value).strip()

    def number(self, name: str, code: int = UNKNOWN_CODE) -> int | None:
        value = self.text(name)
        if not value:
            return None
        if not re.fullmatch(DIGITS, value) or not 1 <= int(value) <= MAX_ID:
            raise Refusal(f"{name} is not a valid id", code)
        return int(value)

    def flag(self, name: str) -> bool:
        return self.text(name).lower() in ("true", "1")

    def choice(self, name: str, choices: Sequence[str]) -> str:
        value = self.text(name)
        if value and value not in choices:
            raise Refusal(f"{name} must be one of {', '.join(choices)}")
        return value

    def strings(self, name: str) -> list[str]:
        """Read an array of strings, or a comma-separated string."""
        value = self.params.get(name)
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return [str(item) for item in self.array(name)]

    def array(self, name: str) -> list[Any]:
        return as_array(self.params.get(name))

    def time_filter(self, after: str, before: str) -> Callable[[datetime], bool]:
        """Build a filter that compares times to the minute, with both limits included."""
        first, last = self._minute(after), self._minute(before)

        def is_within(moment: datetime) -> bool:
            minute = moment.replace(second=0, microsecond=0)
            return (first is None or first <= minute) and (last is None or minute <= last)

        return is_within

    def page(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Return the page of 100 rows that ``offset`` selects."""
        offset = int(self.text("offset")) if re.fullmatch(r"[0-9]{1,9}", self.text("offset")) else 0
        start = offset * PAGE_SIZE if self.offset_is == "page" else offset
        return rows[start : start + PAGE_SIZE]

    def _minute(self, name: str) -> datetime | None:
        """Read a time to the minute; without a time of day it is midnight."""
        if not self.text(name):
            return None
        for form in TIME_FORMATS:
            with suppress(ValueError):
                return datetime.strptime(self.text(name), form).replace(second=0, tzinfo=UTC)
        raise Refusal(f"{name} must be YYYY-MM-DD HH:MM")


def as_array(value: Any) -> list[Any]:
    """Read an array, also as a JSON string or with gaps in its indexes; one value is an array of one."""
    if isinstance(value, str) and value.startswith("["):
        try:
            value = read_json(value)
        except ValueError:
            return [value]
    if isinstance(value, dict) and all(key.isdecimal() for key in value):
        return list(value.values())
    return value if isinstance(value, list) else [] if value in (None, "") else [value]


def time_text(moment: datetime) -> str:
    """Format a time as Usedesk does."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
