"""Wait in the triggerer until quiet hours are over."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from airflow_provider_usedesk.triggers.base import DeferringTrigger


class QuietHoursTrigger(DeferringTrigger):
    """
    Fire when quiet hours are over.

    :param until: when that is, ISO 8601; the same after a restart of the triggerer
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
