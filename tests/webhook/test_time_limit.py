"""The time limit that does not count a busy event loop."""

from __future__ import annotations

import asyncio
import gc
import socket
import time
from contextlib import closing

import pytest

pytest.importorskip("starlette", reason="the receiver needs Airflow 3")

from starlette.requests import Request

from airflow_provider_usedesk.webhook.body import BodyTimeout, Limits, read_body
from airflow_provider_usedesk.webhook.time_limit import within

LIMIT = 0.2
HEADERS = {"type": "http", "method": "POST", "path": "/", "headers": []}


def test_waiting_body_is_read_after_a_busy_loop():
    ours, senders = socket.socketpair()
    ours.setblocking(False)

    async def receive():
        return {"type": "http.request", "body": await asyncio.get_running_loop().sock_recv(ours, 100)}

    def keep_busy():
        senders.send(b'{"id": 1}')
        time.sleep(LIMIT * 1.5)

    async def read():
        asyncio.get_running_loop().call_later(LIMIT / 20, keep_busy)
        return await read_body(Request(HEADERS, receive), Limits(seconds=LIMIT))

    with closing(ours), closing(senders):
        assert asyncio.run(read()) == {"id": 1}


def test_body_that_never_arrives_times_out():
    async def receive():
        await asyncio.Event().wait()

    with pytest.raises(BodyTimeout):
        asyncio.run(read_body(Request(HEADERS, receive), Limits(seconds=LIMIT / 10)))


def test_work_has_ended_when_the_limit_is_reached():
    ended = []

    async def work():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(True)

    with pytest.raises(TimeoutError):
        asyncio.run(within(LIMIT / 10, work()))
    assert ended == [True]


def test_error_of_the_work_is_raised():
    async def work():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        asyncio.run(within(LIMIT, work()))


def test_error_of_cancelled_work_is_not_logged(caplog):
    async def work():
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("a text of a webhook")

    with pytest.raises(TimeoutError):
        asyncio.run(within(LIMIT / 10, work()))
    gc.collect()
    assert caplog.text == ""


def test_cancelled_caller_cancels_the_work():
    ended = []

    async def work():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async def cancel():
        caller = asyncio.ensure_future(within(60, work()))
        await asyncio.sleep(LIMIT / 10)
        caller.cancel()
        await asyncio.wait([caller])
        return caller.cancelled()

    assert asyncio.run(cancel())
    assert ended == [True]
