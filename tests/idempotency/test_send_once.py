"""The delivery contract without Airflow: histories of several attempts."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest

from airflow_provider_usedesk.api import errors
from airflow_provider_usedesk.api.responses import CreatedTicket
from airflow_provider_usedesk.compat.stores import StaleAttempt
from airflow_provider_usedesk.idempotency.attempt_store import AttemptStore
from airflow_provider_usedesk.idempotency.decision import RecordState
from airflow_provider_usedesk.idempotency.keys import ANY, parse_key
from airflow_provider_usedesk.idempotency.send_once import SendOnce, new_nonce
from tests.idempotency.history import (
    DELAYS,
    EVENTS,
    MESSAGE,
    REFUSED,
    UNKNOWN,
    CommentHistory,
    Event,
    Killed,
    TicketHistory,
)

ORDINARY = ["save open", "send", "save answered"]
CLEAR = {"max_tries": 5, "clear_number": 1}

KILLS = [event for event in EVENTS.values() if event.killed_at]

two_attempts_or_three = pytest.mark.parametrize("attempts", [2, pytest.param(3, marks=pytest.mark.slow)])
for_both_kinds = pytest.mark.parametrize("kind", [TicketHistory, CommentHistory], ids=["ticket", "comment"])
with_and_without_store = pytest.mark.parametrize("has_store", [True, False], ids=["store", "no-store"])


def histories(attempts):
    """Return what may happen in some attempts, one after the other."""
    return itertools.product(EVENTS, repeat=attempts)


@with_and_without_store
@for_both_kinds
class TestHistories:
    @two_attempts_or_three
    def test_no_history_sends_twice(self, kind, has_store, attempts):
        for events in histories(attempts):
            history = kind(has_store)
            results = [history.run(EVENTS[event], "fail") for event in events]
            check_at_most_one(history, results)

    @two_attempts_or_three
    def test_final_success_leaves_one_message(self, kind, has_store, attempts):
        for events in histories(attempts):
            history = kind(has_store)
            results = [history.run(EVENTS[event]) for event in events]
            check_at_most_one(history, results)
            assert [history.run()] == history.responses(), events

    def test_three_kills_leave_one_message(self, kind, has_store):
        for events in itertools.product(KILLS, repeat=3):
            history = kind(has_store)
            results = [history.run(event) for event in events]
            check_at_most_one(history, results)
            assert [history.run()] == history.responses(), events

    @two_attempts_or_three
    @pytest.mark.parametrize("is_positional", [False, True], ids=["named", "mapped"])
    def test_clear_leaves_one_message(self, kind, has_store, is_positional, attempts):
        message = replace(MESSAGE, is_positional=is_positional)
        for *events, event in histories(attempts):
            history = kind(has_store, message=message)
            results = [history.run(EVENTS[earlier]) for earlier in events]
            results.append(history.run(EVENTS[event], **CLEAR))
            check_at_most_one(history, results)
            assert [history.run()] == history.responses(), (*events, event)


@with_and_without_store
def test_clear_that_sends_again_sends_once_more(has_store):
    for event, after in histories(2):
        history = TicketHistory(has_store)
        history.run(EVENTS[event])
        before = len(history.created)
        history.message = replace(MESSAGE, key=replace(MESSAGE.key, base="cleared"))
        history.run(EVENTS[after], **CLEAR, clear_count=1)
        history.run()
        assert len(history.created) == before + 1, (event, after)


def check_at_most_one(history, results):
    """Check that there is at most one message, and that each response is that of this message."""
    assert len(history.created) <= 1
    for result in results:
        assert isinstance(result, BaseException) or history.responses() == [result]


@with_and_without_store
@for_both_kinds
def test_ordinary_send_costs_two_writes(kind, has_store):
    history = kind(has_store)
    assert history.run() == history.response(1)
    assert history.calls == ORDINARY


@for_both_kinds
def test_stored_response_costs_one_read(kind):
    history = kind()
    history.run()
    assert history.run() == history.response(1)
    assert history.calls == ["load"]


def test_reused_response_is_logged(caplog):
    caplog.set_level("INFO")
    ticket, comment = TicketHistory(), CommentHistory()
    for history in (ticket, ticket, comment, comment):
        history.run()
    assert "created Usedesk ticket 1. Nothing is sent again." in caplog.text
    assert "created Usedesk comment 1. Nothing is sent again." in caplog.text


class TestRefusal:
    def test_refusal_needs_no_search(self):
        history = TicketHistory()
        assert isinstance(history.run(REFUSED), errors.UsedeskRateLimited)
        assert history.record().state is RecordState.NOT_SENT
        assert history.record().ended == history.clock.moment()
        assert history.run() == CreatedTicket(1)
        assert history.calls == ["load", *ORDINARY]

    def test_killed_successor_keeps_the_record(self):
        """A record of a request that was not sent stays until the next request begins."""
        history = TicketHistory()
        history.run(REFUSED)
        for killed_at in ("start", "before open"):
            history.run(Event(killed_at=killed_at))
            assert history.record().state is RecordState.NOT_SENT
        assert history.run() == CreatedTicket(1)
        assert "search" not in history.calls

    def test_refusal_after_absence_is_not_sent(self):
        history = TicketHistory()
        history.run(UNKNOWN)
        history.run(REFUSED)
        assert "search" in history.calls
        assert history.record().state is RecordState.NOT_SENT

    def test_refused_repetition_keeps_the_record_open(self):
        """The earlier request may have been carried out, whatever became of its repetition."""
        history = TicketHistory()
        history.run(EVENTS["unknown, created late"])
        first = history.record()
        history.run(REFUSED, "send")
        record = history.record()
        assert record.state is RecordState.OPEN
        assert (record.key, record.since) == (first.key, first.since)
        assert history.run() == CreatedTicket(1)
        assert "search" in history.calls

    def test_invalid_request_writes_no_open_record(self):
        def send(key, before_post):
            raise errors.UsedeskInvalidRequest(["message: is required"])

        history = TicketHistory()
        history.send = send
        assert isinstance(history.run(), errors.UsedeskInvalidRequest)
        assert "save open" not in history.calls


class TestUnknownOutcome:
    @pytest.mark.parametrize("event", ["unknown, created", "unknown, not created", "timed out"])
    def test_record_stays_open_with_its_end(self, event):
        history = TicketHistory()
        assert isinstance(history.run(EVENTS[event]), BaseException)
        record = history.record()
        assert (record.state, record.ended) == (RecordState.OPEN, history.clock.moment())

    @pytest.mark.parametrize("killed_at", ["after open", "request", "before answered"])
    def test_kill_leaves_the_record_open(self, killed_at):
        history = TicketHistory()
        assert isinstance(history.run(Event(killed_at=killed_at)), Killed)
        assert (history.record().state, history.record().ended) == (RecordState.OPEN, None)

    def test_search_uses_key_and_times_of_the_record(self):
        history = TicketHistory()
        history.run(UNKNOWN)
        record = history.record()
        history.run()
        (look_up,) = history.look_ups
        assert (look_up.by, look_up.key, look_up.since) == ("key", record.key, record.since)
        assert look_up.consistent_at == record.ended + DELAYS.consistency

    def test_failed_search_fails_and_keeps_the_record(self):
        history = TicketHistory(search_fails=True)
        history.run(UNKNOWN)
        record = history.record()
        for _ in range(2):
            error = history.run()
            assert isinstance(error, errors.UsedeskOutcomeUnknown)
            assert "too many" in str(error)
            assert history.calls == ["load", "search"]
        assert history.record() == record

    def test_found_ticket_is_stored(self):
        history = TicketHistory()
        history.run(EVENTS["unknown, created"])
        since = history.record().since
        assert history.run() == CreatedTicket(1)
        assert history.calls == ["load", "search", "save answered"]
        assert history.record().response == CreatedTicket(1)
        # Not when it was found: a report of its delivery can have arrived before.
        assert history.record().since == since
        history.run()
        assert history.calls == ["load"]

    def test_found_ticket_needs_no_write(self):
        history = TicketHistory()
        history.run(EVENTS["unknown, created"])
        assert history.run(Event(killed_at="answered fails")) == CreatedTicket(1)

    def test_repetitions_have_one_key(self):
        history = TicketHistory()
        history.run(UNKNOWN)
        history.run(UNKNOWN, "send")
        history.run(EVENTS["unknown, created"], "send")
        assert history.nonces == 1
        assert history.run() == CreatedTicket(1)

    def test_message_after_absence_has_another_key(self):
        history = TicketHistory()
        history.run(UNKNOWN)
        first = history.record()
        history.run()
        assert history.record().key != first.key
        assert history.record().since > first.since

    def test_broken_store_hides_no_error(self):
        history = TicketHistory()
        history.store.set = None
        error = history.run(UNKNOWN)
        assert "Nothing was sent" in str(error)
        assert history.created == []


class TestUnsavedResponse:
    def test_response_that_is_not_saved_succeeds(self, caplog):
        history = TicketHistory()
        assert history.run(EVENTS["response not saved"]) == CreatedTicket(1)
        assert "could not be stored (ConnectionError)" in caplog.text
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert history.record().state is RecordState.OPEN

    def test_next_attempt_finds_its_ticket(self):
        history = TicketHistory()
        history.run(EVENTS["response not saved"])
        assert history.run() == CreatedTicket(1)
        assert len(history.created) == 1


class TestFence:
    """Nothing is sent if the record cannot be stored."""

    def test_failed_write_sends_nothing(self):
        history = TicketHistory()
        error = history.run(Event(killed_at="open fails"))
        assert "Nothing was sent" in str(error)
        assert history.created == []
        assert "send" not in history.calls

    def test_replaced_attempt_sends_and_writes_nothing(self):
        history = TicketHistory()
        history.run(UNKNOWN)
        record = history.record()

        def stale(key, value):
            raise StaleAttempt

        history.store.set = stale
        error = history.run()
        assert "another attempt" in str(error)
        assert history.created == []
        assert history.record() == record

    def test_replaced_attempt_without_store_sends_nothing(self):
        def check_current():
            raise StaleAttempt

        history = TicketHistory(has_store=False)
        history.next_attempt()
        send_once = SendOnce(
            history.send,
            history.look_up,
            AttemptStore(None, CreatedTicket),
            history.attempt,
            check_current,
            now=history.clock.moment,
        )
        with pytest.raises(errors.UsedeskError, match="StaleAttempt"):
            send_once(MESSAGE, None)
        assert history.created == []

    def test_each_post_has_a_fresh_record(self):
        history = TicketHistory()
        send = history.send

        def send_after_refusals(key, before_post):
            for _ in range(3):
                before_post()
                history.clock.sleep(60)
            return send(key, before_post)

        history.send = send_after_refusals
        began = history.clock.moment() + timedelta(seconds=1)
        history.run(UNKNOWN)
        assert history.calls.count("save open") == 5
        record = history.record()
        assert record.since == began
        assert record.until >= record.since + timedelta(minutes=3)
        assert history.nonces == 1


class TestNonce:
    def test_keys_have_a_nonce_with_a_store(self):
        history = TicketHistory()
        history.run()
        assert parse_key(history.created[0][1]).nonce == "00000001"
        assert history.record().key == parse_key(history.created[0][1])

    def test_keys_have_no_nonce_without_a_store(self):
        history = TicketHistory(has_store=False)
        history.run()
        assert parse_key(history.created[0][1]).nonce == ANY
        assert history.nonces == 0

    def test_nonces_differ(self):
        assert len({new_nonce() for _ in range(50)}) == 50
