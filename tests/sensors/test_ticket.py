"""Waiting for a ticket: in the worker and in the triggerer, alone and with a hundred others."""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_usedesk import sandbox as faults
from airflow_provider_usedesk.api import errors
from airflow_provider_usedesk.api.client import UsedeskClient
from airflow_provider_usedesk.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)
from airflow_provider_usedesk.hooks.usedesk import UsedeskHook
from airflow_provider_usedesk.polling import shared_poll
from airflow_provider_usedesk.polling.poll_plan import Subscription
from airflow_provider_usedesk.sensors.ticket import TicketStatusSensor
from airflow_provider_usedesk.triggers.ticket import TicketStatusTrigger
from tests.support.airflow import TOKEN

DAG = """
from datetime import datetime

from tests.support.dags import DAG

from airflow_provider_usedesk.sensors.ticket import TicketStatusSensor

with DAG("waits", start_date=datetime(2026, 1, 1), schedule=None) as dag:
    TicketStatusSensor(task_id="wait", ticket_id="{{{{ {ticket_id} }}}}", {options})
"""


@pytest.fixture
def make_ticket(usedesk_sandbox):
    """Open a ticket in the sandbox and return its id."""

    def make(**changes):
        with UsedeskClient.connect(usedesk_sandbox.token, usedesk_sandbox.url) as client:
            ticket_id = client.create_ticket(subject="s", message="m").ticket_id
        if changes:
            usedesk_sandbox.update(ticket_id, **changes)
        return ticket_id

    return make


@pytest.fixture
def trigger(usedesk_sandbox):
    """Make a trigger that polls quickly."""

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


LONG_AGO = (datetime.now(UTC) - timedelta(days=2)).isoformat()


async def until(is_so, *waiting):
    """Wait for something to come true, but no longer than those who wait for it do."""
    while not is_so() and not all(task.done() for task in waiting):
        await asyncio.sleep(0.01)


async def fired(trigger):
    event = await anext(trigger.run())
    return event.payload


async def stop(*waiting):
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


def subscribe(ticket_id, read_settings):
    """Subscription a ticket that nobody has looked at for long."""
    long_ago = datetime.fromisoformat(LONG_AGO)
    watch = Subscription(
        ticket_id, frozenset({2, 3}), timedelta(seconds=0.05), known_until=long_ago, read_at=long_ago
    )
    return shared_poll.subscribe("usedesk_default", read_settings, watch)


def poll_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("usedesk-ticket-poll")]


