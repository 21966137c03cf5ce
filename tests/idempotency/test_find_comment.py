"""The search for a comment, against the sandbox."""

from __future__ import annotations

import pytest

from airflow_provider_usedesk import sandbox as faults
from airflow_provider_usedesk.api.records import Comment
from airflow_provider_usedesk.idempotency.decision import Absent, Ambiguous, Found
from airflow_provider_usedesk.idempotency.find_comment import CommentSearch
from airflow_provider_usedesk.sandbox import Sandbox


@pytest.fixture
def usedesk(clock):
    with Sandbox(clock=clock) as running:
        yield running


@pytest.fixture
def ticket_id(client):
    return client.create_ticket(subject="s", message="m").ticket_id


@pytest.fixture
def search(client, clock, ticket_id):
    ours = Comment(None, message="Paid", type="public")

    def search(seconds_ago=0.0, is_exact=True, during_wait=lambda: None):
        def sleep(seconds):
            clock.sleep(seconds)
            during_wait()

        find = CommentSearch(client, ticket_id, ours, sleep=sleep, now=clock.moment)
        return find(clock.look_up(seconds_ago, is_exact))

    return search


def test_existing_comment_is_found_at_once(client, search, clock, usedesk, ticket_id):
    created = client.create_comment(ticket_id=ticket_id, message="<p>Paid</p>", type="public")
    before = clock.now
    assert search() == Found(created)
    assert (clock.now, usedesk.requests("ticket")) == (before, 1)


def test_comment_is_found_after_wait(client, search, ticket_id):
    def write():
        client.create_comment(ticket_id=ticket_id, message="Paid", type="public")

    assert isinstance(search(during_wait=write), Found)


def test_absent_only_after_second_search(search, clock, usedesk):
    assert search() == Absent()
    assert clock.waited >= 30
    assert usedesk.requests("ticket") == 2


def test_old_attempt_needs_one_search(search, clock, usedesk):
    clock.now += 600
    assert search(600) == Absent()
    assert usedesk.requests("ticket") == 1


def test_inexact_time_needs_two_searches(search, clock, usedesk):
    clock.now += 600
    assert search(600, is_exact=False) == Absent()
    assert usedesk.requests("ticket") == 2


def test_time_of_attempt_bounds_matches(client, search, clock, ticket_id):
    clock.now += 2 * 3600
    created = client.create_comment(ticket_id=ticket_id, message="Paid", type="public")
    assert isinstance(search(2 * 3600), Ambiguous)
    assert search(2 * 3600, is_exact=False) == Found(created)
    clock.now += 3600
    assert isinstance(search(), Ambiguous)
    clock.now += 24 * 3600
    assert search() == Absent()


@pytest.mark.parametrize(
    "fault",
    [faults.close(), faults.answer(200, {"code": 113, "error": "no ticket"}), faults.html(502)],
    ids=["closed", "refused", "502"],
)
def test_unreadable_ticket_is_ambiguous(search, usedesk, fault):
    usedesk.fail(fault, times=9, method="ticket")
    assert isinstance(search(), Ambiguous)
