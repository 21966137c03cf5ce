"""The attempt store."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, strategies as st

from airflow_provider_usedesk.api.responses import (
    CreatedClient,
    CreatedComment,
    CreatedTicket,
    SentChatMessage,
)
from airflow_provider_usedesk.compat.stores import MemoryStore
from airflow_provider_usedesk.idempotency.attempt_store import VERSION, AttemptStore
from airflow_provider_usedesk.idempotency.decision import AttemptRecord, RecordState, Unreadable
from tests.idempotency.conftest import KEY

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SLOT = "usedesk/attempt/notify"
TICKETS = [None, CreatedTicket(77), CreatedTicket(77, "delivered", "5754", 8)]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def record(state=RecordState.OPEN, response=None, ended=None):
    until = NOW + timedelta(seconds=15)
    return AttemptRecord(state, KEY, NOW, until, 2, 3, 4, 5, ended=ended, response=response)


def stored(**changes):
    """Return the JSON of a record with some changes."""
    store = MemoryStore()
    AttemptStore(store, CreatedTicket, "notify").save(record(RecordState.ANSWERED, CreatedTicket(77)))
    return {**store.get(SLOT), **changes}


def load(value, response_class=CreatedTicket):
    store = MemoryStore()
    store.set(SLOT, value)
    return AttemptStore(store, response_class, "notify").load()


@pytest.mark.parametrize("state", RecordState)
@pytest.mark.parametrize("ended", [None, NOW + timedelta(microseconds=5)])
@pytest.mark.parametrize(
    ("response_class", "response"),
    [
        *((CreatedTicket, ticket) for ticket in TICKETS),
        (CreatedComment, None),
        (CreatedComment, CreatedComment(501)),
        (CreatedClient, CreatedClient(5, is_found=True)),
        (SentChatMessage, SentChatMessage(5, 77)),
    ],
)
def test_load_returns_saved_record(state, ended, response_class, response):
    attempts = AttemptStore(MemoryStore(), response_class)
    saved = record(state, response, ended)
    attempts.save(saved)
    assert attempts.load() == saved
    assert attempts.load().key.label == KEY.label


def test_record_is_readable_json():
    assert stored() == {
        "version": 2,
        "state": "answered",
        "key": str(KEY),
        "since": "2026-11-22T12:00:00+00:00",
        "until": "2026-11-22T12:00:15+00:00",
        "try_number": 2,
        "max_tries": 3,
        "clear_number": 4,
        "clear_count": 5,
        "ended": None,
        "response": {
            "ticket_id": 77,
            "message_status": None,
            "chat_id": None,
            "comment_id": None,
            "is_found": False,
        },
    }


def test_missing_record_is_none():
    assert AttemptStore(MemoryStore(), CreatedTicket, "notify").load() is None


@pytest.mark.parametrize(
    "value", [{}, [], "", 0, False, "x", 5, [1], {"version": 2}, {"version": VERSION + 1}]
)
def test_other_values_are_unreadable(value):
    assert load(value) == Unreadable()


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 1},
        {"version": "2"},
        {"state": "sent"},
        {"state": None},
        {"state": []},
        {"key": ""},
        {"key": None},
        {"key": "order 5"},
        {"key": str(KEY)[:30]},
        {"since": None},
        {"since": "2026-11-22T12:00:00"},
        {"until": "soon"},
        {"until": 5},
        {"ended": "2026-11-22 12:00:00"},
        {"ended": ""},
        {"try_number": None},
        {"try_number": float("inf")},
        {"max_tries": "x"},
        {"clear_count": []},
        {"response": {}},
        {"response": 77},
        {"response": "77"},
        {"response": {"comment_id": 5, "another": 1}},
    ],
)
def test_wrong_values_are_unreadable(changes):
    assert isinstance(load(stored()), AttemptRecord)
    assert load(stored(**changes)) == Unreadable()


@pytest.mark.parametrize("name", sorted(stored()))
def test_missing_values_are_unreadable(name):
    value = stored()
    del value[name]
    assert load(value) == Unreadable()


@given(json_values.filter(lambda value: value is not None))
def test_no_value_raises_an_error(value):
    assert load(value) == Unreadable()


@given(st.sampled_from(sorted(stored())), json_values)
def test_no_changed_value_raises_an_error(name, value):
    assert isinstance(load(stored(**{name: value})), (AttemptRecord, Unreadable))


def test_other_time_zones_are_kept():
    attempts = AttemptStore(MemoryStore(), CreatedTicket)
    attempts.save(record(ended=NOW.astimezone(timezone(timedelta(hours=3)))))
    assert attempts.load() == record(ended=NOW)


def test_slot_separates_messages():
    store = MemoryStore()
    AttemptStore(store, CreatedTicket, "notify").save(record())
    assert AttemptStore(store, CreatedTicket, "notify/resend").load() is None


def test_without_store_no_record_survives():
    attempts = AttemptStore(None, CreatedTicket)
    attempts.save(record())
    assert attempts.load() == record()
    assert not attempts.outlives_attempts
    assert AttemptStore(None, CreatedTicket).load() is None
    assert AttemptStore(MemoryStore(), CreatedTicket).outlives_attempts


def test_record_fits_the_store():
    assert len(json.dumps(stored(key=f"{KEY}{'x' * 255}"[:255]))) < 1000
