"""The states of rows: the possible transitions, the impossible ones, and the memory that they take."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_provider_usedesk.batch.checkpoint import OpenRow
from airflow_provider_usedesk.batch.row_states import ImpossibleTransition, RowState, RowStates, Sender
from airflow_provider_usedesk.batch.row_store import CheckedRow
from airflow_provider_usedesk.batch.send_window import LONGEST_REQUEST
from tests.support.batch import NOON

ROW = CheckedRow(1, "a", {"subject": "s"})
LATER = NOON + timedelta(seconds=15)

PATHS = {
    None: [],
    RowState.LEFT_OPEN: ["inherit"],
    RowState.READY: ["read"],
    RowState.SENDING: ["read", "start"],
    RowState.UNKNOWN: ["inherit", "find"],
    RowState.ENDED: ["inherit", "find", "end"],
}
TRANSITIONS = {
    "find": {RowState.LEFT_OPEN: RowState.UNKNOWN},
    "read": {
        None: RowState.READY,
        RowState.LEFT_OPEN: RowState.UNKNOWN,
        # The row store gives a row once; these rows were found before.
        RowState.READY: RowState.READY,
        RowState.SENDING: RowState.SENDING,
        RowState.UNKNOWN: RowState.UNKNOWN,
        RowState.ENDED: None,
    },
    "suspect": {RowState.READY: RowState.UNKNOWN},
    "start": {RowState.READY: RowState.SENDING},
    "abort": {RowState.SENDING: RowState.READY},
    "lose": {RowState.SENDING: RowState.UNKNOWN},
    "send_again": {RowState.UNKNOWN: RowState.READY},
    "end": {RowState.READY: None, RowState.SENDING: None, RowState.UNKNOWN: RowState.ENDED},
}
CALLS = {
    "inherit": lambda states: states.inherit([OpenRow(ROW.digest, NOON, NOON)]),
    "find": lambda states: states.find(ROW),
    "read": lambda states: states.read(ROW),
    "suspect": lambda states: states.suspect(ROW, NOON, LATER),
    "start": lambda states: states.start(ROW, NOON, LATER),
    "abort": lambda states: states.abort(ROW),
    "lose": lambda states: states.lose(ROW, NOON),
    "send_again": lambda states: states.send_again(ROW),
    "end": lambda states: states.end(ROW),
}


def states_after(*transitions):
    states = RowStates()
    for transition in transitions:
        CALLS[transition](states)
    return states


@pytest.mark.parametrize("state", PATHS, ids=str)
@pytest.mark.parametrize("transition", TRANSITIONS)
def test_transition(state, transition):
    states = states_after(*PATHS[state])
    assert states.state_of(ROW) is state
    if state not in TRANSITIONS[transition]:
        with pytest.raises(ImpossibleTransition, match="^Row 1 (is|has)"):
            CALLS[transition](states)
        assert states.state_of(ROW) is state
    else:
        CALLS[transition](states)
        assert states.state_of(ROW) is TRANSITIONS[transition][state]


def test_row_is_sent_again_only_once():
    states = states_after("read", "start", "lose", "send_again", "start")
    assert states.was_absent(ROW)
    states.lose(ROW, NOON)
    with pytest.raises(ImpossibleTransition, match="cannot be sent a third time"):
        states.send_again(ROW)


def test_aborted_row_stays_absent_once():
    states = states_after("read", "start", "lose", "send_again", "start", "abort", "start", "lose")
    assert states.was_absent(ROW)


def test_read_returns_whether_row_is_ready():
    assert states_after().read(ROW)
    assert not states_after("inherit").read(ROW)
    assert not states_after("inherit", "find", "end").read(ROW)


def test_ended_row_is_kept_until_read():
    states = states_after("inherit", "find", "send_again", "start", "end")
    assert states.state_of(ROW) is RowState.ENDED
    assert not states.read(ROW)
    assert states.state_of(ROW) is None
    assert states.last_read == 1


class TestOpenRows:
    def test_sending_row_is_open_until_the_lease_ends(self):
        states = states_after("read", "start")
        assert states.open_rows(NOON) == [OpenRow(ROW.digest, NOON, NOON)]

    def test_unknown_row_is_open_until_its_response_was_due(self):
        states = states_after("read", "start", "lose")
        assert states.open_rows(LATER) == [OpenRow(ROW.digest, NOON, NOON)]
        assert states.time_of(ROW) == states.open_rows(LATER)[0]

    @pytest.mark.parametrize("path", [["inherit"], ["inherit", "find"], ["inherit", "read"]], ids="-".join)
    def test_inherited_row_stays_open_unchanged(self, path):
        assert states_after(*path).open_rows(LATER) == [OpenRow(ROW.digest, NOON, NOON)]

    @pytest.mark.parametrize(
        "path",
        [["read"], ["read", "start", "abort"], ["inherit", "find", "send_again"], ["inherit", "find", "end"]],
        ids="-".join,
    )
    def test_other_rows_are_closed(self, path):
        assert states_after(*path).open_rows(LATER) == []

    def test_closed_row_has_no_time(self):
        with pytest.raises(ImpossibleTransition, match="Row 1 is ready, so it cannot have been sent"):
            states_after("read").time_of(ROW)


def test_rows_are_listed_by_state():
    states = RowStates()
    rows = [CheckedRow(number, str(number), {}) for number in range(1, 5)]
    for row in rows:
        states.read(row)
    for row in rows[1:]:
        states.start(row, NOON, LATER)
    states.lose(rows[3], NOON)
    states.inherit([OpenRow(99, NOON, NOON)])
    assert states.rows_in(RowState.READY) == rows[:1]
    assert states.rows_in(RowState.SENDING) == rows[1:3]
    assert states.rows_in(RowState.UNKNOWN) == rows[3:]
    assert [states.count(state) for state in RowState] == [1, 1, 2, 1, 0]
    assert states.left_open() == [99]


def test_ended_rows_take_no_memory():
    states = RowStates()
    for number in range(1, 1000):
        row = CheckedRow(number, str(number), {})
        states.read(row)
        states.start(row, NOON, LATER)
        if number % 3 == 0:
            states.lose(row, NOON)
            states.send_again(row)
        states.end(row)
    assert len(states._entries) == 0


@pytest.mark.parametrize(
    ("transitions", "until"),
    [
        (["inherit", "find"], NOON + LONGEST_REQUEST),
        (["read", "suspect"], LATER + LONGEST_REQUEST),
        # Its request has ended.
        (["read", "start", "lose"], NOON),
    ],
    ids=["inherited", "suspected", "own"],
)
def test_request_of_earlier_attempt_may_last(transitions, until):
    assert states_after(*transitions).time_of(ROW).until == until


def test_longest_request_follows_the_connection():
    states = RowStates(timedelta(seconds=5))
    states.inherit([OpenRow(ROW.digest, NOON, LATER)])
    states.find(ROW)
    assert states.time_of(ROW).until == LATER + timedelta(seconds=5)


def test_stored_time_does_not_grow():
    [row] = states_after("inherit", "find").open_rows(LATER)
    assert (row.since, row.until) == (NOON, NOON)


def test_open_rows_of_others_are_stored_when_found():
    states = RowStates()
    states.inherit([OpenRow(ROW.digest, NOON, NOON)], Sender.ELSEWHERE)
    assert states.open_rows(LATER) == []
    states.find(ROW)
    assert [row.digest for row in states.open_rows(LATER)] == [ROW.digest]


def test_suspected_row_is_sent_twice_at_most():
    states = states_after("read", "suspect", "send_again")
    assert not states.was_absent(ROW)
    for transition in ("start", "lose", "send_again"):
        CALLS[transition](states)
    assert states.was_absent(ROW)
