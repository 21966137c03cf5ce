"""The trigger that fires at the end of quiet hours."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from airflow_provider_usedesk.triggers.base import DeferringTrigger


class QuietHoursTrigger(DeferringTrigger):
    """
    Fires at the end of quiet hours.

    :param until: when they end, ISO 8601, with a time zone
    :param deadline: when ``execution_timeout`` ends the attempt, ISO 8601; default: never
    """

    def __init__(self, *, until: str, deadline: str | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.until = until
        self.deadline = deadline

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "until": self.until,
            "deadline": self.deadline,
        }

    async def _payload(self) -> dict[str, Any]:
        until = datetime.fromisoformat(self.until)
        deadline = datetime.fromisoformat(self.deadline) if self.deadline else until
        await asyncio.sleep(max((min(until, deadline) - datetime.now(UTC)).total_seconds(), 0))
        return {"outcome": "timeout" if deadline < until else "done", "until": self.until}
