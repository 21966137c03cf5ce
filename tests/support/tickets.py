"""Tickets in the sandbox, and waits for conditions."""

from __future__ import annotations

import asyncio

import pytest

from airflow_provider_usedesk.api.client import UsedeskClient
from airflow_provider_usedesk.polling import shared_poll
from tests.support.delivery import set_extra


@pytest.fixture
def make_ticket(usedesk_sandbox):
    """Create a ticket in the sandbox, change it, and return its id."""
    with UsedeskClient.connect(usedesk_sandbox.token, usedesk_sandbox.url) as client:

        def make_ticket(*, subject="s", tag=None, **changes):
            options = {} if tag is None else {"tag": tag}
            ticket_id = client.create_ticket(subject=subject, message="m", **options).ticket_id
            if changes:
                usedesk_sandbox.update(ticket_id, **changes)
            return ticket_id

        yield make_ticket


@pytest.fixture
def no_sandbox_retries(usedesk_sandbox, monkeypatch):
    """The client of the sandbox's connection retries nothing, so that each fault is one failed poll."""
    set_extra(monkeypatch, max_wait=0)


@pytest.fixture
def frequent_polls(monkeypatch):
    """Polls of the triggerer are as frequent as the interval of their triggers says."""
    monkeypatch.setattr(shared_poll, "MIN_PAUSE", 0)


async def until(is_true, *tasks):
    """Wait until a condition is true, but not longer than the tasks run that can make it true."""
    async with asyncio.timeout(30):
        while not is_true() and not (tasks and all(task.done() for task in tasks)):
            await asyncio.sleep(0.005)


async def cancel(*tasks):
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
