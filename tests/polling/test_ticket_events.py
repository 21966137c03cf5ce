"""Events of tickets: filters, ids and payloads."""

from __future__ import annotations

import json

import pytest

from airflow_provider_usedesk.api.records import TicketRow
from airflow_provider_usedesk.polling.ticket_events import FILTERS, checked_filter, event_id_of, payload_of

TICKET = TicketRow(
    id=1,
    tags=("Refund ", "x"),
    channel_id=683,
    status=8,
    group_id=11,
    assignee_id=2156,
    client_id=5,
    type="question",
    priority="urgent",
)


@pytest.mark.parametrize(
    ("filters", "is_accepted"),
    [
        ({}, True),
        ({"tag": "refund"}, True),
        ({"tag": ["vip", "refund"]}, True),
        ({"tag": "vip"}, False),
        ({"tag": " REFUND"}, True),
        ({"channel_id": "683", "status": "new"}, True),
        ({"channel_id": 683, "status": ["open", 2]}, False),
        ({"group_id": 11, "assignee_id": 2156, "client_id": 5}, True),
        ({"assignee_id": 2157}, False),
        ({"type": "question", "priority": ["urgent", "extreme"]}, True),
        ({"priority": "low"}, False),
    ],
)
def test_ticket_has_one_value_of_each_filter(filters, is_accepted):
    given = {name: filters.get(name) for name in FILTERS}
    _, wanted = checked_filter("new", 60, given)
    assert wanted.accepts(TICKET) is is_accepted


def test_all_errors_are_named_at_once():
    with pytest.raises(ValueError, match="events: .*; poll_interval: .*; tag: .*; status: .*; group_id: "):
        checked_filter("old", 0, {"tag": [], "status": "no", "group_id": "x"})


@pytest.mark.parametrize("interval", [0, 86_401, True, "60", None, float("nan")])
def test_interval_is_one_second_to_one_day(interval):
    with pytest.raises(ValueError, match="poll_interval"):
        checked_filter("new", interval, {})


def test_unchanged_ticket_has_an_event_of_its_creation():
    row = TicketRow(id=1, created_at="2026-11-24 12:00:00")
    assert event_id_of("updated", row) == "updated/1/2026-11-24 12:00:00"


def test_payload_has_no_personal_text():
    row = TicketRow(id=1, subject="Ivan", tags=("refund",), status=8, last_updated_at="2026-11-24 12:00:00")
    payload = payload_of("updated", "usedesk_default", row)
    assert "Ivan" not in json.dumps(payload)
    assert payload["event_id"] == "updated/1/2026-11-24 12:00:00"
    assert (payload["ticket_id"], payload["status_name"], payload["tags"]) == (1, "new", ["refund"])
