"""Work in a thread that nobody has to wait for."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from airflow_provider_usedesk.notifications.daemon import in_daemon_thread


def test_result_is_returned():
    assert in_daemon_thread(lambda: 5).result(10) == 5


def test_error_is_raised():
    with pytest.raises(ZeroDivisionError):
        in_daemon_thread(lambda: 1 / 0).result(10)


def test_caller_stops_waiting():
    finished = threading.Event()
    future = in_daemon_thread(lambda: finished.wait(10))
    with pytest.raises(TimeoutError):
        future.result(0.01)
    finished.set()
    assert future.result(10)


def test_thread_does_not_keep_process_alive():
    code = (
        "import time\n"
        "from airflow_provider_usedesk.notifications.daemon import in_daemon_thread\n"
        "in_daemon_thread(lambda: time.sleep(600))\n"
        "print('ended')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "ended\n"
