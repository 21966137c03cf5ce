"""What a batch remembers: all that was written before a death, in small store, and by one try at a time."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_usedesk.batch.checkpoint import (
    Checkpoint,
    CheckpointTaken,
    FolderStore,
    OpenRow,
    Seen,
    TaskStateStore,
)
from airflow_provider_usedesk.batch.row_store import Done

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class WriteFailed(OSError):
    """The storage does not answer."""


class Memory(dict):
    """KeyValueStore as JSON; a write can fail."""

    fails_at: str | None = None

    def get(self, name):
        return json.loads(self[name]) if name in self else None

    def set(self, name, value):
        if name == self.fails_at:
            raise WriteFailed
        self[name] = json.dumps(value)


class StateStore(dict):
    """The task state store of Airflow."""

    def __init__(self):
        self.retentions = set()

    def set(self, name, value, retention=None):
        self[name] = json.dumps(value)
        self.retentions.add(retention)

    def get(self, name):
        return json.loads(super().get(name, "null"))


@pytest.fixture(params=["memory", "folder", "state"])
def store(request, tmp_path):
    if request.param == "folder":
        return FolderStore(tmp_path / "not" / "there" / "yet")
    return TaskStateStore(StateStore(), 0) if request.param == "state" else Memory()


def opened(store):
    checkpoint = Checkpoint(store)
    return checkpoint, list(checkpoint.read())


def open_row(number, since=NOON, until=NOON, shown=-5):
    return OpenRow(number, since, until, shown)


def test_a_new_ledger_is_empty(store):
    checkpoint, done = opened(store)
    assert (done, checkpoint.open, checkpoint.seen) == ([], (), None)


def test_what_was_written_is_read_by_the_next_try(store):
    checkpoint, _ = opened(store)
    smallest, largest = -(2**63), 2**63 - 1
    done = [Done(smallest, 1), Done(largest, 2**62, not_delivered=True), Done(0, 7)]
    rows = [open_row(smallest, shown=largest), open_row(3, NOON - timedelta(hours=2), NOON, smallest)]
    checkpoint.write(done, rows)
    checkpoint.write_seen(Seen(3, "abc"))
    checkpoint, again = opened(store)
    assert again == done
    assert (checkpoint.open, checkpoint.seen) == (tuple(rows), Seen(3, "abc"))


def test_moments_are_rounded_to_whole_seconds_that_hold_them(store):
    checkpoint, _ = opened(store)
    checkpoint.write([], [open_row(1, NOON.replace(microsecond=900_000), NOON.replace(microsecond=1))])
    checkpoint, _ = opened(store)
    assert checkpoint.open == (open_row(1, NOON, NOON + timedelta(seconds=1)),)


@pytest.mark.parametrize("count", [999, 1000, 1001, 2000, 2500])
@pytest.mark.parametrize("at_once", [1, 7, 1300])
def test_no_record_is_lost_between_pieces(count, at_once):
    memory = Memory()
    records = [Done(number, number + 1) for number in range(count)]
    checkpoint, _ = opened(memory)
    for first in range(0, count, at_once):
        checkpoint.write(records[first : first + at_once], [])
        # Each try may be the last to write.
        if first % 3 == 0:
            checkpoint, _ = opened(memory)
    assert opened(memory)[1] == records


def test_pieces_stay_far_below_64_kb():
    memory = Memory()
    checkpoint, _ = opened(memory)
    checkpoint.write([Done(number, 2**40) for number in range(3000)], list(map(open_row, range(512))))
    assert max(map(len, memory.values())) < 32_000


def test_a_row_is_done_before_it_is_no_longer_open():
    """Who dies between two writes must not leave a row that was sent in neither."""
    memory = Memory()
    checkpoint, _ = opened(memory)
    checkpoint.write([], [open_row(1)])
    memory.fails_at = "head"
    with pytest.raises(WriteFailed):
        checkpoint.write([Done(1, 1001)], [])
    memory.fails_at = None
    checkpoint, done = opened(memory)
    assert done == [Done(1, 1001)]
    assert checkpoint.open == (open_row(1),)


def test_a_row_that_is_done_stays_open_when_that_cannot_be_written():
    memory = Memory()
    checkpoint, _ = opened(memory)
    checkpoint.write([], [open_row(1)])
    memory.fails_at = "done-000000"
    with pytest.raises(WriteFailed):
        checkpoint.write([Done(1, 1001)], [])
    memory.fails_at = None
    assert opened(memory)[0].open == (open_row(1),)


@pytest.mark.parametrize("name", ["head", "done-000000"])
def test_what_failed_to_be_written_is_written_the_next_time(name):
    memory = Memory()
    checkpoint, _ = opened(memory)
    memory.fails_at = name
    with pytest.raises(WriteFailed):
        checkpoint.write([Done(1, 1001)], [open_row(2)])
    memory.fails_at = None
    checkpoint.write([Done(1, 1001)], [open_row(2)])
    checkpoint, done = opened(memory)
    assert set(done) == {Done(1, 1001)}
    assert checkpoint.open == (open_row(2),)


def test_a_try_that_another_one_has_followed_writes_nothing_any_more(store):
    former, _ = opened(store)
    former.write([Done(1, 1001)], [open_row(2)])
    latter, _ = opened(store)
    with pytest.raises(CheckpointTaken, match="Another try of this task has begun"):
        former.write([Done(2, 1002)], [open_row(3)])
    with pytest.raises(CheckpointTaken):
        former.write_seen(Seen(1, "abc"))
    latter.write([Done(4, 1004)], [open_row(2)])
    checkpoint, done = opened(store)
    assert done == [Done(1, 1001), Done(4, 1004)]
    assert checkpoint.open == (open_row(2),)


def test_nothing_is_written_where_nothing_is_new():
    memory = Memory()
    checkpoint, _ = opened(memory)
    checkpoint.write([], [open_row(1)])
    memory.fails_at = "head"
    checkpoint.write([], [open_row(1)])


def test_the_state_store_keeps_it_for_as_long_as_the_run_of_the_dag():
    store = StateStore()
    opened(TaskStateStore(store, 2))[0].write([Done(1, 1001)], [])
    # The very object that Airflow compares with.
    assert [retention is timedelta.max for retention in store.retentions] == [True]
    assert all(name.startswith("usedesk_batch/2/") for name in store)


def test_who_clears_a_task_to_send_again_begins_a_new_one():
    store = StateStore()
    opened(TaskStateStore(store, 0))[0].write([Done(1, 1001)], [open_row(2)])
    checkpoint, done = opened(TaskStateStore(store, 1))
    assert (done, checkpoint.open) == ([], ())


def test_half_a_file_is_never_found(tmp_path, monkeypatch):
    checkpoint, _ = opened(FolderStore(tmp_path))
    checkpoint.write([], [open_row(1)])
    monkeypatch.setattr("os.fsync", lambda file: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        checkpoint.write([], [open_row(2)])
    monkeypatch.undo()
    assert opened(FolderStore(tmp_path))[0].open == (open_row(1),)


def test_a_damaged_ledger_is_an_error_and_not_an_empty_one(tmp_path):
    checkpoint, _ = opened(FolderStore(tmp_path))
    checkpoint.write([Done(1, 1001)], [])
    (tmp_path / "done-000000.json").write_text('"AAAA')
    with pytest.raises(json.JSONDecodeError):
        opened(FolderStore(tmp_path))
