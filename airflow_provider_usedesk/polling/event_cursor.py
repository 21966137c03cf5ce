"""How far the events of a subscription are stored: pure decisions, without Airflow and without network."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.records import TicketRow

# Clocks differ, a list lags behind, and its filter knows whole minutes only.
OVERLAP = timedelta(minutes=5)
# No list returns an event again after this time.
LIST_HORIZON = 3 * OVERLAP
# A cursor that is older than this is moved forward, because the markers from before are deleted.
MAX_CURSOR_AGE = timedelta(days=30)
MARKER_RETENTION = MAX_CURSOR_AGE + timedelta(days=1)
# Airflow stores events in the order in which they were fired, within seconds of each other, or not at all.
STORED_WITHIN = timedelta(minutes=10)


@dataclass(frozen=True)
class Listing:
    """
    The tickets that one list returned.

    :param since: the list contains what happened from this moment on
    :param at: when the list was requested
    :param rows: the tickets, in the order in which the events happened
    """

    since: datetime
    at: datetime
    rows: tuple[TicketRow, ...]


@dataclass(frozen=True)
class FiredEvent:
    """
    An event that was fired, and is not known to be stored.

    :param at: when it was fired
    :param listed_until: the cursor's ``listed_until`` before
    """

    at: datetime
    listed_until: datetime


@dataclass
class EventCursor:
    """
    How far a subscription has listed and fired events.

    :param listed_until: all events up to this moment were listed; None before the first list
    :param left_out: events from before the subscription began
    :param known: events that must not be fired, and when that became known
    :param unconfirmed: events that were fired and are not known to be stored, oldest first
    :param confirmed_at: when an event was last known to be stored
    """

    listed_until: datetime | None = None
    left_out: frozenset[str] = frozenset()
    known: dict[str, datetime] = field(default_factory=dict)
    unconfirmed: dict[str, FiredEvent] = field(default_factory=dict)
    confirmed_at: datetime | None = None

    @classmethod
    def from_state(cls, state: Any, now: datetime) -> EventCursor:
        """
        Return a stored cursor; a new one where none is stored.

        :param state: what :meth:`as_state` returned
        """
        if not isinstance(state, dict) or "at" not in state:
            return cls()
        at = max(datetime.fromisoformat(state["at"]), now - MAX_CURSOR_AGE)
        left_out = frozenset(state.get("left_out") or ())
        return cls(at, left_out, dict.fromkeys(left_out, at))

    @property
    def stored_until(self) -> datetime | None:
        """The moment up to which all events are stored; None before the first list."""
        first = next(iter(self.unconfirmed.values()), None)
        return self.listed_until if first is None else first.listed_until

    def as_state(self) -> dict[str, Any] | None:
        """Return a JSON value: all events up to its moment are stored. None before the first list."""
        if (stored_until := self.stored_until) is None:
            return None
        return {"at": stored_until.isoformat(), "left_out": sorted(self.left_out)}

    def own_list_since(self, shared: Listing) -> datetime | None:
        """
        Return from when on the subscription needs a list of its own; None where the shared one is enough.

        A list that reaches back too far could contain events whose markers are deleted.
        """
        if self.listed_until is None:
            return None
        since = self.listed_until - OVERLAP
        return None if since - 2 * OVERLAP <= shared.since <= since else since

    def begin(self, listing: Listing, event_ids: Iterable[str]) -> None:
        """
        Begin with the first list, whose events happened before the subscription.

        :param event_ids: the ids of these events
        """
        self.listed_until = listing.at
        self.left_out = frozenset(event_ids)
        self.known = dict.fromkeys(self.left_out, listing.at)

    def add_fired(self, event_id: str, at: datetime) -> None:
        self.known[event_id] = at
        self.unconfirmed[event_id] = FiredEvent(at, self.listed_until or at)

    def confirm(self, event_id: str, at: datetime) -> None:
        """Count an event as stored."""
        del self.unconfirmed[event_id]
        self.confirmed_at = at

    def is_overdue(self, event_id: str, at: datetime) -> bool:
        """Return whether Airflow should have stored an event by now, as it stored others."""
        fired_at = self.unconfirmed[event_id].at
        return at - max(fired_at, self.confirmed_at or fired_at) > STORED_WITHIN

    def advance_to(self, moment: datetime) -> None:
        """Count all events up to a moment as listed, and drop ids that no list returns any more."""
        self.listed_until = max(moment, self.listed_until or moment)
        # After a restart the lists begin at the stored moment again, which can be much earlier.
        horizon = (self.stored_until or moment) - LIST_HORIZON
        self.known = {one: at for one, at in self.known.items() if at > horizon}
        self.left_out &= self.known.keys()


def markers_needed_since(states: Iterable[Any], now: datetime) -> datetime:
    """
    Return the moment from which on markers are needed; no subscription reads older ones.

    :param states: the stored cursors of all subscriptions of an asset
    """
    longest = now - MARKER_RETENTION
    try:
        oldest = min(datetime.fromisoformat(state["at"]) for state in states)
    except (TypeError, KeyError, ValueError):  # no cursor, or one that cannot be read
        return longest
    return max(longest, oldest - 2 * LIST_HORIZON)
