"""Wait in the triggerer until quiet hours are over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent


class QuietHoursTrigger(BaseTrigger):
    """
    Fire when quiet hours are over.

    :param until: when that is, ISO 8601; the same after a restart of the triggerer
    """

    def __init__(self, *, until: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.until = until

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{type(self).__module__}.{type(self).__qualname__}", {"until": self.until}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        left = (datetime.fromisoformat(self.until) - datetime.now(UTC)).total_seconds()
        await asyncio.sleep(max(left, 0))
        yield TriggerEvent({"until": self.until})  # type: ignore[no-untyped-call]
