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

    def search(seconds_ago=0.0, consistent_in=0.0, during_wait=lambda: None, **options):
        def sleep(seconds):
            clock.sleep(seconds)
            during_wait()

        find = CommentSearch(client, ticket_id, ours, sleep=sleep, now=clock.moment, **options)
        return find(clock.look_up(seconds_ago, consistent_in))

    return search


def test_existing_comment_is_found_at_once(client, search, clock, usedesk, ticket_id):
    created = client.create_comment(ticket_id=ticket_id, message="<p>Paid</p>", type="public")
    assert search(consistent_in=120) == Found(created)
    assert (clock.waited, usedesk.requests("ticket")) == (0, 1)


def test_comment_is_found_after_wait(client, search, ticket_id):
    def write():
        client.create_comment(ticket_id=ticket_id, message="Paid", type="public")

    assert isinstance(search(consistent_in=120, during_wait=write), Found)


def test_absent_only_after_consistency(search, clock, usedesk):
    assert search(consistent_in=120) == Absent()
    assert (clock.waited, usedesk.requests("ticket")) == (120, 2)


def test_old_attempt_needs_one_search(search, clock, usedesk):
    clock.now += 600
    assert search(600) == Absent()
    assert usedesk.requests("ticket") == 1


def test_time_of_attempt_bounds_matches(client, search, clock, ticket_id):
    created = client.create_comment(ticket_id=ticket_id, message="Paid", type="public")
    clock.now += 300
    assert search(0) == Found(created)
    clock.now += 3600
    assert isinstance(search(0), Ambiguous)
    assert search(3600) == Found(created)
    clock.now += 24 * 3600
    assert search(0) == Absent()


def test_changed_text_is_ambiguous(client, search, ticket_id):
    client.create_comment(ticket_id=ticket_id, message="Attempt 1", type="public")
    assert search() == Absent()
    assert isinstance(search(text_may_differ=True), Ambiguous)


def test_log_has_the_result(search, caplog):
    caplog.set_level("INFO")
    search()
    assert "comment of an earlier attempt: absent." in caplog.text


@pytest.mark.parametrize(
    "fault",
    [faults.close(), faults.answer(200, {"code": 113, "error": "no ticket"}), faults.html(502)],
    ids=["closed", "refused", "502"],
)
def test_unreadable_ticket_is_ambiguous(search, usedesk, fault):
    usedesk.fail(fault, times=9, method="ticket")
    assert isinstance(search(), Ambiguous)
