"""The status trigger against the sandbox: alone, and many over one connection."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_usedesk import sandbox as faults
from airflow_provider_usedesk.api import errors
from airflow_provider_usedesk.api.client import UsedeskClient
from airflow_provider_usedesk.polling import shared_poll
from airflow_provider_usedesk.triggers.ticket import TicketStatusTrigger
from tests.support.delivery import set_extra
from tests.support.tickets import cancel, until

pytestmark = pytest.mark.usefixtures("frequent_polls")

LONG_AGO = (datetime.now(UTC) - timedelta(days=2)).isoformat()


@pytest.fixture
def trigger(usedesk_sandbox):
    """Make a trigger that polls frequently."""

    def trigger(ticket_id, **options):
        now = datetime.now(UTC)
        defaults = {
            "usedesk_conn_id": "usedesk_default",
            "ticket_id": ticket_id,
            "target_statuses": [2, 3],
            "failed_statuses": [4, 7, 10],
            "poll_interval": 0.05,
            "since": now.isoformat(),
            "deadline": (now + timedelta(seconds=20)).isoformat(),
            "max_failures": 3,
        }
        return TicketStatusTrigger(**{**defaults, **options})

    return trigger


async def fired(trigger):
    event = await anext(trigger.run())
    return event.payload


def start(trigger):
    return asyncio.create_task(fired(trigger))


class TestOneTicket:
    def test_fires_with_the_state(self, trigger, make_ticket, usedesk_sandbox):
        ticket_id = make_ticket(status=3)
        event = asyncio.run(fired(trigger(ticket_id)))
        assert (event["ticket_id"], event["outcome"]) == (ticket_id, "done")
        assert event["state"]["status_name"] == "closed"

    def test_deadline_in_the_past(self, trigger, make_ticket):
        past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
        event = asyncio.run(fired(trigger(make_ticket(), deadline=past)))
        assert event["outcome"] == "timeout"

    def test_deadline_during_the_wait(self, trigger, make_ticket):
        soon = (datetime.now(UTC) + timedelta(seconds=0.3)).isoformat()
        event = asyncio.run(fired(trigger(make_ticket(), deadline=soon)))
        assert event["outcome"] == "timeout"

    def test_separate_failures_are_tolerated(self, trigger, make_ticket, usedesk_sandbox, no_sandbox_retries):
        ticket_id = make_ticket()
        for _ in range(4):
            usedesk_sandbox.fail(faults.html(502), times=2, method="ticket")
            usedesk_sandbox.fail(faults.delay(0), times=1, method="ticket")

        async def wait():
            waiting = start(trigger(ticket_id))
            await until(lambda: usedesk_sandbox.requests("ticket") >= 12, waiting)
            usedesk_sandbox.update(ticket_id, status=2)
            return await waiting

        assert asyncio.run(wait())["outcome"] == "done"

    def test_too_many_failures_end_the_wait(self, trigger, make_ticket, usedesk_sandbox, no_sandbox_retries):
        usedesk_sandbox.fail(faults.html(502), times=3, method="ticket")
        event = asyncio.run(fired(trigger(make_ticket())))
        assert (event["outcome"], event["error"]) == ("error", "UsedeskUnavailable")
        assert usedesk_sandbox.requests("ticket") == 3

    def test_missing_ticket_ends_the_wait(self, trigger, usedesk_sandbox):
        event = asyncio.run(fired(trigger(17, max_failures=1000)))
        assert (event["outcome"], event["error"]) == ("error", "UsedeskTicketNotFound")
        assert usedesk_sandbox.requests("ticket") == 1

    def test_missing_connection_ends_the_wait(self, trigger, make_ticket):
        event = asyncio.run(fired(trigger(make_ticket(), usedesk_conn_id="nowhere")))
        assert event["outcome"] == "error"

    def test_new_token_counts_at_once(self, trigger, make_ticket, usedesk_sandbox, monkeypatch):
        ticket_id = make_ticket(status=2)
        good = usedesk_sandbox.connection_json
        bad = json.dumps({**usedesk_sandbox.connection, "password": "outdated-token"})
        monkeypatch.setenv("AIRFLOW_CONN_USEDESK_DEFAULT", bad)

        async def wait():
            waiting = start(trigger(ticket_id, max_failures=1000))
            await until(lambda: usedesk_sandbox.requests("ticket") >= 2, waiting)
            monkeypatch.setenv("AIRFLOW_CONN_USEDESK_DEFAULT", good)
            return await waiting

        assert asyncio.run(wait())["outcome"] == "done"

    def test_rate_limit_wait_ends_with_the_trigger(self, trigger, make_ticket, usedesk_sandbox):
        """The client of the sandbox's connection would wait for two minutes."""
        usedesk_sandbox.fail(faults.rate_limited(retry_after=60), times=10, method="ticket")

        async def leave():
            waiting = start(trigger(make_ticket()))
            await until(lambda: usedesk_sandbox.requests("ticket") >= 1, waiting)
            await cancel(waiting)

        def threads():
            return [one for one in threading.enumerate() if one.name.startswith("usedesk-ticket-poll")]

        began = time.monotonic()
        asyncio.run(leave())
        for thread in threads():
            thread.join(30)
        assert time.monotonic() - began < 30
        assert threads() == []

    def test_log_has_no_token_and_no_text(
        self, trigger, make_ticket, usedesk_sandbox, caplog, capfd, no_sandbox_retries
    ):
        """Airflow 3 prints what a trigger logs, Airflow 2 logs it."""
        caplog.set_level(logging.INFO)
        usedesk_sandbox.fail(faults.html(502), method="ticket")
        asyncio.run(fired(trigger(make_ticket(status=2, subject="Invoice of Anna"))))
        logged = caplog.text + "".join(capfd.readouterr())
        assert "Poll failed, 1 of 3 in a row" in logged
        assert usedesk_sandbox.token not in logged
        assert "Anna" not in logged


