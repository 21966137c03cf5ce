"""Calls of the client from an event loop, which they must not stop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import Concatenate, ParamSpec, TypeVar

from airflow_provider_usedesk.api.client import UsedeskClient
from airflow_provider_usedesk.api.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")


class ClientThread:
    """
    Call Usedesk from a thread of its own: a call that waits takes no thread from the others in the triggerer.

    :param name: names the thread
    """

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._closed = threading.Event()
        self._client: UsedeskClient | None = None

    @property
    def is_closed(self) -> bool:
        return self._closed.is_set()

    async def call(
        self,
        settings: Settings,
        ask: Callable[Concatenate[UsedeskClient, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """LookUp with a client for these settings; return what comes of it."""
        client = self._client_for(settings)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, lambda: ask(client, *args, **kwargs))

    def close(self) -> None:
        self._closed.set()
        self._thread.shutdown(wait=False)
        if self._client is not None:
            self._client.close()

    def _client_for(self, settings: Settings) -> UsedeskClient:
        if self._client is None or self._client.settings != settings:
            if self._client is not None:
                self._client.close()
            self._client = UsedeskClient(settings, sleep=self._sleep)
        return self._client

    def _sleep(self, seconds: float) -> None:
        """Wait for the client, but no longer than somebody wants to know what it will see."""
        if self._closed.wait(seconds):
            raise CancelledError
