"""New and changed tickets as events: the decisions, without Airflow and without network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, get_args

from airflow_provider_usedesk.api import values
from airflow_provider_usedesk.api.records import TicketRow
from airflow_provider_usedesk.polling.ticket_status import ticket_state

Events = Literal["new", "updated"]
EVENTS: tuple[Events, ...] = get_args(Events)
FILTERS = ("channel_id", "tag", "status", "group_id", "assignee_id", "client_id", "type", "priority")

SOURCE = "usedesk"
"""Marks the payload of our events."""
CURSORS = "watcher/"
"""Begins the places of positions in the state store of an asset."""
MARKERS = "fired/"
"""Begins the places of notes in it, one for each stored event."""

# Clocks differ, a list lags behind, and its filter knows whole minutes only.
OVERLAP = timedelta(minutes=5)
# After this no list shows an event again.
OUT_OF_SIGHT = 3 * OVERLAP
# Longer than this, what was stored is not known any more.
LONGEST = timedelta(days=30)
KEPT_FOR = LONGEST + timedelta(days=1)
# Events are stored in the order in which they were fired, within seconds of each other, or not at all.
STORED_WITHIN = timedelta(minutes=10)


@dataclass(frozen=True)
class Filter:
    """
    Say which tickets matter: those that have one of the values of each name.

    :param wanted: the values by the name of the filter; a name that is not there lets all through
    """

    wanted: Mapping[str, frozenset[Any]]

    def takes(self, row: TicketRow) -> bool:
        return all(_values(row, name) & values for name, values in self.wanted.items())


def checked_subscription(events: Any, poll_interval: Any, filters: Mapping[str, Any]) -> tuple[float, Filter]:
    """
    Check what a watcher subscriptions for.

    :param filters: by name, one value or several; None for no filter
    :raises ValueError: naming every faulty argument
    """
    checks: dict[str, Callable[[Any], Any]] = {
        "events": values.choice(*EVENTS),
        "poll_interval": _seconds,
        **{name: _several(_CHECKS.get(name, values.identifier)) for name in FILTERS},
    }
    asked = {name: value for name, value in filters.items() if value is not None}
    right, faults = values.all_checked(checks, {"events": events, "poll_interval": poll_interval, **asked})
    if faults:
        raise ValueError("; ".join(faults))
    return right["poll_interval"], Filter({name: right[name] for name in asked})


def event_id_of(events: Events, row: TicketRow) -> str:
    """Name an event: the same each time the ticket is listed, another after each change."""
    return f"new/{row.id}" if events == "new" else f"updated/{row.id}/{row.last_updated_at or row.created_at}"


def marker_key(usedesk_conn_id: str, event_id: str) -> str:
    """Name the place of the note that an event is stored; two accounts can have tickets of the same id."""
    return f"{MARKERS}{usedesk_conn_id}/{event_id}"


def payload_of(events: Events, usedesk_conn_id: str, row: TicketRow) -> dict[str, Any]:
    """Describe an event: ids, words of Usedesk and tags, nothing else that a person wrote."""
    return {
        "source": SOURCE,
        "usedesk_conn_id": usedesk_conn_id,
        "event": events,
        "event_id": event_id_of(events, row),
        "created_at": row.created_at,
        **ticket_state(row.id, row),
    }


@dataclass(frozen=True)
class Poll:
    """
    Hold what one list showed.

    :param since: it shows what happened from this moment on
    :param at: when it was asked for
    :param rows: the tickets
    """

    since: datetime
    at: datetime
    rows: tuple[TicketRow, ...]


@dataclass(frozen=True)
class Fired:
    """
    Hold when an event was fired.

    :param at: when
    :param seen_until: up to when all events had been seen before
    """

    at: datetime
    seen_until: datetime


@dataclass
class Progress:
    """
    Hold how far a watcher has come.

    :param seen_until: all events up to this moment were seen; None before the first list
    :param left_out: events from before the watcher was there
    :param known: events that are not to be fired any more, and when that became known
    :param unconfirmed: events that were fired, and are not yet known to be stored, oldest first
    :param confirmed_at: when one was last known to be stored
    """

    seen_until: datetime | None = None
    left_out: frozenset[str] = frozenset()
    known: dict[str, datetime] = field(default_factory=dict)
    unconfirmed: dict[str, Fired] = field(default_factory=dict)
    confirmed_at: datetime | None = None

    @classmethod
    def from_state(cls, state: Any, now: datetime) -> Progress:
        """Go on where a watcher stopped; begin anew where nothing is known of one."""
        if not isinstance(state, dict) or "at" not in state:
            return cls()
        at = max(datetime.fromisoformat(state["at"]), now - LONGEST)
        left_out = frozenset(state.get("left_out") or ())
        return cls(at, left_out, dict.fromkeys(left_out, at))

    def as_state(self) -> dict[str, Any] | None:
        """Write down from where to go on: all before is stored. None while there is nothing to write."""
        first = next(iter(self.unconfirmed.values()), None)
        stored_until = self.seen_until if first is None else first.seen_until
        if stored_until is None:
            return None
        return {"at": stored_until.isoformat(), "left_out": sorted(self.left_out)}

    def list_needed(self, shared: Poll) -> datetime | None:
        """
        Tell from when on a list of its own is needed; None where the shared one will do.

        One that reaches back too far could show events whose notes are gone.
        """
        if self.seen_until is None:
            return None
        since = self.seen_until - OVERLAP
        return None if since - 2 * OVERLAP <= shared.since <= since else since

    def begin(self, poll: Poll, event_ids: Iterable[str]) -> None:
        """Leave out what happened before the watcher was there."""
        self.seen_until = poll.at
        self.left_out = frozenset(event_ids)
        self.known = dict.fromkeys(self.left_out, poll.at)

    def fired(self, event_id: str, at: datetime) -> None:
        self.known[event_id] = at
        self.unconfirmed[event_id] = Fired(at, self.seen_until or at)

    def stored(self, event_id: str, at: datetime) -> None:
        del self.unconfirmed[event_id]
        self.confirmed_at = at

    def is_overdue(self, event_id: str, at: datetime) -> bool:
        """Tell whether an event should have been stored long ago, as others were."""
        fired_at = self.unconfirmed[event_id].at
        return at - max(fired_at, self.confirmed_at or fired_at) > STORED_WITHIN

    def move_to(self, moment: datetime) -> None:
        """Note that all up to a moment was seen, and forget what no list shows any more."""
        self.seen_until = max(moment, self.seen_until or moment)
        self.known = {one: at for one, at in self.known.items() if at > moment - OUT_OF_SIGHT}
        self.left_out &= self.known.keys()


def markers_needed_since(states: Iterable[Any], now: datetime) -> datetime:
    """
    Tell which notes of stored events no watcher will ask for any more: those from before this moment.

    :param states: what the watchers of an asset wrote down
    """
    longest = now - KEPT_FOR
    try:
        oldest = min(datetime.fromisoformat(state["at"]) for state in states)
    except (TypeError, KeyError, ValueError):  # of none, or of one, it cannot be told
        return longest
    return max(longest, oldest - 2 * OUT_OF_SIGHT)


def _values(row: TicketRow, name: str) -> frozenset[Any]:
    return frozenset(row.tags) if name == "tag" else frozenset({getattr(row, name)})


def _several(check: Callable[[Any], Any]) -> Callable[[Any], frozenset[Any]]:
    def check_all(given: Any) -> frozenset[Any]:
        several = list(given) if isinstance(given, (list, tuple, set, frozenset)) else [given]
        if not several:
            raise ValueError("name at least one value, or leave it out")
        return frozenset(check(one) for one in several)

    return check_all


def _tag(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be the name of a tag")
    return value.strip()


_CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "tag": _tag,
    "status": values.status,
    "type": values.choice("question", "task", "problem", "incident"),
    "priority": values.choice("low", "medium", "urgent", "extreme"),
}


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 1 <= value <= 86_400:
        raise ValueError("must be a number of seconds from 1 to 86400")
    return float(value)