class TestInTheWorker:
    def test_returns_the_state_and_pushes_the_link(self, run_dag, make_ticket, usedesk_sandbox):
        ticket_id = make_ticket(status=2, tags=("invoice",))
        run = run_dag(DAG.format(ticket_id=ticket_id, options=""))
        assert run.state == "success"
        pushed = run.xcoms["wait", -1]
        state = pushed["return_value"]
        assert (state["ticket_id"], state["status_name"], state["tags"]) == (ticket_id, "solved", ["invoice"])
        assert pushed["ticket_url"] == f"{usedesk_sandbox.inbox_url}tickets/{ticket_id}"
        assert usedesk_sandbox.requests("ticket") == 1

    def test_pokes_until_it_is_there(self, make_ticket, usedesk_sandbox, context):
        ticket_id = make_ticket()
        sensor = TicketStatusSensor(
            task_id="t", ticket_id=ticket_id, target_statuses="on hold", poke_interval=0
        )
        looks = []

        def look(poke=sensor.poke):
            looks.append(usedesk_sandbox.requests("ticket"))
            if len(looks) == 3:
                usedesk_sandbox.update(ticket_id, status=5)
            return poke(context)

        sensor.poke = lambda _: look()
        assert sensor.execute(context)["status_name"] == "on hold"
        assert usedesk_sandbox.requests("ticket") == 3

    @pytest.mark.parametrize("status", [4, 7, 10])
    def test_fails_at_once_on_what_cannot_be_solved_any_more(self, run_dag, make_ticket, status):
        run = run_dag(DAG.format(ticket_id=make_ticket(status=status), options=""))
        assert run.state == "failed"
        assert ("merged into another ticket" in run.printed) == (status == 10)

    @pytest.mark.parametrize("deferrable", [False, True])
    def test_soft_fail_skips(self, make_ticket, context, deferrable):
        sensor = TicketStatusSensor(
            task_id="t", ticket_id=make_ticket(status=7), soft_fail=True, deferrable=deferrable
        )
        with pytest.raises(AirflowSkipException):
            sensor.execute(context)

    def test_bad_arguments_are_named_before_any_request(self, usedesk_sandbox, context):
        sensor = TicketStatusSensor(task_id="t", ticket_id="x", target_statuses=["done"])
        with pytest.raises(AirflowFailException, match=r"ticket_id: .*target_statuses: "):
            sensor.execute(context)
        assert usedesk_sandbox.requests() == 0

    def test_a_few_failed_looks_in_a_row_are_survived(self, make_ticket, usedesk_sandbox, context, quick):
        sensor = TicketStatusSensor(
            task_id="t", ticket_id=make_ticket(status=3), poke_interval=0, max_failures=3
        )
        usedesk_sandbox.fail(faults.html(502), times=2, method="ticket")
        assert sensor.execute(context)["status_name"] == "closed"

    def test_too_many_are_not(self, make_ticket, usedesk_sandbox, context, quick):
        sensor = TicketStatusSensor(
            task_id="t", ticket_id=make_ticket(status=3), poke_interval=0, max_failures=3
        )
        usedesk_sandbox.fail(faults.html(502), times=3, method="ticket")
        with pytest.raises(errors.UsedeskUnavailable):
            sensor.execute(context)

    def test_an_unknown_ticket_is_an_error_that_a_retry_may_mend(self, usedesk_sandbox, context):
        with pytest.raises(errors.UsedeskTicketNotFound):
            TicketStatusSensor(task_id="t", ticket_id=17).execute(context)


class TestDeferring:
    def test_after_a_failed_first_look_nothing_is_known_of_the_ticket(
        self, make_ticket, usedesk_sandbox, context, quick
    ):
        sensor = TicketStatusSensor(task_id="t", ticket_id=make_ticket(status=2), deferrable=True)
        usedesk_sandbox.fail(faults.html(502), method="ticket")
        with pytest.raises(TaskDeferred) as deferred:
            sensor.execute(context)
        assert datetime.fromisoformat(deferred.value.trigger.since).year == 1970
        assert datetime.fromisoformat(deferred.value.trigger.deadline) > datetime.now(UTC)

    def test_what_is_there_already_is_not_waited_for(self, make_ticket, context):
        sensor = TicketStatusSensor(task_id="t", ticket_id=make_ticket(status=2), deferrable=True)
        assert sensor.execute(context)["status_name"] == "solved"

    def test_the_trigger_can_be_stored_and_made_again(self, make_ticket, context):
        sensor = TicketStatusSensor(
            task_id="t", ticket_id=str(make_ticket()), deferrable=True, timeout=3600, poke_interval=30
        )
        before = datetime.now(UTC)
        with pytest.raises(TaskDeferred) as deferred:
            sensor.execute(context)
        path, arguments = deferred.value.trigger.serialize()
        assert path == "airflow_provider_usedesk.triggers.ticket.TicketStatusTrigger"
        stored = json.loads(json.dumps(arguments))
        assert TicketStatusTrigger(**stored).serialize() == (path, arguments)
        assert stored["target_statuses"] == [2, 3]
        deadline = datetime.fromisoformat(stored["deadline"])
        assert before + timedelta(hours=1) <= deadline <= datetime.now(UTC) + timedelta(hours=1)
        assert deferred.value.timeout > timedelta(hours=1)
        assert TOKEN not in str(stored)

    def test_an_outage_at_the_first_look_is_left_to_the_trigger(
        self, make_ticket, usedesk_sandbox, context, quick
    ):
        sensor = TicketStatusSensor(task_id="t", ticket_id=make_ticket(), deferrable=True)
        usedesk_sandbox.fail(faults.html(502), method="ticket")
        with pytest.raises(TaskDeferred):
            sensor.execute(context)

    def test_runs_from_end_to_end(self, run_dag, make_ticket, usedesk_sandbox):
        """The trigger runs in the process of ``dag.test()``; the ticket is solved after it asked once."""
        ticket_id = make_ticket()

        def solve():
            while usedesk_sandbox.requests("ticket") < 3:
                time.sleep(0.01)
            usedesk_sandbox.update(ticket_id, status=2)

        person = threading.Thread(target=solve, daemon=True)
        person.start()
        run = run_dag(
            DAG.format(ticket_id=ticket_id, options="deferrable=True, poke_interval=0.1, timeout=60")
        )
        assert run.state == "success"
        assert run.xcoms["wait", -1]["return_value"]["status_name"] == "solved"


