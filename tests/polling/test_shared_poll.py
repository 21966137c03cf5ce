"""The poll that subscribers share, in virtual time; the requests of a poll are replaced."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_usedesk.api import errors
from airflow_provider_usedesk.api.records import TicketDetails
from airflow_provider_usedesk.hooks.usedesk import UsedeskHook
from airflow_provider_usedesk.polling import shared_poll
from airflow_provider_usedesk.polling.poll import PollResult
from airflow_provider_usedesk.polling.poll_plan import Subscription
from airflow_provider_usedesk.polling.shared_poll import SharedPoll, subscribe
from tests.support import virtual_time

START = datetime(2026, 11, 24, 12, tzinfo=UTC)
LONG_AGO = START - timedelta(days=2)


def subscription(ticket_id, interval=10, known_until=START):
    return Subscription(ticket_id, frozenset({2}), timedelta(seconds=interval), known_until, known_until)


class Polls:
    """The shared poll, and the moments at which it polled."""

    def __init__(self, *results, duration=0.0):
        self.results = list(results)
        self.duration = duration
        self.moments = []
        self.poll = SharedPoll(self.settings, lambda: START + timedelta(seconds=self.time()))
        self.poll._thread = self
        self.is_closed = False

    def time(self):
        return asyncio.get_running_loop().time()

    async def settings(self):
        return None

    async def call(self, settings, function, plan, is_cancelled):
        self.moments.append(self.time())
        await asyncio.sleep(self.duration)
        result = self.results.pop(0) if self.results else PollResult()
        if isinstance(result, Exception):
            raise result
        return result

    def close(self):
        self.is_closed = True


def test_first_poll_is_due_after_the_interval():
    async def wait():
        polls = Polls()
        subscriber = polls.poll.join(subscription(1, interval=10, known_until=START - timedelta(seconds=4)))
        await subscriber.results.get()
        await subscriber.results.get()
        polls.poll.leave(subscriber)
        return polls.moments

    assert virtual_time.run(wait()) == [6, 16]


def test_shortest_interval_counts():
    async def wait():
        polls = Polls()
        hourly = polls.poll.join(subscription(1, interval=3600))
        await asyncio.sleep(1)
        frequent = polls.poll.join(subscription(2, interval=10))
        await asyncio.sleep(30)
        polls.poll.leave(frequent)
        polls.poll.leave(hourly)
        return polls.moments

    assert virtual_time.run(wait()) == [10, 20, 30]


@pytest.mark.parametrize("interval", [0, 0.01])
def test_polls_are_at_least_a_second_apart(interval):
    """However many wait, and whenever they join."""

    async def wait():
        polls, subscribers = Polls(duration=0.001), []
        for number in range(8):
            subscribers.append(polls.poll.join(subscription(number, interval, known_until=LONG_AGO)))
            await asyncio.sleep(0.4)
        for subscriber in subscribers:
            polls.poll.leave(subscriber)
        return polls.moments

    assert virtual_time.run(wait()) == [0, 1, 2, 3]


def test_retry_after_delays_all_subscribers():
    refused = PollResult(error=errors.UsedeskRateLimited("slow", retry_after=30))

    async def wait():
        polls = Polls(refused, PollResult({1: TicketDetails(id=1), 2: TicketDetails(id=2)}))
        first = polls.poll.join(subscription(1, known_until=LONG_AGO))
        assert isinstance(await first.results.get(), errors.UsedeskRateLimited)
        second = polls.poll.join(subscription(2, known_until=LONG_AGO))
        results = [await first.results.get(), await second.results.get()]
        for subscriber in (first, second):
            polls.poll.leave(subscriber)
        return [result.id for result in results], polls.moments

    assert virtual_time.run(wait()) == ([1, 2], [0, 30])


def test_unknown_error_is_a_failed_poll():
    async def wait():
        polls = Polls(RuntimeError("for the test"))
        subscriber = polls.poll.join(subscription(1, known_until=LONG_AGO))
        result = await subscriber.results.get()
        polls.poll.leave(subscriber)
        return result

    result = virtual_time.run(wait())
    assert isinstance(result, errors.UsedeskUnavailable)
    assert "RuntimeError" in str(result)


def test_last_subscriber_closes_the_thread():
    async def wait():
        polls = Polls()
        subscribers = [polls.poll.join(subscription(number)) for number in (1, 2)]
        closed = []
        for subscriber in subscribers:
            polls.poll.leave(subscriber)
            closed.append(polls.is_closed)
        return closed

    assert virtual_time.run(wait()) == [False, True]


def test_poll_runs_in_an_empty_context():
    """What the triggerer binds for the logs of one task must not appear in the logs of the shared poll."""
    task = contextvars.ContextVar("task", default="none")
    tasks = []

    async def read_settings():
        tasks.append(task.get())
        raise errors.UsedeskBadConnection("no")

    async def poll():
        task.set("the first")
        wanted = subscription(17, known_until=LONG_AGO)
        async with subscribe("usedesk_default", read_settings, wanted) as results:
            await asyncio.wait_for(results.get(), 20)

    asyncio.run(poll())
    assert set(tasks) == {"none"}


@pytest.mark.parametrize("conn_id", ["usedesk_default", "other"])
def test_one_poll_per_connection(conn_id):
    async def read_settings():
        return None

    async def join_two():
        async with (
            subscribe("usedesk_default", read_settings, subscription(1)),
            subscribe(conn_id, read_settings, subscription(2)),
        ):
            return len(shared_poll._polls[asyncio.get_running_loop()])

    assert virtual_time.run(join_two()) == len({"usedesk_default", conn_id})


def test_busy_default_threads_do_not_stop_the_poll(make_ticket):
    ticket_id, settings = make_ticket(status=2), UsedeskHook().settings()
    end = threading.Event()

    async def read_settings():
        return settings

    async def poll():
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        loop.run_in_executor(None, end.wait)
        try:
            async with subscribe(
                "usedesk_default", read_settings, subscription(ticket_id, known_until=LONG_AGO)
            ) as results:
                return await asyncio.wait_for(results.get(), 20)
        finally:
            end.set()

    assert asyncio.run(poll()).status == 2
