"""
The state of each row of a batch in this attempt.

=============  =====================  =====================
Transition     From                   To
=============  =====================  =====================
``inherit``    (none)                 LEFT_OPEN
``find``       LEFT_OPEN              UNKNOWN
``read``       (none)                 READY
``suspect``    READY                  UNKNOWN
``read``       LEFT_OPEN              UNKNOWN
``start``      READY                  SENDING
``abort``      SENDING                READY
``lose``       SENDING                UNKNOWN
``send_again`` UNKNOWN                READY, once for a row
``end``        READY, SENDING         ENDED
``end``        UNKNOWN                ENDED
=============  =====================  =====================

Memory does not grow with the rows. A row has no state before it is read from the row store, and none after
it has ended. Only a row that ends before it is read stays ``ENDED`` until then, so that it is not sent again.
This happens to rows that an earlier attempt left open.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from airflow_provider_usedesk.batch.checkpoint import OpenRow
from airflow_provider_usedesk.batch.row_store import CheckedRow
from airflow_provider_usedesk.batch.send_window import LONGEST_REQUEST


class RowState(StrEnum):
    """
    The state of a row.

    :cvar LEFT_OPEN: an earlier attempt may have sent it; it was not found among the recipients yet
    :cvar READY: certainly not sent; it waits for a worker
    :cvar SENDING: a worker has it
    :cvar UNKNOWN: it may have been sent
    :cvar ENDED: sent, rejected or left, before the row store gave it
    """

    LEFT_OPEN = "left open"
    READY = "ready"
    SENDING = "sending"
    UNKNOWN = "unknown"
    ENDED = "ended"


class Sender(StrEnum):
    """
    Who may have sent a row.

    :cvar THIS: this attempt
    :cvar EARLIER: an earlier attempt of the task instance, which stored when
    :cvar ELSEWHERE: another mapped task instance, which stored when
    :cvar ANY: any of the Dag run; nothing is stored
    """

    THIS = "this attempt"
    EARLIER = "an earlier attempt"
    ELSEWHERE = "another task instance"
    ANY = "any"


class ImpossibleTransition(RuntimeError):
    """A row was to move to a state that cannot follow its current one; this is a defect of the package."""

    def __init__(self, row: CheckedRow, state: RowState | None, transition: str) -> None:
        current = f"is {state}" if state else "has no state"
        super().__init__(f"Row {row.number} {current}, so it cannot {transition}.")


@dataclass(frozen=True, slots=True)
class _Entry:
    """
    The state of one row, and the facts that belong to it. An entry is replaced as a whole, never changed.

    :param state: the state
    :param row: the row; None while it is left open
    :param open: the time in which it may have been sent; None while it is ready or has ended
    :param was_absent: whether a search found that it had not been sent, after which it was sent again
    :param sender: who may have sent it
    """

    state: RowState
    row: CheckedRow | None = None
    open: OpenRow | None = None
    was_absent: bool = False
    sender: Sender = Sender.THIS


class RowStates:
    """
    The states of the rows of a batch.

    Every transition is a single assignment. A signal can interrupt anywhere, and finds each row in one state.

    :param longest_request: how long a request takes at most; default: 70 seconds
    """

    def __init__(self, longest_request: timedelta = LONGEST_REQUEST) -> None:
        self._longest_request = longest_request
        self._entries: dict[int, _Entry] = {}
        self.last_read = 0
        """Number of the last row that was read from the row store."""

    def count(self, state: RowState) -> int:
        """Return how many rows are in a state."""
        return sum(entry.state is state for entry in self._entries.values())

    def rows_in(self, state: RowState) -> list[CheckedRow]:
        """Return the rows in a state, other than ``LEFT_OPEN``."""
        return [entry.row for entry in self._entries.values() if entry.state is state and entry.row]

    def state_of(self, row: CheckedRow) -> RowState | None:
        """Return the state of a row; None before it is read, and after it has ended."""
        entry = self._entries.get(row.digest)
        return entry.state if entry else None

    def left_open(self) -> list[int]:
        """Return the digests of the rows that are left open."""
        return [digest for digest, entry in self._entries.items() if entry.state is RowState.LEFT_OPEN]

    def open_rows(self, sending_until: datetime) -> list[OpenRow]:
        """
        Return the rows that may have been sent or may be sent now.

        :param sending_until: when the workers stop to send, UTC
        """
        return [
            replace(entry.open, until=sending_until)
            # Rows that were just released have this time already.
            if entry.state is RowState.SENDING and entry.open.until != sending_until
            else entry.open
            for entry in self._entries.values()
            # The checkpoint of another task instance has its own rows.
            if entry.open and (entry.state, entry.sender) != (RowState.LEFT_OPEN, Sender.ELSEWHERE)
        ]

    def time_of(self, row: CheckedRow) -> OpenRow:
        """Return the time in which a row may have been sent, until the end of its request."""
        entry = self._entries.get(row.digest)
        if entry is None or entry.open is None:
            raise ImpossibleTransition(row, self.state_of(row), "have been sent")
        if entry.sender is Sender.THIS:
            return entry.open
        # An attempt that was killed has not stored when its requests ended.
        return replace(entry.open, until=entry.open.until + self._longest_request)

    def was_absent(self, row: CheckedRow) -> bool:
        """Return whether a search has found already that a row had not been sent."""
        return self._entries[row.digest].was_absent

    def inherit(self, rows: Iterable[OpenRow], sender: Sender = Sender.EARLIER) -> None:
        """Take over the rows that an earlier attempt or another task instance left open."""
        self._entries.update(
            (row.digest, _Entry(RowState.LEFT_OPEN, open=row, sender=sender)) for row in rows
        )

    def find(self, row: CheckedRow) -> None:
        """Move a row that was left open and is among the recipients to ``UNKNOWN``."""
        entry = self._entry(row, "be found", RowState.LEFT_OPEN)
        self._entries[row.digest] = replace(entry, state=RowState.UNKNOWN, row=row)

    def read(self, row: CheckedRow) -> bool:
        """
        Record that the row store gave its next row.

        :param row: the row
        :return: whether it is ready to be sent
        """
        state = self.state_of(row)
        self.last_read = row.number
        if state is RowState.LEFT_OPEN:
            self.find(row)
        elif state is RowState.ENDED:
            del self._entries[row.digest]
        elif state is None:
            self._entries[row.digest] = _Entry(RowState.READY, row)
        return state is None

    def suspect(self, row: CheckedRow, since: datetime, until: datetime) -> None:
        """
        Move a row that another attempt may have sent, though none stored it, to ``UNKNOWN``.

        :param row: a row that is ready
        :param since: before this moment it was not sent, UTC
        :param until: after this moment no other attempt sent it, UTC
        """
        self._entry(row, "be suspected", RowState.READY)
        span = OpenRow(row.digest, since, until)
        self._entries[row.digest] = _Entry(RowState.UNKNOWN, row, span, sender=Sender.ANY)

    def start(self, row: CheckedRow, since: datetime, until: datetime) -> None:
        """
        Move a row that is about to be sent to ``SENDING``.

        :param row: a row that is ready
        :param since: now, UTC
        :param until: when the workers stop to send, UTC
        """
        entry = self._entry(row, "be sent", RowState.READY)
        span = OpenRow(row.digest, since, until)
        self._entries[row.digest] = _Entry(RowState.SENDING, row, span, entry.was_absent)

    def abort(self, row: CheckedRow) -> None:
        """Move a row that its worker did not send back to ``READY``."""
        entry = self._entry(row, "be aborted", RowState.SENDING)
        self._entries[row.digest] = replace(entry, state=RowState.READY, open=None)

    def lose(self, row: CheckedRow, until: datetime) -> None:
        """
        Move a row whose outcome is unknown to ``UNKNOWN``.

        :param row: a row that a worker had
        :param until: when it was sent at the latest, UTC
        """
        entry = self._entry(row, "get an unknown outcome", RowState.SENDING)
        span = replace(self.time_of(row), until=until)
        self._entries[row.digest] = replace(entry, state=RowState.UNKNOWN, open=span)

    def send_again(self, row: CheckedRow) -> None:
        """Move a row that had not been sent, according to a search, to ``READY``; once for a row."""
        entry = self._entry(row, "be sent again", RowState.UNKNOWN)
        if entry.was_absent:
            raise ImpossibleTransition(row, entry.state, "be sent a third time")
        self._entries[row.digest] = _Entry(RowState.READY, row, was_absent=entry.sender is not Sender.ANY)

    def end(self, row: CheckedRow) -> None:
        """End a row that was sent, rejected, or left to a later run."""
        self._entry(row, "end", RowState.READY, RowState.SENDING, RowState.UNKNOWN)
        if row.number <= self.last_read:
            del self._entries[row.digest]
        else:
            self._entries[row.digest] = _Entry(RowState.ENDED)

    def _entry(self, row: CheckedRow, transition: str, *states: RowState) -> _Entry:
        entry = self._entries.get(row.digest)
        if entry is None or entry.state not in states:
            raise ImpossibleTransition(row, entry.state if entry else None, transition)
        return entry
