"""What ends the waiting for a ticket, and how few requests a poll needs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest
from airflow_provider_usedesk.api.records import TicketDetails
from airflow_provider_usedesk.polling.ticket_status import (
    Goal,
    Subscription,
    checked_goal,
    plan_poll,
    ticket_state,
    why_failed,
)

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


MINUTE = timedelta(minutes=1)


def subscription(ticket_id, *, known=MINUTE, tried=MINUTE, interval=MINUTE, statuses=(2, 3), in_full=False):
    return Subscription(
        ticket_id,
        frozenset(statuses),
        interval,
        known_until=NOW - known,
        tried_at=NOW - tried,
        in_full=in_full,
    )


@pytest.mark.parametrize(
    ("target", "failed", "expected"),
    [
        (("solved", "closed"), ("deleted", "spam", "merged"), Goal(frozenset({2, 3}), frozenset({4, 7, 10}))),
        ("solved", [], Goal(frozenset({2}), frozenset())),
        ("solved, on hold", "spam", Goal(frozenset({2, 5}), frozenset({7}))),
        ("['solved', 3]", "[]", Goal(frozenset({2, 3}), frozenset())),
        ("solved", None, Goal(frozenset({2}), frozenset({4, 7, 10}))),
        (2, "4", Goal(frozenset({2}), frozenset({4}))),
        ({"Solved"}, {"Spam"}, Goal(frozenset({2}), frozenset({7}))),
    ],
)
def test_statuses_by_name_or_number(target, failed, expected):
    assert checked_goal("17", target, failed) == (17, expected)


def test_all_faults_are_named_at_once():
    with pytest.raises(UsedeskInvalidRequest) as caught:
        checked_goal("None", ["solved", "done"], ["spam", "gone"])
    assert [fault.split(":")[0] for fault in caught.value.faults] == [
        "ticket_id",
        "target_statuses",
        "failed_statuses",
    ]
    assert "solved" in str(caught.value)


@pytest.mark.parametrize("nothing", [[], (), ""])
def test_something_must_be_waited_for(nothing):
    with pytest.raises(UsedeskInvalidRequest, match="target_statuses"):
        checked_goal(1, nothing, ["spam"])


@pytest.mark.parametrize("nothing", ["", " ", "None", 0, {}, False])
def test_a_template_that_finds_nothing_does_not_switch_failing_off(nothing):
    with pytest.raises(UsedeskInvalidRequest, match="failed_statuses"):
        checked_goal(1, "solved", nothing)


def test_a_status_cannot_be_both():
    with pytest.raises(UsedeskInvalidRequest, match="failed_statuses: spam is one of target_statuses"):
        checked_goal(1, ["spam", "solved"], ["spam", "deleted"])


def test_one_or_two_tickets_are_read_themselves():
    assert plan_poll([subscription(1)], NOW).listed_since is None
    assert plan_poll([subscription(2), subscription(1)], NOW).read == (1, 2)


def test_many_are_listed_and_one_of_them_is_read():
    subscriptions = [subscription(number, statuses=[number]) for number in range(1, 101)]
    look = plan_poll(subscriptions, NOW)
    assert look.listed_since == NOW - timedelta(minutes=1)
    assert look.statuses == frozenset(range(1, 101))
    assert len(look.read) == 1


def test_tickets_whose_comments_matter_are_read_each_time_and_take_no_turn_from_others():
    messages = [subscription(number, statuses=(), in_full=True) for number in (101, 102, 103)]
    look = plan_poll([*messages, *(subscription(number) for number in range(5))], NOW)
    assert sorted(look.read) == [0, 101, 102, 103]
    assert look.listed_since == NOW - MINUTE
    assert plan_poll(messages, NOW).listed_since is None


def test_one_that_is_read_anyway_is_not_listed():
    look = plan_poll(
        [subscription(1, statuses=(), in_full=True), *(subscription(number) for number in range(1, 5))], NOW
    )
    assert sorted(look.read) == [1, 2]


def test_each_ticket_gets_its_turn_to_be_read():
    subscriptions = [subscription(number) for number in range(5)]
    moment, read = NOW, []
    for _ in range(5):
        [ticket_id] = plan_poll(subscriptions, moment).read
        read.append(ticket_id)
        moment += timedelta(minutes=1)
        for one in subscriptions:
            one.known_until = moment
        subscriptions[ticket_id].tried_at = moment
    assert sorted(read) == list(range(5))


def test_who_was_not_looked_after_for_long_is_read():
    subscriptions = [
        subscription(1),
        subscription(2),
        subscription(3, known=timedelta(hours=2)),
        subscription(4, known=timedelta(hours=3)),
    ]
    look = plan_poll(subscriptions, NOW)
    assert look.read == (3, 4)
    assert look.listed_since == NOW - timedelta(minutes=1)


def test_a_long_interval_is_no_reason_to_read_each():
    subscriptions = [
        subscription(number, known=timedelta(hours=1), interval=timedelta(hours=1)) for number in range(100)
    ]
    look = plan_poll(subscriptions, NOW)
    assert (len(look.read), look.listed_since) == (1, NOW - timedelta(hours=1))


def test_of_those_to_read_the_ones_not_tried_come_first():
    subscriptions = [
        subscription(number, known=timedelta(days=1), tried=number * MINUTE) for number in range(5)
    ]
    assert plan_poll(subscriptions, NOW).read == (4, 3, 2, 1, 0)


def test_after_a_restart_all_are_read_and_nothing_is_listed():
    look = plan_poll([subscription(number, known=timedelta(days=1)) for number in range(100)], NOW)
    assert (len(look.read), look.listed_since) == (100, None)


def test_the_state_holds_nothing_that_a_person_wrote_but_the_tags():
    ticket = TicketDetails(
        id=None, subject="Secret", status=2, tags=("invoice",), custom_fields={1: "Secret"}
    )
    state = ticket_state(17, ticket)
    assert (state["ticket_id"], state["status"], state["status_name"]) == (17, 2, "solved")
    assert "Secret" not in str(state)


def test_an_unknown_status_has_no_name():
    assert ticket_state(17, TicketDetails(id=17, status=99))["status_name"] is None
    assert ticket_state(17, TicketDetails(id=17))["status"] is None


def test_merged_is_explained():
    assert "merged into another ticket" in why_failed(17, 10)
    assert why_failed(17, 4) == "Ticket 17 is deleted, one of the statuses named as failure."
