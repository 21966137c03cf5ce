"""The delivery contract, decided without Airflow: every history of up to three tries, and the search."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_usedesk import sandbox as faults
from airflow_provider_usedesk.api import errors
from airflow_provider_usedesk.api.client import UsedeskClient
from airflow_provider_usedesk.api.records import Comment, TicketDetails
from airflow_provider_usedesk.api.responses import CreatedComment, CreatedTicket
from airflow_provider_usedesk.idempotency.attempt_store import TaskStateAttempts
from airflow_provider_usedesk.idempotency.find_comment import CommentSearch, Moments, comment_among
from airflow_provider_usedesk.idempotency.find_ticket import TicketSearch
from airflow_provider_usedesk.idempotency.keys import MAX_KEY, idempotency_key
from airflow_provider_usedesk.idempotency.send_once import (
    Absent,
    Ambiguous,
    Attempt,
    AttemptRecord,
    Fail,
    Found,
    LookUp,
    Reuse,
    Send,
    first_step,
    send_once,
    step_after_look_up,
)
from airflow_provider_usedesk.sandbox import Sandbox

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ANSWER = CreatedTicket(77)


class Killed(BaseException):
    """The worker died."""


@dataclass
class History:
    """What happens to one task: its memory, the tickets in Usedesk, and how each try ends."""

    store_exists: bool
    tickets: list[int] = field(default_factory=list)
    kept: AttemptRecord | None = None
    sends: int = 0
    looks: int = 0
    writes: int = 0

    @property
    def works(self) -> bool:
        return self.store_exists

    def load(self):
        return self.kept

    def save(self, what):
        self.writes += 1
        if what.answer and self.event == "killed before the answer was remembered":
            raise Killed
        if self.store_exists:
            self.kept = what
        if what.answer and self.event == "killed after the answer was remembered":
            raise Killed
        if not what.answer and self.event == "killed before the request":
            raise Killed

    def delete(self):
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
        return self.answer(self.tickets[-1])

    def answer(self, number):
        return CreatedTicket(number)

    def look_up(self, ask):
        self.looks += 1
        if self.event == "cannot be verified":
            return Ambiguous("too many")
        return Found(self.answer(self.tickets[0])) if self.tickets else Absent()

    def run(self, event, number, on_unknown="verify"):
        self.event = event
        attempt = Attempt(is_first=number == 1, began=NOW)
        if event == "killed at once":
            return None
        try:
            return send_once(self.send, self.look_up, self, attempt, on_unknown, now=lambda: NOW)
        except (Killed, errors.UsedeskError):
            return None


OURS = Comment(None, "<p>Paid, thanks</p>", author="user", type="public", user_id=2156)


class CommentHistory(History):
    """The same for a comment, looked for among others in its ticket; ``tickets`` are the comments here."""

    def answer(self, number):
        return CreatedComment(number)

    def look_up(self, ask):
        self.looks += 1
        return CommentSearch(self, 77, OURS, sleep=lambda seconds: None, now=lambda: NOW)(ask)

    def ticket(self, ticket_id):
        if self.event == "cannot be verified":
            raise errors.UsedeskUnavailable("x")
        return TicketDetails(ticket_id, comments=tuple(map(self.shown, (-1, *self.tickets))))

    def shown(self, number):
        message = "Paid,\nthanks" if number > 0 else "Is it paid?"
        return Comment(number, message, "user", "public", 2156, published_at="2026-11-22 12:00:01")


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


@pytest.mark.parametrize("kind", [History, CommentHistory])
@pytest.mark.parametrize("store_exists", [True, False])
@pytest.mark.parametrize("on_unknown", ["verify", "fail"])
def test_no_history_makes_two_tickets(kind, store_exists, on_unknown):
    for events in itertools.product(EVENTS, repeat=4):
        history = kind(store_exists)
        answers = [history.run(event, number, on_unknown) for number, event in enumerate(events, 1)]
        assert len(history.tickets) <= 1, events
        for answer in filter(None, answers):
            assert [history.answer(number) for number in history.tickets] == [answer], events


@pytest.mark.parametrize("kind", [History, CommentHistory])
@pytest.mark.parametrize("store_exists", [True, False])
def test_every_history_that_ends_well_makes_one_ticket(kind, store_exists):
    for events in itertools.product(EVENTS, repeat=3):
        history = kind(store_exists)
        for number, event in enumerate([*events, "goes well"], 1):
            answer = history.run(event, number)
        assert answer is not None, events
        assert [history.answer(number) for number in history.tickets] == [answer], events


@pytest.mark.parametrize("kind", [History, CommentHistory])
@pytest.mark.parametrize("store_exists", [True, False])
def test_the_ordinary_path_costs_one_request_and_two_writes(kind, store_exists):
    history = kind(store_exists)
    assert history.run("goes well", 1) == history.answer(1)
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


SENDING = AttemptRecord(NOW, 0)
SENT = AttemptRecord(NOW, 0, ANSWER)
BEGAN = NOW - timedelta(hours=1)


@pytest.mark.parametrize(
    ("remembered", "works", "is_first", "on_unknown", "step"),
    [
        (None, True, True, "verify", Send()),
        (None, True, False, "verify", Send()),
        (None, False, True, "fail", Send()),
        (None, False, False, "verify", LookUp(BEGAN, is_exact=False)),
        (SENDING, True, False, "verify", LookUp(NOW, is_exact=True)),
        (SENDING, True, False, "send", Send()),
        (None, False, False, "send", Send()),
        (SENT, True, False, "verify", Reuse(ANSWER)),
        (SENT, True, False, "send", Reuse(ANSWER)),
        (SENT, True, False, "fail", Reuse(ANSWER)),
        (AttemptRecord(NOW, 3, ANSWER), True, False, "verify", Send()),
    ],
)
def test_first_step(remembered, works, is_first, on_unknown, step):
    assert first_step(remembered, works, Attempt(is_first, BEGAN), on_unknown) == step


@pytest.mark.parametrize(("remembered", "works"), [(SENDING, True), (None, False)])
def test_fail_says_what_to_do(remembered, works):
    step = first_step(remembered, works, Attempt(False, BEGAN), "fail")
    assert isinstance(step, Fail)
    assert "on_unknown_outcome='send'" in step.reason


def test_step_after_asking():
    assert step_after_look_up(Found(CreatedTicket(5))) == Reuse(CreatedTicket(5))
    assert step_after_look_up(Absent()) == Send()
    stop = step_after_look_up(Ambiguous("too many"))
    assert isinstance(stop, Fail)
    assert "too many" in stop.reason


class Store(dict):
    """The task state store of Airflow, as far as it is used: JSON by name."""

    def set(self, key, value, *, retention):
        self[key] = json.loads(json.dumps(value))

    def delete(self, key):
        self.pop(key, None)


class TestStateStore:
    @pytest.mark.parametrize(
        "answer", [None, CreatedTicket(77, "delivered", "5754", 8), CreatedTicket(77), CreatedComment(501)]
    )
    def test_gives_back_what_was_remembered(self, answer):
        memory = TaskStateAttempts(Store(), type(answer))
        memory.save(AttemptRecord(NOW, 2, answer))
        assert memory.load() == AttemptRecord(NOW, 2, answer)
        memory.delete()
        assert memory.load() is None

    def test_reads_what_earlier_versions_stored(self):
        stored = {"ticket_id": 77, "message_status": None, "chat_id": None, "comment_id": 8}
        store = Store(usedesk_send={"since": "2026-11-22T12:00:00+00:00", "turn": 0, "answer": stored})
        assert TaskStateAttempts(store, CreatedTicket).load() == AttemptRecord(
            NOW, 0, CreatedTicket(77, comment_id=8)
        )


class TestKey:
    def test_is_readable_and_the_same_each_time(self):
        assert idempotency_key("d", "manual__2026", "t") == "airflow/d/manual__2026/t"
        assert idempotency_key("d", "r", "t", 3) == "airflow/d/r/t/3"
        assert idempotency_key("d", "r", "t", 3, 2, "/resend") == "airflow/d/r/t/3/again-2/resend"

    def test_tasks_never_share_one(self):
        assert idempotency_key("a/b", "c", "d") != idempotency_key("a", "b/c", "d")
        long = "x" * 300
        keys = {idempotency_key(long, "r", "t", index) for index in range(50)} | {
            idempotency_key(long, "r", "u")
        }
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
        return LookUp(datetime.fromtimestamp(clock.now - seconds_ago, UTC), is_exact)

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
        assert search()(self.ask(clock)) == Found(CreatedTicket(ticket))

    def test_finds_it_at_once_when_it_is_listed(self, client, search, clock, usedesk):
        ticket = self.make(client, key=self.key)
        clock.now += 60
        before = clock.now
        assert search()(self.ask(clock, 60)) == Found(CreatedTicket(ticket))
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
        assert narrow(self.ask(clock, 60)) == Found(CreatedTicket(ticket))
        assert usedesk.requests("ticket") == 1

    def test_a_subject_that_may_differ_is_only_looked_at_first(self, client, search, clock, usedesk):
        self.make(client, 30, subject="Another matter ")
        alike = self.make(client, subject="Invoice, try 2", key=self.key)
        clock.now += 60
        narrow = search(subject="Invoice, try 2", fixed=frozenset())
        assert narrow(self.ask(clock, 60)) == Found(CreatedTicket(alike))
        assert usedesk.requests("ticket") == 1
        changed = search(subject="Invoice, try 3", fixed=frozenset())
        assert isinstance(changed(self.ask(clock, 60)), Ambiguous)
        usedesk.reset()
        other = self.make(client, subject="Invoice, try 1", key=self.key)
        clock.now += 60
        assert changed(self.ask(clock, 60)) == Found(CreatedTicket(other))

    @pytest.mark.parametrize(
        ("fixed", "is_found"), [((), True), (("subject",), True), (("subject", "client_id"), False)]
    )
    def test_a_client_that_may_differ_is_only_looked_at_first(
        self, client, search, clock, usedesk, fixed, is_found
    ):
        self.make(client, 10, client_id=27747628)
        alike = self.make(client, key=self.key, client_id=27747627)
        clock.now += 60
        narrow = search(client_id=27747627, fixed=frozenset(fixed))
        assert narrow(self.ask(clock, 60)) == Found(CreatedTicket(alike))
        assert usedesk.requests("ticket") == 1
        other = search(client_id=27747628, fixed=frozenset(fixed))(self.ask(clock, 60))
        assert (other == Found(CreatedTicket(alike))) == is_found

    def test_too_many_that_could_be_it(self, client, search, clock, usedesk):
        self.make(client, 30)
        clock.now += 60
        answer = search()(self.ask(clock, 60))
        assert isinstance(answer, Ambiguous)
        assert "20 tickets" in answer.reason
        assert usedesk.requests("ticket") == 20

    def test_too_many_pages(self, client, search, clock, usedesk):
        self.make(client, 320, subject="Another matter ")
        clock.now += 60
        answer = search(subject="Invoice")(self.ask(clock, 60))
        assert isinstance(answer, Ambiguous)
        assert "pages" in answer.reason
        assert usedesk.requests("tickets") <= 5

    @pytest.mark.parametrize(
        "fault", [faults.close(), faults.answer(200, {"code": 115, "error": "no access"}), faults.html(502)]
    )
    def test_a_listing_that_fails_or_is_refused_tells_nothing(self, search, clock, usedesk, fault):
        usedesk.fail(fault, times=9)
        assert isinstance(search()(self.ask(clock)), Ambiguous)

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


MOMENTS = Moments(NOW - timedelta(minutes=5), NOW + timedelta(hours=1))
TYPES = {"public": "yes", "Public": "yes", None: "perhaps", "private": "no", "error": "no"}
AUTHORS = {
    ("user", 2156): "yes",
    ("user", None): "yes",
    ("user", 1): "perhaps",
    (None, None): "perhaps",
    ("client", None): "no",
    ("trigger", None): "no",
}
TEXTS = {
    "<p>Paid, thanks</p>": "yes",
    "Paid,&nbsp;thanks\r\n": "yes",
    "&lt;p&gt;Paid, <b>thanks</b>&lt;/p&gt;": "yes",
    "<style>p > a {color: red}</style><!-- x --><div class='a'>Paid, thanks</div>": "yes",
    "Paid, thanks -- Your bank": "perhaps",
    "PAID thanks!": "perhaps",
    "<div>Your bank</div><p>Paid, thanks</p>": "perhaps",
    "<p>Paid, th": "perhaps",
    None: "perhaps",
    "": "no",
    "<img src='paid.png'>": "no",
    "Not paid, thanks": "no",
    "Оплачено": "no",
}
PUBLISHED = {
    "2026-11-22 11:55:00": "yes",
    "2026-11-22 12:00:00": "yes",
    "2026-11-22T15:00:30+03:00": "yes",
    "2026-11-22 13:00:00": "yes",
    None: "perhaps",
    "": "perhaps",
    "yesterday": "perhaps",
    "2026-11-22 11:54:59": "perhaps",
    "2026-11-22 13:00:01": "perhaps",
    "2026-11-21 21:55:00": "perhaps",
    "2026-11-23 03:00:00": "perhaps",
    "2026-11-21 21:54:59": "no",
    "2026-11-23 03:00:01": "no",
}


def decision(comments, ours=OURS, moments=MOMENTS):
    found = comment_among(comments, ours, moments)
    if isinstance(found, Ambiguous):
        return "perhaps"
    return "no" if found == Absent() else found.answer.comment_id


def row(**parts):
    shown = {"message": "Paid, thanks", "author": "user", "type": "public", "user_id": 2156}
    return Comment(**{"id": 501, **shown, "published_at": "2026-11-22 12:00:00", **parts})


class TestCommentAmong:
    def test_is_found_when_all_agrees_and_absent_when_anything_speaks_against_it(self):
        properties = itertools.product(*(table.items() for table in (TYPES, AUTHORS, TEXTS, PUBLISHED)))
        for (kind, of_type), ((author, user), of_author), (text, of_text), (moment, of_moment) in properties:
            comment = Comment(501, text, author, kind, user, published_at=moment)
            answers = {of_type, of_author, of_text, of_moment}
            expected = "no" if "no" in answers else "perhaps" if "perhaps" in answers else 501
            assert decision([comment]) == expected, comment

    @pytest.mark.parametrize(
        ("author", "expected"), [("user", 501), ("client", "perhaps"), ("trigger", "perhaps")]
    )
    def test_whom_usedesk_takes_for_the_author_is_not_certain(self, author, expected):
        comment = row(author=author)
        assert decision([comment], replace(OURS, author=None)) == expected

    @pytest.mark.parametrize("message", [None, "", "<img src='x'>"])
    @pytest.mark.parametrize("text", ["Anything", "", None])
    def test_without_a_text_of_our_own_any_comment_may_be_it(self, message, text):
        ours = replace(OURS, message=message)
        assert decision([row(message=text)], ours) == "perhaps"
        assert decision([row(message=text, type="private")], ours) == "no"
        assert decision([row(message=text, author="client")], ours) == "no"
        assert decision([row(message=text, published_at="2026-11-20 12:00:00")], ours) == "no"

    def test_one_that_is_it_counts_more_than_those_that_may_be(self):
        others = [row(id=1, message="Another"), row(id=2, message="Paid"), row(id=3, published_at=None)]
        assert decision([*others, row()]) == decision([row(), *others]) == 501
        assert decision(others) == "perhaps"
        assert decision(others[:1]) == decision([]) == "no"

    def test_another_text_speaks_against_it_only_when_every_try_has_the_same(self):
        other = row(message="Try 1")
        assert comment_among([other], OURS, MOMENTS) == Absent()
        assert isinstance(comment_among([other], OURS, MOMENTS, text_may_differ=True), Ambiguous)
        assert comment_among([other, row()], OURS, MOMENTS, text_may_differ=True) == Found(
            CreatedComment(501)
        )
        for part in ({"type": "private"}, {"author": "client"}, {"published_at": None}, {"user_id": 1}):
            stranger = row(**{"message": "Try 1", **part})
            assert comment_among([stranger], OURS, MOMENTS, text_may_differ=True) == Absent()

    def test_a_short_text_is_not_looked_for_inside_of_others(self):
        assert decision([row(message="It is ok now")], replace(OURS, message="ok")) == "no"

    def test_one_without_an_id_cannot_be_returned(self):
        assert decision([row(id=None)]) == "perhaps"

    def test_says_which_comment_to_look_at_and_nothing_of_its_text(self):
        found = comment_among([row(message="Paid, thanks, Anna")], OURS, MOMENTS)
        assert isinstance(found, Ambiguous)
        assert "comment 501" in found.reason
        assert "Paid" not in found.reason


class TestCommentSearch:
    """On the wire, against the sandbox."""

    @pytest.fixture
    def clock(self):
        class Clock:
            now = 1_795_000_000.0

            def __call__(self):
                return self.now

        return Clock()

    @pytest.fixture
    def usedesk(self, clock):
        with Sandbox(clock=clock) as running:
            yield running

    @pytest.fixture
    def client(self, usedesk):
        return UsedeskClient.connect(usedesk.token, usedesk.url, max_wait=0)

    @pytest.fixture
    def ticket_id(self, client):
        return client.create_ticket(subject="s", message="m").ticket_id

    @pytest.fixture
    def search(self, client, clock, ticket_id):
        def sleep(seconds):
            clock.now += seconds
            during_the_wait()

        def during_the_wait():
            """Nothing happens, unless a test says otherwise."""

        def search(seconds_ago=0.0, is_exact=True, meanwhile=None, **ours):
            nonlocal during_the_wait
            during_the_wait = meanwhile or during_the_wait
            now = lambda: datetime.fromtimestamp(clock.now, UTC)  # noqa: E731
            expected = Comment(None, **{"message": "Paid", "type": "public", **ours})
            find = CommentSearch(client, ticket_id, expected, sleep=sleep, now=now)
            return find(LookUp(now() - timedelta(seconds=seconds_ago), is_exact))

        return search

    def test_finds_it_at_once(self, client, search, clock, usedesk, ticket_id):
        made = client.create_comment(ticket_id=ticket_id, message="<p>Paid</p>", type="public")
        before = clock.now
        assert search() == Found(made)
        assert (clock.now, usedesk.requests("ticket")) == (before, 1)

    def test_finds_what_arrives_while_it_waits(self, client, search, ticket_id):
        write = lambda: client.create_comment(ticket_id=ticket_id, message="Paid", type="public")  # noqa: E731
        assert isinstance(search(meanwhile=write), Found)

    def test_is_certain_that_it_is_not_there_only_after_a_second_look(self, search, clock, usedesk):
        assert search() == Absent()
        assert clock.now >= 1_795_000_030
        assert usedesk.requests("ticket") == 2

    def test_one_look_is_enough_long_after(self, search, clock, usedesk):
        clock.now += 600
        assert search(600) == Absent()
        assert usedesk.requests("ticket") == 1

    def test_looks_twice_when_nobody_knows_when_the_first_try_was(self, search, clock, usedesk):
        clock.now += 600
        assert search(600, is_exact=False) == Absent()
        assert usedesk.requests("ticket") == 2

    def test_when_the_first_try_was_decides_which_comments_count(self, client, search, clock, ticket_id):
        clock.now += 2 * 3600
        made = client.create_comment(ticket_id=ticket_id, message="Paid", type="public")
        assert isinstance(search(2 * 3600), Ambiguous)
        assert search(2 * 3600, is_exact=False) == Found(made)
        clock.now += 3600
        assert isinstance(search(), Ambiguous)
        clock.now += 24 * 3600
        assert search() == Absent()

    @pytest.mark.parametrize(
        "fault", [faults.close(), faults.answer(200, {"code": 113, "error": "no ticket"}), faults.html(502)]
    )
    def test_a_ticket_that_cannot_be_read_tells_nothing(self, search, usedesk, fault):
        usedesk.fail(fault, times=9, method="ticket")
        assert isinstance(search(), Ambiguous)
