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
    """

    def __init__(self, *, until: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.until = until

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{type(self).__module__}.{type(self).__qualname__}", {"until": self.until}

    async def _payload(self) -> dict[str, Any]:
        left = (datetime.fromisoformat(self.until) - datetime.now(UTC)).total_seconds()
        await asyncio.sleep(max(left, 0))
        return {"until": self.until}
