"""Work in a thread that nobody has to wait for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def in_daemon_thread(function: Callable[[], T]) -> Future[T]:
    """
    Start a function in a thread that does not keep the process alive, unlike those of a thread pool.

    :param function: the function
    :return: future of its result
    """
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()

    def run() -> None:
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name="usedesk-notifier", daemon=True).start()
    return future
