"""Calls of the client from an event loop."""

from __future__ import annotations

import asyncio
import threading

import pytest

from airflow_provider_usedesk.hooks.usedesk import UsedeskHook
from airflow_provider_usedesk.polling.client_thread import ClientThread
from tests.support.delivery import set_extra


@pytest.fixture
def thread(connection):
    thread = ClientThread("usedesk-test")
    yield thread
    thread.close()


def call(thread, function, *args):
    return asyncio.run(thread.call(UsedeskHook().settings(), function, *args))


def test_runs_in_its_own_thread(thread):
    assert call(thread, lambda _: threading.current_thread().name).startswith("usedesk-test")


def test_passes_arguments_and_raises_errors(thread):
    assert call(thread, lambda _, value: value + 1, 1) == 2
    with pytest.raises(ZeroDivisionError):
        call(thread, lambda _: 1 / 0)


def test_changed_settings_make_a_new_client(thread, monkeypatch):
    first = call(thread, lambda client: client)
    assert call(thread, lambda client: client) is first
    set_extra(monkeypatch, max_wait=1)
    assert call(thread, lambda client: client) is not first


def test_closing_ends_the_wait_of_the_client(connection):
    thread, waits = ClientThread("usedesk-test"), threading.Event()

    def wait(_):
        waits.set()
        thread._sleep(3600)

    async def close():
        calling = asyncio.create_task(thread.call(UsedeskHook().settings(), wait))
        await asyncio.to_thread(waits.wait, 30)
        thread.close()
        with pytest.raises(asyncio.CancelledError):
            await calling

    asyncio.run(close())
    assert thread.is_closed
    thread.close()
