"""The attempt store."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from airflow_provider_usedesk.api.responses import CreatedComment, CreatedTicket
from airflow_provider_usedesk.compat.stores import MemoryStore
from airflow_provider_usedesk.idempotency.attempt_store import AttemptStore
from airflow_provider_usedesk.idempotency.decision import AttemptRecord

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "response", [None, CreatedTicket(77, "delivered", "5754", 8), CreatedTicket(77), CreatedComment(501)]
)
def test_load_returns_saved_record(response):
    attempts = AttemptStore(MemoryStore(), type(response))
    attempts.save(AttemptRecord(NOW, 2, response))
    assert attempts.load() == AttemptRecord(NOW, 2, response)
    attempts.delete()
    assert attempts.load() is None


@pytest.mark.parametrize("response", [None, CreatedTicket(77, comment_id=8)])
def test_record_is_readable_json(response):
    store = MemoryStore()
    AttemptStore(store, CreatedTicket, "/resend").save(AttemptRecord(NOW, 3, response))
    ticket = {"ticket_id": 77, "message_status": None, "chat_id": None, "comment_id": 8}
    assert store.get("usedesk/attempt/resend") == {
        "since": "2026-11-22T12:00:00+00:00",
        "clear_count": 3,
        "response": ticket if response else None,
    }


def test_stored_record_is_loaded():
    store = MemoryStore()
    ticket = {"ticket_id": 77, "message_status": None, "chat_id": None, "comment_id": 8}
    store.set("usedesk/attempt", {"since": "2026-11-22T12:00:00+00:00", "clear_count": 0, "response": ticket})
    assert AttemptStore(store, CreatedTicket).load() == AttemptRecord(NOW, 0, CreatedTicket(77, comment_id=8))


def test_suffix_separates_messages():
    store = MemoryStore()
    AttemptStore(store, CreatedTicket).save(AttemptRecord(NOW, 0))
    assert AttemptStore(store, CreatedTicket, "/resend").load() is None


def test_without_store_no_record_survives():
    attempts = AttemptStore(None, CreatedTicket)
    attempts.save(AttemptRecord(NOW, 0))
    assert not attempts.outlives_attempts
    assert AttemptStore(None, CreatedTicket).load() is None
    assert AttemptStore(MemoryStore(), CreatedTicket).outlives_attempts