class TestEventLoop:
    """The loop of the triggerer is never blocked."""

    def test_client_is_loaded_outside_the_loop(self, trigger, make_ticket, monkeypatch):
        name = "airflow_provider_usedesk.api.client"
        ticket_id, threads = make_ticket(status=2), []

        class Importing:
            def find_spec(self, wanted, *_):
                if wanted == name:
                    threads.append(threading.current_thread())

        monkeypatch.delitem(sys.modules, name)
        monkeypatch.setattr(sys, "meta_path", [Importing(), *sys.meta_path])
        asyncio.run(fired(trigger(ticket_id)))
        assert len(threads) == 1
        assert threading.main_thread() not in threads

    def test_loop_runs_during_a_request(self, trigger, make_ticket, monkeypatch):
        released, read = threading.Event(), UsedeskClient.ticket

        def ticket(client, ticket_id):
            assert released.wait(30)
            return read(client, ticket_id)

        monkeypatch.setattr(UsedeskClient, "ticket", ticket)

        async def beat():
            waiting = start(trigger(make_ticket(status=2)))
            for _ in range(10):
                await asyncio.sleep(0.01)
            assert not waiting.done()
            released.set()
            return await waiting

        assert asyncio.run(beat())["outcome"] == "done"


class TestTwoTickets:
    def test_long_interval_delays_no_other(self, trigger, make_ticket, usedesk_sandbox):
        hourly, frequent = make_ticket(), make_ticket()

        async def wait():
            other = start(trigger(hourly, poll_interval=3600, since=LONG_AGO))
            await until(lambda: usedesk_sandbox.requests("ticket") >= 1, other)
            waiting = start(trigger(frequent))
            await until(lambda: usedesk_sandbox.requests("ticket") >= 3, waiting)
            usedesk_sandbox.update(frequent, status=2)
            event = await waiting
            await cancel(other)
            return event

        assert asyncio.run(wait())["outcome"] == "done"

    def test_missing_ticket_ends_no_other_wait(self, trigger, make_ticket):
        solved = make_ticket(status=2)

        async def both():
            return await asyncio.gather(fired(trigger(17)), fired(trigger(solved)))

        missing, found = asyncio.run(both())
        assert (missing["outcome"], missing["error"]) == ("error", "UsedeskTicketNotFound")
        assert found["outcome"] == "done"

    def test_failed_poll_task_restarts_on_join(self, trigger, make_ticket, monkeypatch):
        async def wait():
            failed = asyncio.Event()

            async def fail(*_):
                failed.set()
                raise RuntimeError("for the test")

            with monkeypatch.context() as patch:
                patch.setattr(shared_poll.SharedPoll, "_poll", fail)
                first = start(trigger(make_ticket(status=2)))
                await failed.wait()
            return await asyncio.gather(first, fired(trigger(make_ticket(status=2))))

        assert {event["outcome"] for event in asyncio.run(wait())} == {"done"}