class TestResuming:
    @pytest.fixture
    def sensor(self, make_ticket):
        return TicketStatusSensor(task_id="t", ticket_id=make_ticket(), deferrable=True)

    def resume(self, sensor, **event):
        return sensor.execute_complete({}, event={"ticket_id": sensor.ticket_id, **event})

    def test_gives_the_state(self, sensor):
        state = {"ticket_id": sensor.ticket_id, "status": 2, "status_name": "solved"}
        assert self.resume(sensor, outcome="seen", state=state) == state

    def test_failed_status(self, sensor):
        with pytest.raises(AirflowFailException, match="is spam"):
            self.resume(sensor, outcome="seen", state={"ticket_id": 1, "status": 7})

    def test_timeout(self, sensor):
        with pytest.raises(AirflowSensorTimeout):
            self.resume(sensor, outcome="timeout")

    def test_what_came_after_the_last_poll_counts(self, sensor, usedesk_sandbox):
        usedesk_sandbox.update(sensor.ticket_id, status=2)
        assert self.resume(sensor, outcome="timeout")["status_name"] == "solved"

    def test_a_status_of_failure_after_the_last_poll_counts(self, sensor, usedesk_sandbox):
        usedesk_sandbox.update(sensor.ticket_id, status=7)
        with pytest.raises(AirflowFailException, match="is spam"):
            self.resume(sensor, outcome="timeout")

    @pytest.mark.parametrize("max_failures", [1, 10])
    def test_an_outage_at_the_end_is_a_timeout(self, sensor, usedesk_sandbox, quick, max_failures):
        sensor.max_failures = max_failures
        usedesk_sandbox.fail(faults.html(502), method="ticket")
        with pytest.raises(AirflowSensorTimeout):
            self.resume(sensor, outcome="timeout")

    @pytest.mark.parametrize(
        "event",
        [
            {"outcome": "error", "error": "UsedeskUnavailable", "message": "out of order"},
            {"outcome": "error", "error": "UsedeskInvalidToken", "message": "no"},
            {"outcome": "timeout"},
        ],
    )
    def test_never_fail_skips(self, make_ticket, event):
        sensor = TicketStatusSensor(task_id="t", ticket_id=make_ticket(), deferrable=True, never_fail=True)
        event = {"ticket_id": sensor.ticket_id, **event}
        with pytest.raises(AirflowSkipException):
            sensor.resume_execution("execute_complete", {"event": event}, {})

    def test_error_keeps_its_class(self, sensor):
        with pytest.raises(errors.UsedeskUnavailable, match="out of order"):
            self.resume(sensor, outcome="error", error="UsedeskUnavailable", message="out of order")

    def test_a_wrong_connection_is_not_tried_again(self, sensor):
        with pytest.raises(AirflowFailException, match="UsedeskInvalidToken: no"):
            self.resume(sensor, outcome="error", error="UsedeskInvalidToken", message="no")

    @pytest.mark.parametrize(
        "event",
        [
            None,
            "solved",
            {},
            {"outcome": "seen"},
            {"ticket_id": 1, "outcome": "seen", "state": {"status": 2}},
            {"outcome": "seen", "state": {"status": 8}},
            {"outcome": "error", "error": "Sequence"},
        ],
    )
    def test_checks_what_it_is_handed(self, sensor, event):
        if isinstance(event, dict):
            event = {"ticket_id": sensor.ticket_id, **event}
        with pytest.raises((AirflowException, errors.UsedeskError)):
            sensor.execute_complete({}, event=event)


