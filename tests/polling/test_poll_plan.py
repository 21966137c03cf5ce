"""How few requests a poll needs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from airflow_provider_usedesk.polling.poll_plan import Subscription, plan_poll

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def subscription(
    ticket_id, *, known=MINUTE, tried=MINUTE, interval=MINUTE, statuses=(2, 3), needs_comments=False
):
    return Subscription(
        ticket_id,
        frozenset(statuses),
        interval,
        known_until=NOW - known,
        read_at=NOW - tried,
        needs_comments=needs_comments,
    )


def test_few_tickets_are_read():
    assert plan_poll([subscription(1)], NOW).listed_since is None
    assert plan_poll([subscription(2), subscription(1)], NOW).read == (1, 2)


def test_many_tickets_are_listed_and_one_read():
    subscriptions = [subscription(number, statuses=[number]) for number in range(1, 101)]
    plan = plan_poll(subscriptions, NOW)
    assert plan.listed_since == NOW - timedelta(minutes=1)
    assert plan.statuses == frozenset(range(1, 101))
    assert len(plan.read) == 1


def test_tickets_with_comments_are_always_read():
    messages = [subscription(number, statuses=(), needs_comments=True) for number in (101, 102, 103)]
    plan = plan_poll([*messages, *(subscription(number) for number in range(5))], NOW)
    assert sorted(plan.read) == [0, 101, 102, 103]
    assert plan.listed_since == NOW - MINUTE
    assert plan_poll(messages, NOW).listed_since is None


def test_read_ticket_is_not_read_twice():
    plan = plan_poll(
        [
            subscription(1, statuses=(), needs_comments=True),
            *(subscription(number) for number in range(1, 5)),
        ],
        NOW,
    )
    assert sorted(plan.read) == [1, 2]


def test_every_ticket_is_read_in_rotation():
    subscriptions = [subscription(number) for number in range(5)]
    moment, read = NOW, []
    for _ in range(5):
        [ticket_id] = plan_poll(subscriptions, moment).read
        read.append(ticket_id)
        moment += timedelta(minutes=1)
        subscriptions = [
            replace(one, known_until=moment, read_at=moment if one.ticket_id == ticket_id else one.read_at)
            for one in subscriptions
        ]
    assert sorted(read) == list(range(5))


def test_late_tickets_are_read():
    subscriptions = [
        subscription(1),
        subscription(2),
        subscription(3, known=timedelta(hours=2)),
        subscription(4, known=timedelta(hours=3)),
    ]
    plan = plan_poll(subscriptions, NOW)
    assert plan.read == (3, 4)
    assert plan.listed_since == NOW - timedelta(minutes=1)


def test_long_interval_is_not_late():
    subscriptions = [
        subscription(number, known=timedelta(hours=1), interval=timedelta(hours=1)) for number in range(100)
    ]
    plan = plan_poll(subscriptions, NOW)
    assert (len(plan.read), plan.listed_since) == (1, NOW - timedelta(hours=1))


def test_longest_unread_come_first():
    subscriptions = [
        subscription(number, known=timedelta(days=1), tried=number * MINUTE) for number in range(5)
    ]
    assert plan_poll(subscriptions, NOW).read == (4, 3, 2, 1, 0)


def test_restart_reads_all_without_a_list():
    plan = plan_poll([subscription(number, known=timedelta(days=1)) for number in range(100)], NOW)
    assert (len(plan.read), plan.listed_since) == (100, None)
