"""The delivery contract, decided without Airflow: every history of up to three tries, and the search."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_usedesk import sandbox as faults
from airflow_provider_usedesk.api import errors
from airflow_provider_usedesk.api.answers import CreatedTicket
from airflow_provider_usedesk.api.client import UsedeskClient
from airflow_provider_usedesk.sandbox import Sandbox
from airflow_provider_usedesk.send_once import (
    MAX_KEY,
    Absent,
    Adopt,
    Ask,
    Found,
    Remembered,
    Send,
    Stop,
    TicketSearch,
    Trial,
    Unsure,
    first_step,
    send_once,
    step_after_asking,
    task_key,
)

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ANSWER = CreatedTicket(77)


class Killed(BaseException):
    """The worker died."""


@dataclass
class History:
    """What happens to one task: its memory, the tickets in Usedesk, and how each try ends."""

    memory_works: bool
    tickets: list[int] = field(default_factory=list)
    kept: Remembered | None = None
    sends: int = 0
    looks: int = 0
    writes: int = 0

    @property
    def works(self) -> bool:
        return self.memory_works

    def recall(self):
        return self.kept

    def remember(self, what):
        self.writes += 1
        if what.answer and self.event == "killed before the answer was remembered":
            raise Killed
        if self.memory_works:
            self.kept = what
        if what.answer and self.event == "killed after the answer was remembered":
            raise Killed
        if not what.answer and self.event == "killed before the request":
            raise Killed

    def forget(self):
        self.kept = None

    def send(self):
        self.sends += 1
        if self.event == "rate limited":
            raise errors.UsedeskRateLimited("x")
        if self.event == "unknown, nothing made":
            raise errors.UsedeskOutcomeUnknown("x")
        self.tickets.append(len(self.tickets) + 1)
        if self.event == "killed before the answer":
            raise Killed
        if self.event == "unknown, ticket made":
            raise errors.UsedeskOutcomeUnknown("x")
        return CreatedTicket(self.tickets[-1])

    def look_up(self, ask):
        self.looks += 1
        if self.event == "cannot be verified":
            return Unsure("too many")
        return Found(self.tickets[0]) if self.tickets else Absent()

    def run(self, event, number, on_unknown="verify"):
        self.event = event
        trial = Trial(is_first=number == 1, began=NOW)
        if event == "killed at once":
            return None
        try:
            return send_once(self.send, self.look_up, self, trial, on_unknown, now=lambda: NOW)
        except (Killed, errors.UsedeskError):
            return None


EVENTS = [
    "goes well",
    "killed at once",
    "killed before the request",
    "killed before the answer",
    "killed before the answer was remembered",
    "killed after the answer was remembered",
    "unknown, ticket made",
    "unknown, nothing made",
    "rate limited",
    "cannot be verified",
]


@pytest.mark.parametrize("memory_works", [True, False])
@pytest.mark.parametrize("on_unknown", ["verify", "fail"])
def test_no_history_makes_two_tickets(memory_works, on_unknown):
    for events in itertools.product(EVENTS, repeat=4):
        history = History(memory_works)
        answers = [history.run(event, number, on_unknown) for number, event in enumerate(events, 1)]
        assert len(history.tickets) <= 1, events
        for answer in filter(None, answers):
            assert history.tickets == [answer.ticket_id], events


@pytest.mark.parametrize("memory_works", [True, False])
def test_every_history_that_ends_well_makes_one_ticket(memory_works):
    for events in itertools.product(EVENTS, repeat=3):
        history = History(memory_works)
        for number, event in enumerate([*events, "goes well"], 1):
            answer = history.run(event, number)
        assert answer is not None, events
        assert history.tickets == [answer.ticket_id], events


@pytest.mark.parametrize("memory_works", [True, False])
def test_the_ordinary_path_costs_one_request_and_two_writes(memory_works):
    history = History(memory_works)
    assert history.run("goes well", 1) == CreatedTicket(1)
    assert (history.sends, history.looks, history.writes) == (1, 0, 2)


def test_what_was_answered_is_returned_without_any_request():
    history = History(True)
    history.run("goes well", 1)
    assert history.run("goes well", 2) == CreatedTicket(1)
    assert (history.sends, history.looks, history.writes) == (1, 0, 2)


def test_after_a_refusal_nobody_has_to_be_asked():
    history = History(True)
    history.run("rate limited", 1)
    assert history.run("goes well", 2) == CreatedTicket(1)
    assert history.looks == 0


SENDING = Remembered(NOW, 0)
SENT = Remembered(NOW, 0, ANSWER)
BEGAN = NOW - timedelta(hours=1)


@pytest.mark.parametrize(
    ("remembered", "works", "is_first", "on_unknown", "step"),
    [
        (None, True, True, "verify", Send()),
        (None, True, False, "verify", Send()),
        (None, False, True, "fail", Send()),
        (None, False, False, "verify", Ask(BEGAN, is_exact=False)),
        (SENDING, True, False, "verify", Ask(NOW, is_exact=True)),
        (SENDING, True, False, "send", Send()),
        (None, False, False, "send", Send()),
        (SENT, True, False, "verify", Adopt(ANSWER)),
        (SENT, True, False, "send", Adopt(ANSWER)),
        (SENT, True, False, "fail", Adopt(ANSWER)),
        (Remembered(NOW, 3, ANSWER), True, False, "verify", Send()),
    ],
)
def test_first_step(remembered, works, is_first, on_unknown, step):
    assert first_step(remembered, works, Trial(is_first, BEGAN), on_unknown) == step


@pytest.mark.parametrize(("remembered", "works"), [(SENDING, True), (None, False)])
def test_fail_says_what_to_do(remembered, works):
    step = first_step(remembered, works, Trial(False, BEGAN), "fail")
    assert isinstance(step, Stop)
    assert "on_unknown_outcome='send'" in step.reason


def test_step_after_asking():
    assert step_after_asking(Found(5)) == Adopt(CreatedTicket(5))
    assert step_after_asking(Absent()) == Send()
    stop = step_after_asking(Unsure("too many"))
    assert isinstance(stop, Stop)
    assert "too many" in stop.reason


class TestKey:
    def test_is_readable_and_the_same_each_time(self):
        assert task_key("d", "manual__2026", "t") == "airflow/d/manual__2026/t"
        assert task_key("d", "r", "t", 3) == "airflow/d/r/t/3"
        assert task_key("d", "r", "t", 3, 2, "/resend") == "airflow/d/r/t/3/again-2/resend"

    def test_tasks_never_share_one(self):
        assert task_key("a/b", "c", "d") != task_key("a", "b/c", "d")
        long = "x" * 300
        keys = {task_key(long, "r", "t", index) for index in range(50)} | {task_key(long, "r", "u")}
        assert len(keys) == 51
        assert {len(key) for key in keys} == {MAX_KEY}


class TestSearch:
    key = "airflow/d/r/t"

    @pytest.fixture
    def clock(self):
        class Clock:
            now = 1_795_000_000.0

            def __call__(self):
                return self.now

        return Clock()

    @pytest.fixture(params=["page", "row"])
    def usedesk(self, request, clock):
        with Sandbox(offset_is=request.param, clock=clock) as running:
            yield running

    @pytest.fixture
    def client(self, usedesk):
        return UsedeskClient.connect(usedesk.token, usedesk.url, max_wait=0)

    @pytest.fixture
    def search(self, client, clock):
        def search(**options):
            def sleep(seconds):
                clock.now += seconds

            now = lambda: datetime.fromtimestamp(clock.now, UTC)  # noqa: E731
            return TicketSearch(client, self.key, sleep=sleep, now=now, **options)

        return search

    def ask(self, clock, seconds_ago=0.0, is_exact=True):
        return Ask(datetime.fromtimestamp(clock.now - seconds_ago, UTC), is_exact)

    def make(self, client, count=1, subject="Invoice", key=None, **params):
        for number in range(count):
            made = client.create_ticket(
                subject=f"{subject}{number or ''}",
                message="m",
                additional_id=key or f"other-{number}",
                **params,
            )
        return made.ticket_id

    def test_finds_what_the_listing_does_not_show_yet(self, client, search, clock):
        ticket = self.make(client, key=self.key)
        assert search()(self.ask(clock)) == Found(ticket)

    def test_finds_it_at_once_when_it_is_listed(self, client, search, clock, usedesk):
        ticket = self.make(client, key=self.key)
        clock.now += 60
        before = clock.now
        assert search()(self.ask(clock, 60)) == Found(ticket)
        assert clock.now == before
        assert usedesk.requests("tickets") == usedesk.requests("ticket") == 1

    def test_is_certain_that_it_is_not_there_only_after_a_second_look(self, client, search, clock, usedesk):
        self.make(client, 3)
        assert search()(self.ask(clock)) == Absent()
        assert clock.now >= 1_795_000_030
        assert usedesk.requests("tickets") == 2
        assert usedesk.requests("ticket") == 3

    def test_one_look_is_enough_long_after(self, client, search, clock, usedesk):
        clock.now += 600
        assert search()(self.ask(clock, 600)) == Absent()
        assert usedesk.requests() == 1

    def test_looks_twice_when_nobody_knows_when_the_first_try_was(self, search, clock, usedesk):
        clock.now += 600
        assert search()(self.ask(clock, 600, is_exact=False)) == Absent()
        assert usedesk.requests("tickets") == 2

    def test_other_subjects_and_clients_are_not_read(self, client, search, clock, usedesk):
        self.make(client, 130, subject="Another matter ", client_id=27747628)
        ticket = self.make(client, subject="Счёт & <b>№ 5</b> ", key=self.key, client_id=27747627)
        clock.now += 60
        narrow = search(subject="Счёт &amp; <b>№ 5", client_id=27747627)
        assert narrow(self.ask(clock, 60)) == Found(ticket)
        assert usedesk.requests("ticket") == 1

    def test_too_many_that_could_be_it(self, client, search, clock, usedesk):
        self.make(client, 30)
        clock.now += 60
        answer = search()(self.ask(clock, 60))
        assert isinstance(answer, Unsure)
        assert "20 tickets" in answer.reason
        assert usedesk.requests("ticket") == 20

    def test_too_many_pages(self, client, search, clock, usedesk):
        self.make(client, 320, subject="Another matter ")
        clock.now += 60
        answer = search(subject="Invoice")(self.ask(clock, 60))
        assert isinstance(answer, Unsure)
        assert "pages" in answer.reason
        assert usedesk.requests("tickets") <= 5

    @pytest.mark.parametrize(
        "fault", [faults.close(), faults.answer(200, {"code": 115, "error": "no access"}), faults.html(502)]
    )
    def test_a_listing_that_fails_or_is_refused_tells_nothing(self, search, clock, usedesk, fault):
        usedesk.fail(fault, times=9)
        assert isinstance(search()(self.ask(clock)), Unsure)

    def test_tickets_of_another_time_are_not_listed(self, client, search, clock, usedesk):
        self.make(client, 3)
        clock.now += 3 * 3600
        assert search()(self.ask(clock, 60)) == Absent()
        self.make(client, 3)
        clock.now += 60
        assert search()(self.ask(clock, 2 * 3600)) == Absent()
        assert usedesk.requests("ticket") == 0

    def test_no_ticket_is_read_twice(self, client, search, clock, usedesk, caplog):
        caplog.set_level("INFO")
        self.make(client, 3)
        clock.now += 10
        assert search()(self.ask(clock, 10)) == Absent()
        assert usedesk.requests("tickets") == 2
        assert usedesk.requests("ticket") == 3
        assert "absent, after 2 pages and 3 tickets" in caplog.text