class TestTrigger:
    def test_fires_with_the_state(self, trigger, make_ticket, usedesk_sandbox):
        ticket_id = make_ticket(status=3)
        event = asyncio.run(fired(trigger(ticket_id)))
        assert (event["ticket_id"], event["outcome"]) == (ticket_id, "seen")
        assert event["state"]["status_name"] == "closed"

    def test_keeps_the_deadline_it_was_given(self, trigger, make_ticket):
        past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
        event = asyncio.run(fired(trigger(make_ticket(), deadline=past)))
        assert event["outcome"] == "timeout"

    def test_the_deadline_comes_while_waiting(self, trigger, make_ticket):
        soon = (datetime.now(UTC) + timedelta(seconds=0.3)).isoformat()
        event = asyncio.run(fired(trigger(make_ticket(), deadline=soon)))
        assert event["outcome"] == "timeout"

    def test_a_patient_ticket_does_not_keep_another_waiting(self, trigger, make_ticket, usedesk_sandbox):
        patient, impatient = make_ticket(), make_ticket()

        async def wait():
            other = asyncio.create_task(fired(trigger(patient, poll_interval=3600, since=LONG_AGO)))
            await until(lambda: usedesk_sandbox.requests("ticket") >= 1, other)
            waiting = asyncio.create_task(fired(trigger(impatient)))
            await until(lambda: usedesk_sandbox.requests("ticket") >= 3, waiting)
            usedesk_sandbox.update(impatient, status=2)
            event = await waiting
            await stop(other)
            return event

        assert asyncio.run(wait())["outcome"] == "seen"

    def test_survives_failures_that_are_not_in_a_row(self, trigger, make_ticket, usedesk_sandbox, quick):
        ticket_id = make_ticket()
        for _ in range(4):
            usedesk_sandbox.fail(faults.html(502), times=2, method="ticket")
            usedesk_sandbox.fail(faults.delay(0), times=1, method="ticket")

        async def wait():
            waiting = asyncio.create_task(fired(trigger(ticket_id)))
            await until(lambda: usedesk_sandbox.requests("ticket") >= 12, waiting)
            usedesk_sandbox.update(ticket_id, status=2)
            return await waiting

        assert asyncio.run(wait())["outcome"] == "seen"

    def test_gives_up_after_too_many_in_a_row(self, trigger, make_ticket, usedesk_sandbox, quick):
        usedesk_sandbox.fail(faults.html(502), times=3, method="ticket")
        event = asyncio.run(fired(trigger(make_ticket())))
        assert (event["outcome"], event["error"]) == ("error", "UsedeskUnavailable")
        assert usedesk_sandbox.requests("ticket") == 3

    def test_a_ticket_that_is_gone_ends_its_own_waiting_only(self, trigger, make_ticket, usedesk_sandbox):
        there = make_ticket(status=2)

        async def both():
            return await asyncio.gather(fired(trigger(17)), fired(trigger(there)))

        gone, found = asyncio.run(both())
        assert (gone["outcome"], gone["error"]) == ("error", "UsedeskTicketNotFound")
        assert found["outcome"] == "seen"

    def test_a_ticket_that_is_gone_ends_its_waiting_at_once(self, trigger, usedesk_sandbox):
        event = asyncio.run(fired(trigger(17, max_failures=1000)))
        assert (event["outcome"], event["error"]) == ("error", "UsedeskTicketNotFound")
        assert usedesk_sandbox.requests("ticket") == 1

    def test_the_wait_that_usedesk_asks_for_is_kept(self, trigger, make_ticket, usedesk_sandbox, quick):
        """Whoever comes meanwhile keeps it, too."""
        usedesk_sandbox.fail(faults.rate_limited(retry_after=1), method="ticket")

        async def wait():
            began = time.monotonic()
            waiting = asyncio.create_task(fired(trigger(make_ticket(status=2))))
            await until(lambda: usedesk_sandbox.requests("ticket") >= 1, waiting)
            await asyncio.gather(waiting, fired(trigger(make_ticket(status=2), since=LONG_AGO)))
            return time.monotonic() - began

        assert asyncio.run(wait()) >= 1

    def test_a_wait_that_nobody_waits_for_any_more_ends(self, trigger, make_ticket, usedesk_sandbox):
        """The client of the sandbox's connection would wait for two minutes."""
        usedesk_sandbox.fail(faults.rate_limited(retry_after=60), times=10, method="ticket")

        async def leave():
            waiting = asyncio.create_task(fired(trigger(make_ticket())))
            await until(lambda: usedesk_sandbox.requests("ticket") >= 1, waiting)
            await stop(waiting)

        began = time.monotonic()
        asyncio.run(leave())
        for thread in poll_threads():
            thread.join(30)
        assert time.monotonic() - began < 30
        assert poll_threads() == []

    def test_other_blocking_work_in_the_triggerer_does_not_stop_the_poll(self, make_ticket, usedesk_sandbox):
        ticket_id, settings = make_ticket(status=2), UsedeskHook().settings()
        end = threading.Event()

        async def read_settings():
            return settings

        async def look():
            loop = asyncio.get_running_loop()
            loop.set_default_executor(ThreadPoolExecutor(1))
            loop.run_in_executor(None, end.wait)
            try:
                async with subscribe(ticket_id, read_settings) as poll_results:
                    return await asyncio.wait_for(poll_results.get(), 20)
            finally:
                end.set()

        assert asyncio.run(look()).status == 2

    def test_the_poll_belongs_to_no_task(self):
        """What the triggerer binds for the logs of one task must not show with the requests of others."""
        task = contextvars.ContextVar("task", default="none")
        belongs_to = []

        async def read_settings():
            belongs_to.append(task.get())
            raise errors.UsedeskBadConnection("no")

        async def look():
            task.set("the first")
            async with subscribe(17, read_settings) as poll_results:
                await asyncio.wait_for(poll_results.get(), 20)

        asyncio.run(look())
        assert set(belongs_to) == {"none"}

    def test_requests_is_not_loaded_in_the_thread_of_the_loop(self, trigger, make_ticket, monkeypatch):
        name = "airflow_provider_usedesk.api.client"
        threads = []

        class Importing:
            def find_spec(self, wanted, *_):
                if wanted == name:
                    threads.append(threading.current_thread())

        monkeypatch.delitem(sys.modules, name)
        monkeypatch.setattr(sys, "meta_path", [Importing(), *sys.meta_path])
        asyncio.run(fired(trigger(make_ticket(status=2))))
        assert len(threads) == 1
        assert threading.main_thread() not in threads

    def test_whatever_goes_wrong_in_a_poll_is_told(self, trigger, make_ticket, monkeypatch):
        def broken(*_):
            raise RuntimeError

        monkeypatch.setattr(shared_poll, "plan_poll", broken)
        event = asyncio.run(fired(trigger(make_ticket())))
        assert (event["outcome"], event["error"]) == ("error", "UsedeskUnavailable")

    def test_a_poll_that_died_lives_again_when_another_joins(self, trigger, make_ticket, monkeypatch):
        async def wait():
            died = asyncio.Event()

            async def die(*_):
                died.set()
                raise RuntimeError("for the test")

            with monkeypatch.context() as patch:
                patch.setattr(shared_poll.SharedPoll, "_poll", die)
                first = asyncio.create_task(fired(trigger(make_ticket(status=2))))
                await died.wait()
            return await asyncio.gather(first, fired(trigger(make_ticket(status=2))))

        assert {event["outcome"] for event in asyncio.run(wait())} == {"seen"}

    def test_a_connection_that_is_not_there_ends_the_waiting(self, trigger, make_ticket):
        event = asyncio.run(fired(trigger(make_ticket(), usedesk_conn_id="nowhere")))
        assert event["outcome"] == "error"

    def test_a_new_token_counts_at_once(self, trigger, make_ticket, usedesk_sandbox, monkeypatch):
        ticket_id = make_ticket(status=2)
        good = usedesk_sandbox.connection_json
        bad = json.dumps({**usedesk_sandbox.connection, "password": "outdated-token"})
        monkeypatch.setenv("AIRFLOW_CONN_USEDESK_DEFAULT", bad)

        async def wait():
            waiting = asyncio.create_task(fired(trigger(ticket_id, max_failures=1000)))
            await until(lambda: usedesk_sandbox.requests("ticket") >= 2, waiting)
            monkeypatch.setenv("AIRFLOW_CONN_USEDESK_DEFAULT", good)
            return await waiting

        assert asyncio.run(wait())["outcome"] == "seen"

    def test_the_loop_goes_on_while_usedesk_does_not_answer(self, trigger, make_ticket, usedesk_sandbox):
        usedesk_sandbox.fail(faults.delay(0.5), method="ticket")

        async def beat():
            waiting = asyncio.create_task(fired(trigger(make_ticket(status=2))))
            beats = 0
            while not waiting.done():
                await asyncio.sleep(0.01)
                beats += 1
            return beats

        assert asyncio.run(beat()) > 10

    def test_logs_no_token_and_no_text(self, trigger, make_ticket, usedesk_sandbox, caplog, capfd, quick):
        """Airflow 3 prints what a trigger logs, Airflow 2 logs it."""
        caplog.set_level(logging.INFO)
        usedesk_sandbox.fail(faults.html(502), method="ticket")
        asyncio.run(fired(trigger(make_ticket(status=2, subject="Invoice of Anna"))))
        logged = caplog.text + "".join(capfd.readouterr())
        assert "Poll failed, 1 of 3 in a row" in logged
        assert usedesk_sandbox.token not in logged
        assert "Anna" not in logged


