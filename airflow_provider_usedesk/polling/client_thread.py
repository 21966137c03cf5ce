"""Calls of the client from an event loop, without blocking the loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.client import UsedeskClient
    from airflow_provider_usedesk.api.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")


class ClientThread:
    """
    A thread with a client, so that a call that waits takes no thread from the pool of the triggerer.

    The thread also loads the client, because loading ``requests`` would block the loop.

    :param name: the prefix of the thread's name
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
        function: Callable[Concatenate[UsedeskClient, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """
        Call a function in the thread, with a client as its first argument.

        :param settings: the client's settings; a new client is made when they change
        :param function: the function
        :return: what the function returns
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._thread, lambda: function(self._client_for(settings), *args, **kwargs)
        )

    def close(self) -> None:
        """End a wait of the client, and close the client once its current call has returned."""
        if not self.is_closed:
            self._closed.set()
            self._thread.submit(self._close_client)
            self._thread.shutdown(wait=False)

    def _client_for(self, settings: Settings) -> UsedeskClient:
        from airflow_provider_usedesk.api.client import UsedeskClient
        from airflow_provider_usedesk.hooks.metrics import RequestMetrics

        if self._client is None or self._client.settings != settings:
            self._close_client()
            self._client = UsedeskClient(settings, sleep=self._sleep, observer=RequestMetrics())
        return self._client

    def _close_client(self) -> None:
        if self._client is not None:
            self._client.close()

    def _sleep(self, seconds: float) -> None:
        """Wait for the client, until the thread is closed."""
        if self._closed.wait(seconds):
            raise CancelledError
