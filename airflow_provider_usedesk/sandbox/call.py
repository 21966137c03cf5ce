"""One call of a method: its parameters, read the way PHP would, and its refusal."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from airflow_provider_usedesk.sandbox.world import World

PAGE_SIZE = 100
MAX_ID = 2**32 - 1

Row = TypeVar("Row")


class Refusal(Exception):
    """Refuse a request, with the code that Usedesk has for it, where one is known."""

    def __init__(self, error: str, code: int | None = None) -> None:
        super().__init__(error)
        self.code = code

    def as_json(self) -> dict[str, Any]:
        return {"error": str(self)} if self.code is None else {"code": self.code, "error": str(self)}


@dataclass(frozen=True)
class Upload:
    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True)
class Call:
    """
    Hold one call of a method.

    :param world: the company
    :param given: parameters of the query and of the body together
    :param now: the moment of the call
    :param listing_lag: how long a new ticket is missing in ``tickets``
    :param offset_is: whether ``offset`` counts pages or rows
    :param files_path: path below which files can be downloaded
    :param delivered_at: when a message that is sent now is delivered; None for never
    """

    world: World
    given: Mapping[str, Any]
    now: datetime
    listing_lag: timedelta
    offset_is: str
    files_path: str
    delivered_at: datetime | None

    def text(self, name: str) -> str:
        value = self.given.get(name)
        if isinstance(value, (dict, list)):
            raise Refusal(f"{name} must be a string", 116 if name == "tag" else None)
        return "" if value is None else str(value).strip()

    def number(self, name: str, code: int | None = None) -> int | None:
        value = self.text(name)
        if not value:
            return None
        if not re.fullmatch(r"[0-9]{1,10}", value) or not 1 <= int(value) <= MAX_ID:
            raise Refusal(f"{name} is not a valid id", code)
        return int(value)

    def choice(self, name: str, choices: Sequence[str]) -> str:
        value = self.text(name)
        if value and value not in choices:
            raise Refusal(f"{name} must be one of {', '.join(choices)}")
        return value

    def several(self, name: str) -> list[str]:
        """Read an array, or a text with commas."""
        value = self.given.get(name)
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return [str(item) for item in self.items(name)]

    def items(self, name: str) -> list[Any]:
        """Read an array, in JSON or with gaps too; one value is an array of one."""
        value = self.given.get(name)
        if isinstance(value, str) and value.startswith("["):
            try:
                value = json.loads(value)
            except ValueError:
                return [value]
        if isinstance(value, dict) and all(key.isdecimal() for key in value):
            return list(value.values())
        return value if isinstance(value, list) else [] if value in (None, "") else [value]

    def within(self, after: str, before: str) -> Callable[[datetime], bool]:
        """Compare to the minute, bounds included, as the real filters are described."""
        first, last = self._minute(after), self._minute(before)

        def check(moment: datetime) -> bool:
            minute = moment.replace(second=0, microsecond=0)
            return (first is None or first <= minute) and (last is None or minute <= last)

        return check

    def page(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Cut out the hundred rows that ``offset`` asks for."""
        offset = int(self.text("offset")) if re.fullmatch(r"[0-9]{1,9}", self.text("offset")) else 0
        start = offset * PAGE_SIZE if self.offset_is == "page" else offset
        return rows[start : start + PAGE_SIZE]

    def _minute(self, name: str) -> datetime | None:
        if not self.text(name):
            return None
        try:
            return datetime.strptime(self.text(name), "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
        except ValueError:
            raise Refusal(f"{name} must be YYYY-MM-DD HH:MM") from None


def moment(at: datetime) -> str:
    """Write a moment as Usedesk does."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