class TestAHundredTickets:
    @pytest.fixture
    def tickets(self, make_ticket):
        return [make_ticket() for _ in range(100)]

    def test_share_one_poll(self, trigger, tickets, usedesk_sandbox):
        """Ten polls over a hundred tickets are twenty requests; without sharing they would be a thousand."""

        async def wait():
            waiting = [asyncio.create_task(fired(trigger(ticket_id))) for ticket_id in tickets]
            await until(lambda: usedesk_sandbox.requests("tickets") >= 10, *waiting)
            asked = usedesk_sandbox.requests("tickets"), usedesk_sandbox.requests("ticket")
            for ticket_id in tickets:
                usedesk_sandbox.update(ticket_id, status=2)
            return asked, await asyncio.gather(*waiting)

        (listed, read), events = asyncio.run(wait())
        assert {event["outcome"] for event in events} == {"seen"}
        assert [event["ticket_id"] for event in events] == tickets
        assert read <= listed + 3

    def test_each_hears_of_its_own(self, trigger, tickets, usedesk_sandbox):
        ends = {0: 2, 17: 7, 99: 3}

        async def wait():
            waiting = [asyncio.create_task(fired(trigger(ticket_id))) for ticket_id in tickets]
            await until(lambda: usedesk_sandbox.requests("tickets") >= 2, *waiting)
            for place, status in ends.items():
                usedesk_sandbox.update(tickets[place], status=status)
            ended = {place: (await waiting[place])["state"]["status"] for place in ends}
            others = [task for task in waiting if not task.done()]
            await stop(*others)
            return ended, len(others)

        assert asyncio.run(wait()) == (ends, 97)

    def test_what_the_list_does_not_show_is_found_by_reading(self, trigger, tickets, usedesk_sandbox):
        """Nobody knows whether deleted tickets are listed; each poll reads one ticket in turn."""
        usedesk_sandbox.fail(faults.answer(200, []), times=100_000, method="tickets")
        few = tickets[:5]

        async def wait():
            waiting = [asyncio.create_task(fired(trigger(ticket_id))) for ticket_id in few]
            await until(lambda: usedesk_sandbox.requests("tickets") >= 2, *waiting)
            usedesk_sandbox.update(few[-1], status=4)
            event = await waiting[-1]
            await stop(*waiting)
            return event

        assert asyncio.run(wait())["state"]["status_name"] == "deleted"

    def test_one_that_cannot_be_read_stops_no_other(
        self, trigger, tickets, usedesk_sandbox, quick, monkeypatch
    ):
        few, read = tickets[:5], UsedeskClient.ticket

        def ticket(client, ticket_id):
            if ticket_id == few[0]:
                raise errors.UsedeskUnavailable("out of order")
            return read(client, ticket_id)

        monkeypatch.setattr(UsedeskClient, "ticket", ticket)

        async def wait():
            waiting = [asyncio.create_task(fired(trigger(ticket_id))) for ticket_id in few]
            await until(lambda: usedesk_sandbox.requests("ticket") >= 12, *waiting)
            for ticket_id in few:
                usedesk_sandbox.update(ticket_id, status=2)
            return await asyncio.gather(*waiting)

        assert {event["outcome"] for event in asyncio.run(wait())} == {"seen"}

    def test_after_a_restart_changes_of_the_meantime_are_found_at_once(
        self, trigger, tickets, usedesk_sandbox
    ):
        for ticket_id in tickets:
            usedesk_sandbox.update(ticket_id, status=2)

        async def wait():
            waiting = [trigger(ticket_id, since=LONG_AGO, poll_interval=3600) for ticket_id in tickets]
            return await asyncio.gather(*[fired(one) for one in waiting])

        assert {event["outcome"] for event in asyncio.run(wait())} == {"seen"}
        assert usedesk_sandbox.requests("ticket") <= 101

    def test_the_pace_of_the_connection_holds(self, trigger, tickets, usedesk_sandbox, monkeypatch):
        """At 600 a minute two requests are 0.1 s apart, however short the interval is."""
        connection = {**usedesk_sandbox.connection, "extra": {"requests_per_minute": 600}}
        monkeypatch.setenv("AIRFLOW_CONN_USEDESK_DEFAULT", json.dumps(connection))
        usedesk_sandbox.reset()

        async def wait():
            waiting = [
                asyncio.create_task(fired(trigger(ticket_id, poll_interval=0, max_failures=1000)))
                for ticket_id in tickets
            ]
            began = time.monotonic()
            await until(lambda: usedesk_sandbox.requests() >= 6, *waiting)
            passed = time.monotonic() - began
            await stop(*waiting)
            return passed

        assert asyncio.run(wait()) >= 0.45

    def test_nothing_is_left_when_all_are_gone(self, trigger, tickets, usedesk_sandbox):
        async def wait():
            waiting = [asyncio.create_task(fired(trigger(ticket_id))) for ticket_id in tickets]
            await asyncio.sleep(0.1)
            await stop(*waiting)
            await asyncio.sleep(0)
            return [task for task in asyncio.all_tasks() if task is not asyncio.current_task()], [
                dict(polls) for polls in shared_poll._polls.values()
            ]

        tasks, polls = asyncio.run(wait())
        assert [task for task in tasks if not task.cancelling()] == []
        assert [poll for poll in polls if poll] == []


@pytest.fixture
def context():
    """As much of a context as a sensor needs."""

    class TaskInstance:
        pushed: dict[str, object] = {}

        def xcom_push(self, key, value):
            self.pushed[key] = value

    return {"ti": TaskInstance()}


@pytest.fixture
def quick(usedesk_sandbox, monkeypatch):
    """The client itself repeats nothing, so that each fault is one failed look."""
    connection = {**usedesk_sandbox.connection, "extra": {"max_wait": 0}}
    monkeypatch.setenv("AIRFLOW_CONN_USEDESK_DEFAULT", json.dumps(connection))
