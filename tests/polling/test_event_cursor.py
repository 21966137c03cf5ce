"""How far events are stored: pure decisions of the cursor."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow_provider_usedesk.polling.event_cursor import (
    MARKER_RETENTION,
    MAX_CURSOR_AGE,
    EventCursor,
    markers_needed_since,
)

START = datetime(2026, 11, 24, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_markers_are_needed_since_the_oldest_cursor():
    def age(*states):
        return START - markers_needed_since(states, START)

    def cursor(age):
        return {"at": (START - age).isoformat()}

    assert timedelta(hours=1) < age(cursor(MINUTE), cursor(timedelta(hours=1))) < timedelta(hours=2)
    assert age(cursor(2 * MARKER_RETENTION)) == MARKER_RETENTION
    assert age() == age(cursor(MINUTE), "unreadable") == MARKER_RETENTION


def test_old_cursor_is_moved_forward():
    state = {"at": (START - timedelta(days=90)).isoformat(), "left_out": []}
    assert EventCursor.from_state(state, START).listed_until == START - MAX_CURSOR_AGE


def test_cursor_survives_storing():
    cursor = EventCursor(START, frozenset({"new/1"}), {"new/1": START})
    assert EventCursor.from_state(cursor.as_state(), START) == cursor


def test_new_cursor_has_no_state():
    assert EventCursor().as_state() is None


def test_earlier_list_does_not_move_the_cursor_back():
    cursor = EventCursor(START)
    cursor.advance_to(START - MINUTE)
    assert cursor.listed_until == START


def test_storing_of_other_events_extends_the_deadline():
    cursor = EventCursor(START)
    for event_id in ("new/1", "new/2"):
        cursor.add_fired(event_id, START)
    cursor.confirm("new/1", START + 9 * MINUTE)
    assert not cursor.is_overdue("new/2", START + 18 * MINUTE)
    assert cursor.is_overdue("new/2", START + 20 * MINUTE)
