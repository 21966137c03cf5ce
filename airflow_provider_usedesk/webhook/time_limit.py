"""A time limit that counts only the time in which the event loop runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")

SLICES = 10


async def within(seconds: float, work: Awaitable[T]) -> T:
    """
    Return the result of an awaitable, or cancel it after a time limit.

    The API server imports, parses and queries in the same event loop. Whatever keeps the loop busy counts as
    at most a tenth of the limit, so that it does not refuse a webhook that waits in the socket meanwhile.

    :param seconds: the limit, in seconds
    :param work: the awaitable
    :raises TimeoutError: if it is not done within the limit; it is cancelled and has ended by then
    """
    task = asyncio.ensure_future(work)
    try:
        for _ in range(SLICES):
            await asyncio.wait([task], timeout=seconds / SLICES)
            if task.done():
                return task.result()
    finally:
        if task.cancel():
            await asyncio.wait([task])
            if not task.cancelled():
                # asyncio would log an error that nobody has read, with its text.
                task.exception()
    raise TimeoutError
