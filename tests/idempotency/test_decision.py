"""The decision whether an attempt sends its request."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_usedesk.api.responses import CreatedTicket
from airflow_provider_usedesk.idempotency.decision import (
    Absent,
    Ambiguous,
    Attempt,
    AttemptRecord,
    Delays,
    Fail,
    Found,
    LookUp,
    Message,
    RecordState,
    Reuse,
    Send,
    Unreadable,
    decide,
    decide_after_look_up,
)
from airflow_provider_usedesk.idempotency.keys import NESTED
from tests.idempotency.conftest import KEY

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
RUN_BEGAN = NOW - timedelta(hours=2)
SINCE = NOW - timedelta(minutes=9)
UNTIL = NOW - timedelta(minutes=8)
DELAYS = Delays(request=timedelta(seconds=70), consistency=timedelta(seconds=120))
TICKET = CreatedTicket(77)

FIRST = Attempt(1, 3, 0, RUN_BEGAN, NOW)
RETRY = Attempt(2, 3, 0, RUN_BEGAN, NOW)
CLEARED = Attempt(3, 5, 1, RUN_BEGAN, NOW)
CLEARED_TO_SEND = replace(CLEARED, clear_count=1)

NAMED = Message(KEY, "notify/m")
MAPPED = Message(KEY, "notify", is_positional=True)
NESTED_MESSAGE = Message(replace(KEY, place=NESTED), "notify/to/what", is_positional=True)
OTHER_RECIPIENT = replace(KEY, recipient="another")
OTHER_CONTENT = replace(KEY, content="another")

OPEN = AttemptRecord(RecordState.OPEN, KEY, SINCE, UNTIL, try_number=1, max_tries=3, clear_number=0)
NOT_SENT = replace(OPEN, state=RecordState.NOT_SENT, ended=UNTIL)
ANSWERED = replace(OPEN, state=RecordState.ANSWERED, ended=UNTIL, response=TICKET)


def run(record=None, attempt=RETRY, message=NAMED, on_unknown="verify"):
    return decide(record, attempt, message, on_unknown, DELAYS)


def from_begin(by, message=NAMED):
    return LookUp(by, message.key, RUN_BEGAN, NOW + DELAYS.consistency)


def by_key(consistent_at, key=KEY):
    return LookUp("key", key, SINCE, consistent_at)


class TestWithoutRecord:
    @pytest.mark.parametrize("message", [NAMED, MAPPED, NESTED_MESSAGE])
    @pytest.mark.parametrize("on_unknown", ["verify", "fail", "send"])
    def test_first_attempt_sends(self, message, on_unknown):
        assert run(None, FIRST, message, on_unknown) == Send()

    @pytest.mark.parametrize(
        ("attempt", "message", "by"),
        [
            (RETRY, NAMED, "place"),
            (RETRY, MAPPED, "place"),
            (RETRY, NESTED_MESSAGE, "message"),
            (CLEARED, NAMED, "recipient"),
            (CLEARED, MAPPED, "message"),
            (CLEARED, NESTED_MESSAGE, "message"),
            # The run was cleared before the task began, or another task of it.
            (replace(FIRST, clear_number=1), NAMED, "recipient"),
            (replace(FIRST, clear_number=1), MAPPED, "message"),
        ],
    )
    def test_later_attempt_searches_from_the_begin(self, attempt, message, by):
        assert run(None, attempt, message) == from_begin(by, message)


class TestRetry:
    @pytest.mark.parametrize("message", [NAMED, MAPPED, NESTED_MESSAGE])
    def test_request_that_was_not_sent_is_sent(self, message):
        assert run(NOT_SENT, RETRY, message) == Send()

    @pytest.mark.parametrize("message", [NAMED, MAPPED])
    @pytest.mark.parametrize("key", [KEY, OTHER_RECIPIENT, OTHER_CONTENT])
    @pytest.mark.parametrize("on_unknown", ["verify", "fail", "send"])
    def test_response_is_reused(self, message, key, on_unknown):
        assert run(replace(ANSWERED, key=key), RETRY, message, on_unknown) == Reuse(TICKET)

    @pytest.mark.parametrize("message", [NAMED, MAPPED])
    @pytest.mark.parametrize("key", [KEY, OTHER_RECIPIENT, OTHER_CONTENT])
    def test_open_record_is_searched_by_its_key(self, message, key):
        step = run(replace(OPEN, key=key), RETRY, message)
        assert step == by_key(UNTIL + DELAYS.request + DELAYS.consistency, key)

    def test_ended_attempt_shortens_the_wait(self):
        ended = UNTIL - timedelta(seconds=10)
        assert run(replace(OPEN, ended=ended)) == by_key(ended + DELAYS.consistency)


class TestClear:
    """Attempts after a clear that does not send again."""

    @pytest.mark.parametrize(
        ("key", "message", "step"),
        [
            (KEY, NAMED, Reuse(TICKET)),
            (OTHER_CONTENT, NAMED, Reuse(TICKET)),
            (OTHER_RECIPIENT, NAMED, from_begin("recipient")),
            (KEY, MAPPED, Reuse(TICKET)),
            (OTHER_RECIPIENT, MAPPED, from_begin("message")),
        ],
    )
    def test_response_is_reused_for_its_message(self, key, message, step):
        assert run(replace(ANSWERED, key=key), CLEARED, message) == step

    @pytest.mark.parametrize("on_unknown", ["verify", "fail", "send"])
    def test_changed_content_of_mapped_task_fails(self, on_unknown):
        step = run(replace(ANSWERED, key=OTHER_CONTENT), CLEARED, MAPPED, on_unknown)
        assert isinstance(step, Fail)
        assert "message_key" in step.reason

    @pytest.mark.parametrize(
        ("key", "message", "step"),
        [
            (KEY, NAMED, Send()),
            (OTHER_CONTENT, NAMED, Send()),
            (OTHER_RECIPIENT, NAMED, from_begin("recipient")),
            # Another task instance may have sent it before the list moved.
            (KEY, MAPPED, from_begin("message")),
            (OTHER_CONTENT, MAPPED, from_begin("message")),
            (OTHER_RECIPIENT, MAPPED, from_begin("message")),
        ],
    )
    def test_moved_message_is_searched(self, key, message, step):
        assert run(replace(NOT_SENT, key=key), CLEARED, message) == step

    @pytest.mark.parametrize(
        ("key", "message", "step"),
        [
            (KEY, NAMED, by_key(UNTIL + timedelta(seconds=190))),
            (OTHER_CONTENT, NAMED, by_key(UNTIL + timedelta(seconds=190), OTHER_CONTENT)),
            (OTHER_RECIPIENT, NAMED, from_begin("recipient")),
            (KEY, MAPPED, from_begin("message")),
            (OTHER_RECIPIENT, MAPPED, from_begin("message")),
        ],
    )
    def test_open_record_is_searched(self, key, message, step):
        assert run(replace(OPEN, key=key), CLEARED, message) == step

    @pytest.mark.parametrize(
        ("key", "message", "by"),
        [(OTHER_RECIPIENT, NAMED, "recipient"), (KEY, MAPPED, "message")],
    )
    def test_worker_that_still_runs_is_awaited(self, key, message, by):
        """A clear does not reach a worker that Airflow has lost."""
        record = replace(OPEN, key=key, until=NOW + timedelta(seconds=10))
        step = run(record, CLEARED, message)
        assert step == replace(from_begin(by, message), consistent_at=NOW + timedelta(seconds=200))

    def test_clear_of_another_task_counts(self):
        attempt = replace(RETRY, clear_number=1)
        assert run(replace(ANSWERED, key=OTHER_RECIPIENT), attempt) == from_begin("recipient")


@pytest.mark.parametrize("record", [OPEN, NOT_SENT, ANSWERED])
@pytest.mark.parametrize("message", [NAMED, MAPPED])
@pytest.mark.parametrize("on_unknown", ["verify", "fail", "send"])
def test_clear_that_sends_again_sends(record, message, on_unknown):
    assert run(record, CLEARED_TO_SEND, message, on_unknown) == Send()


@pytest.mark.parametrize("attempt", [FIRST, RETRY, CLEARED, CLEARED_TO_SEND])
@pytest.mark.parametrize("on_unknown", ["verify", "fail", "send"])
def test_unreadable_record_fails(attempt, on_unknown):
    step = run(Unreadable(), attempt, on_unknown=on_unknown)
    assert isinstance(step, Fail)
    assert "on_unknown_outcome='send'" in step.reason


UNKNOWN = [
    (record, attempt, message)
    for record, attempt, message in itertools.product(
        [None, *(replace(OPEN, key=key) for key in (KEY, OTHER_RECIPIENT, OTHER_CONTENT))],
        [RETRY, CLEARED],
        [NAMED, MAPPED, NESTED_MESSAGE],
    )
]


@pytest.mark.parametrize(("record", "attempt", "message"), UNKNOWN)
def test_policy_replaces_each_search(record, attempt, message):
    assert isinstance(run(record, attempt, message), LookUp)
    assert run(record, attempt, message, "send") == Send(is_certain=False)
    step = run(record, attempt, message, "fail")
    assert isinstance(step, Fail)
    assert "on_unknown_outcome='send'" in step.reason


def test_search_result_decides():
    assert decide_after_look_up(Found(TICKET)) == Reuse(TICKET)
    assert decide_after_look_up(Absent()) == Send()
    step = decide_after_look_up(Ambiguous("too many"))
    assert isinstance(step, Fail)
    assert "too many. Look in Usedesk" in step.reason
