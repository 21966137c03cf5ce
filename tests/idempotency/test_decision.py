"""The decision whether an attempt sends its request."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_usedesk.api.responses import CreatedTicket
from airflow_provider_usedesk.idempotency.decision import (
    Absent,
    Ambiguous,
    Attempt,
    AttemptRecord,
    Fail,
    Found,
    LookUp,
    Reuse,
    Send,
    decide,
    decide_after_look_up,
)

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
BEGAN = NOW - timedelta(hours=1)
TICKET = CreatedTicket(77)
SENDING = AttemptRecord(NOW, 0)
SENT = AttemptRecord(NOW, 0, TICKET)
SENT_BEFORE_CLEARING = AttemptRecord(NOW, 3, TICKET)


@pytest.mark.parametrize(
    ("record", "has_store", "is_first", "on_unknown", "step"),
    [
        (None, True, True, "verify", Send()),
        (None, True, False, "verify", Send()),
        (None, False, True, "fail", Send()),
        (None, False, False, "verify", LookUp(BEGAN, is_exact=False)),
        (SENDING, True, False, "verify", LookUp(NOW, is_exact=True)),
        (SENDING, True, False, "send", Send()),
        (None, False, False, "send", Send()),
        (SENT, True, False, "verify", Reuse(TICKET)),
        (SENT, True, False, "send", Reuse(TICKET)),
        (SENT, True, False, "fail", Reuse(TICKET)),
        (SENT_BEFORE_CLEARING, True, False, "verify", Send()),
    ],
)
def test_record_decides_step(record, has_store, is_first, on_unknown, step):
    assert decide(record, has_store, Attempt(is_first, BEGAN), on_unknown) == step


@pytest.mark.parametrize(("record", "has_store"), [(SENDING, True), (None, False)])
def test_fail_names_next_action(record, has_store):
    step = decide(record, has_store, Attempt(False, BEGAN), "fail")
    assert isinstance(step, Fail)
    assert "on_unknown_outcome='send'" in step.reason


def test_found_ticket_is_reused():
    assert decide_after_look_up(Found(CreatedTicket(5))) == Reuse(CreatedTicket(5))


def test_absent_ticket_is_sent():
    assert decide_after_look_up(Absent()) == Send()


def test_ambiguous_search_fails():
    step = decide_after_look_up(Ambiguous("too many"))
    assert isinstance(step, Fail)
    assert "too many" in step.reason
