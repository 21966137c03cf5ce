"""The delivery contract without Airflow: histories of several attempts."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from airflow_provider_usedesk.api import errors
from airflow_provider_usedesk.api.records import Comment, TicketDetails
from airflow_provider_usedesk.api.responses import CreatedComment, CreatedTicket
from airflow_provider_usedesk.compat.stores import MemoryStore
from airflow_provider_usedesk.idempotency.attempt_store import AttemptStore
from airflow_provider_usedesk.idempotency.decision import Absent, Ambiguous, Attempt, Found
from airflow_provider_usedesk.idempotency.find_comment import CommentSearch
from airflow_provider_usedesk.idempotency.send_once import send_once

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
OURS = Comment(None, "<p>Paid, thanks</p>", author="user", type="public", user_id=2156)

EVENTS = [
    "success",
    "killed at start",
    "killed before request",
    "killed before response",
    "killed before response is saved",
    "killed after response is saved",
    "unknown outcome, created",
    "unknown outcome, not created",
    "rate limited",
    "search fails",
]


class Killed(BaseException):
    """The worker was killed."""


@dataclass
class TicketHistory:
    """The attempts of one task, its store, and the tickets in Usedesk."""

    has_store: bool
    store: MemoryStore = field(default_factory=MemoryStore)
    created: list[int] = field(default_factory=list)
    event: str = ""
    sends: int = 0
    searches: int = 0
    writes: int = 0

    def run(self, event, number, on_unknown="verify"):
        """Run one attempt; return its response, None if it failed."""
        self.event = event
        if event == "killed at start":
            return None
        attempt = Attempt(is_first=number == 1, began=NOW)
        try:
            return send_once(
                self.send, self.look_up, KillableStore(self), attempt, on_unknown, now=lambda: NOW
            )
        except (Killed, errors.UsedeskError):
            return None

    def send(self):
        self.sends += 1
        if self.event == "rate limited":
            raise errors.UsedeskRateLimited("x")
        if self.event == "unknown outcome, not created":
            raise errors.UsedeskOutcomeUnknown("x")
        self.created.append(len(self.created) + 1)
        if self.event == "killed before response":
            raise Killed
        if self.event == "unknown outcome, created":
            raise errors.UsedeskOutcomeUnknown("x")
        return self.response(self.created[-1])

    def response(self, number):
        return CreatedTicket(number)

    def responses(self):
        return [self.response(number) for number in self.created]

    def look_up(self, look_up):
        self.searches += 1
        if self.event == "search fails":
            return Ambiguous("too many")
        return Found(self.response(self.created[0])) if self.created else Absent()


class CommentHistory(TicketHistory):
    """The same for a comment, which is searched among others of its ticket."""

    def response(self, number):
        return CreatedComment(number)

    def look_up(self, look_up):
        self.searches += 1
        return CommentSearch(self, 77, OURS, sleep=lambda seconds: None, now=lambda: NOW)(look_up)

    def ticket(self, ticket_id):
        if self.event == "search fails":
            raise errors.UsedeskUnavailable("x")
        return TicketDetails(ticket_id, comments=tuple(map(self.comment, (-1, *self.created))))

    def comment(self, number):
        message = "Paid,\nthanks" if number > 0 else "Is it paid?"
        return Comment(number, message, "user", "public", 2156, published_at="2026-11-22 12:00:01")


class KillableStore(AttemptStore):
    """The attempt store of a history, whose worker may be killed before or after a write."""

    def __init__(self, history):
        super().__init__(history.store if history.has_store else None, type(history.response(1)))
        self.history = history

    def save(self, record):
        self.history.writes += 1
        if record.response and self.history.event == "killed before response is saved":
            raise Killed
        super().save(record)
        if record.response and self.history.event == "killed after response is saved":
            raise Killed
        if not record.response and self.history.event == "killed before request":
            raise Killed


for_both_kinds = pytest.mark.parametrize("kind", [TicketHistory, CommentHistory], ids=["ticket", "comment"])
with_and_without_store = pytest.mark.parametrize("has_store", [True, False], ids=["store", "no-store"])


@pytest.mark.parametrize("attempts", [3, pytest.param(4, marks=pytest.mark.slow)])
@pytest.mark.parametrize("on_unknown", ["verify", "fail"])
@with_and_without_store
@for_both_kinds
def test_no_history_sends_twice(kind, has_store, on_unknown, attempts):
    for events in itertools.product(EVENTS, repeat=attempts):
        history = kind(has_store)
        responses = [history.run(event, number, on_unknown) for number, event in enumerate(events, 1)]
        assert len(history.created) <= 1, events
        for response in filter(None, responses):
            assert history.responses() == [response], events


@with_and_without_store
@for_both_kinds
def test_final_success_leaves_one_message(kind, has_store):
    for events in itertools.product(EVENTS, repeat=3):
        history = kind(has_store)
        for number, event in enumerate([*events, "success"], 1):
            response = history.run(event, number)
        assert response is not None, events
        assert history.responses() == [response], events


@with_and_without_store
@for_both_kinds
def test_success_costs_one_request_two_writes(kind, has_store):
    history = kind(has_store)
    assert history.run("success", 1) == history.response(1)
    assert (history.sends, history.searches, history.writes) == (1, 0, 2)


def test_stored_response_needs_no_request():
    history = TicketHistory(True)
    history.run("success", 1)
    assert history.run("success", 2) == CreatedTicket(1)
    assert (history.sends, history.searches, history.writes) == (1, 0, 2)


def test_refusal_needs_no_search():
    history = TicketHistory(True)
    history.run("rate limited", 1)
    assert history.run("success", 2) == CreatedTicket(1)
    assert history.searches == 0