class TestFiveTickets:
    @pytest.fixture
    def tickets(self, make_ticket):
        return [make_ticket() for _ in range(5)]

    def test_unlisted_change_is_found_by_reading(self, trigger, tickets, usedesk_sandbox):
        """It is not documented whether deleted tickets are listed; each poll reads one ticket."""
        usedesk_sandbox.fail(faults.answer(200, []), times=100_000, method="tickets")

        async def wait():
            waiting = [start(trigger(ticket_id)) for ticket_id in tickets]
            await until(lambda: usedesk_sandbox.requests("tickets") >= 2, *waiting)
            usedesk_sandbox.update(tickets[-1], status=4)
            event = await waiting[-1]
            await cancel(*waiting)
            return event

        assert asyncio.run(wait())["state"]["status_name"] == "deleted"

    def test_unreadable_ticket_stops_no_other(
        self, trigger, tickets, usedesk_sandbox, no_sandbox_retries, monkeypatch
    ):
        read = UsedeskClient.ticket

        def ticket(client, ticket_id):
            if ticket_id == tickets[0]:
                raise errors.UsedeskUnavailable("out of order")
            return read(client, ticket_id)

        monkeypatch.setattr(UsedeskClient, "ticket", ticket)

        async def wait():
            waiting = [start(trigger(ticket_id)) for ticket_id in tickets]
            await until(lambda: usedesk_sandbox.requests("ticket") >= 12, *waiting)
            for ticket_id in tickets:
                usedesk_sandbox.update(ticket_id, status=2)
            return await asyncio.gather(*waiting)

        assert {event["outcome"] for event in asyncio.run(wait())} == {"done"}


class TestAHundredTickets:
    @pytest.fixture
    def tickets(self, make_ticket):
        return [make_ticket() for _ in range(100)]

    def test_share_one_poll(self, trigger, tickets, usedesk_sandbox):
        """Ten polls over a hundred tickets are twenty requests; without sharing they would be a thousand."""

        async def wait():
            waiting = [start(trigger(ticket_id)) for ticket_id in tickets]
            await until(lambda: usedesk_sandbox.requests("tickets") >= 10, *waiting)
            requests = usedesk_sandbox.requests("tickets"), usedesk_sandbox.requests("ticket")
            for ticket_id in tickets:
                usedesk_sandbox.update(ticket_id, status=2)
            return requests, await asyncio.gather(*waiting)

        (listed, read), events = asyncio.run(wait())
        assert {event["outcome"] for event in events} == {"done"}
        assert [event["ticket_id"] for event in events] == tickets
        assert read <= listed + 3

    def test_each_fires_for_its_own_ticket(self, trigger, tickets, usedesk_sandbox):
        changes = {0: 2, 17: 7, 99: 3}

        async def wait():
            waiting = [start(trigger(ticket_id)) for ticket_id in tickets]
            await until(lambda: usedesk_sandbox.requests("tickets") >= 2, *waiting)
            for index, status in changes.items():
                usedesk_sandbox.update(tickets[index], status=status)
            ended = {index: (await waiting[index])["state"]["status"] for index in changes}
            others = [task for task in waiting if not task.done()]
            await cancel(*others)
            return ended, len(others)

        assert asyncio.run(wait()) == (changes, 97)

    def test_restart_finds_earlier_changes_at_once(self, trigger, tickets, usedesk_sandbox):
        for ticket_id in tickets:
            usedesk_sandbox.update(ticket_id, status=2)

        async def wait():
            waiting = [trigger(ticket_id, since=LONG_AGO, poll_interval=3600) for ticket_id in tickets]
            return await asyncio.gather(*[fired(one) for one in waiting])

        assert {event["outcome"] for event in asyncio.run(wait())} == {"done"}
        assert usedesk_sandbox.requests("ticket") <= 101

    def test_rate_limit_of_the_connection_holds(self, trigger, tickets, usedesk_sandbox, monkeypatch):
        """At 600 a minute two requests are 0.1 s apart, however short the interval is."""
        set_extra(monkeypatch, requests_per_minute=600)
        usedesk_sandbox.reset()

        async def wait():
            waiting = [start(trigger(one, poll_interval=0, max_failures=1000)) for one in tickets]
            began = time.monotonic()
            await until(lambda: usedesk_sandbox.requests() >= 6, *waiting)
            passed = time.monotonic() - began
            await cancel(*waiting)
            return passed

        assert asyncio.run(wait()) >= 0.45

    def test_cancelled_triggers_leave_no_task(self, trigger, tickets, usedesk_sandbox):
        async def wait():
            waiting = [start(trigger(ticket_id)) for ticket_id in tickets]
            await until(lambda: usedesk_sandbox.requests("tickets") >= 1, *waiting)
            await cancel(*waiting)
            await asyncio.sleep(0)
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            return tasks, [dict(polls) for polls in shared_poll._polls.values()]

        tasks, polls = asyncio.run(wait())
        assert [task for task in tasks if not task.cancelling()] == []
        assert [poll for poll in polls if poll] == []
