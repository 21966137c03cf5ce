"""The checkpoint: readable JSON in small values, no loss at a kill, one writing attempt."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_usedesk.batch.checkpoint import (
    CheckpointTaken,
    DamagedCheckpoint,
    OpenRow,
    Recipients,
)
from airflow_provider_usedesk.batch.checkpoint_part import CHUNK_SIZE
from airflow_provider_usedesk.batch.row_store import FinishedRow
from airflow_provider_usedesk.batch.send_window import MAX_OPEN
from airflow_provider_usedesk.batch.state_checkpoint import (
    CLEAR_COUNT,
    StateCheckpoint,
    prefix,
    stored_clear_count,
)
from airflow_provider_usedesk.compat.stores import FolderStore, MemoryStore, StaleAttempt, TaskStateStore
from airflow_provider_usedesk.idempotency.clear_count import Clears
from tests.support.batch import NOON

SMALLEST, LARGEST = -(2**63), 2**63 - 1
# The limit of the task state store of Airflow 3.3.
MAX_VALUE = 65_535


class WriteFailed(OSError):
    """The storage does not respond."""


class Accessor(dict):
    """The accessor of the task state store."""

    def set(self, key, value, retention=None):
        self[key] = json.dumps(value)

    def get(self, key):
        return json.loads(super().get(key, "null"))


class FailingStore(MemoryStore):
    """A store that fails to write one key."""

    failing_key: str | None = None

    def set(self, key, value):
        if key == self.failing_key:
            raise WriteFailed
        super().set(key, value)


@pytest.fixture(params=["memory", "folder", "state"])
def store(request, tmp_path):
    if request.param == "folder":
        return FolderStore(tmp_path / "not" / "there" / "yet")
    return TaskStateStore(Accessor()) if request.param == "state" else MemoryStore()


def opened(store, **options):
    checkpoint = StateCheckpoint(store, **options)
    return checkpoint, list(checkpoint.load())


def open_row(number, since=NOON, until=NOON):
    return OpenRow(number, since, until)


class TestStoredForm:
    """The form in which a person reads a checkpoint."""

    def test_manifest(self):
        store = MemoryStore()
        checkpoint, _ = opened(store)
        later = NOON + timedelta(seconds=15)
        checkpoint.write([], [open_row(1, NOON, later), open_row(-2, NOON, later), open_row(3, later, later)])
        checkpoint.write_recipients(Recipients(3, "abc"))
        manifest = store.get("manifest")
        assert len(bytes.fromhex(manifest.pop("owner"))) == 8
        assert manifest == {
            "clear_count": 0,
            "recipients": {"rows": 3, "fingerprint": "abc", "checked": None},
            "chunks": 0,
            "records": 0,
            "open": [
                {
                    "since": "2026-03-01T12:00:00Z",
                    "until": "2026-03-01T12:00:15Z",
                    "rows": ["0000000000000001", "fffffffffffffffe"],
                },
                {
                    "since": "2026-03-01T12:00:15Z",
                    "until": "2026-03-01T12:00:15Z",
                    "rows": ["0000000000000003"],
                },
            ],
        }

    def test_chunk(self):
        store = MemoryStore()
        checkpoint, _ = opened(store)
        checkpoint.write([FinishedRow(1, 1001), FinishedRow(-2, 1002, not_delivered=True)], [])
        assert store.get("chunk-000001") == {
            "tickets": {"0000000000000001": 1001, "fffffffffffffffe": 1002},
            "not_delivered": ["fffffffffffffffe"],
        }

    def test_keys_begin_with_prefix(self):
        accessor = Accessor()
        checkpoint, _ = opened(TaskStateStore(accessor), prefix=prefix(clear_count=2))
        checkpoint.write([FinishedRow(1, 1001)], [])
        assert sorted(accessor) == [
            f"usedesk/batch/2/{name}" for name in ("begun", "chunk-000001", "manifest")
        ]

    def test_cleared_task_begins_new_checkpoint(self):
        store = MemoryStore()
        opened(store, prefix=prefix(0))[0].write([FinishedRow(1, 1001)], [open_row(2)])
        checkpoint, finished = opened(store, prefix=prefix(1))
        assert (finished, checkpoint.open) == ([], ())


class TestClears:
    """Which clear count an attempt has, whatever its present retries are."""

    @pytest.mark.parametrize(
        ("max_tries", "clear_number", "expected"),
        [(3, 0, 0), (3, 1, 0), (5, 1, 1)],
        ids=["retry", "another task was cleared", "cleared"],
    )
    def test_next_attempt(self, max_tries, clear_number, expected):
        store = MemoryStore()
        assert stored_clear_count(store, Clears(3, 0, send_again=True)) == 0
        for _ in range(2):
            assert stored_clear_count(store, Clears(max_tries, clear_number, send_again=True)) == expected
        assert store.get(CLEAR_COUNT) == {"clear_count": expected, "max_tries": max_tries}

    def test_clearing_without_sending_again(self):
        store = MemoryStore()
        assert stored_clear_count(store, Clears(3, 0)) == 0
        assert stored_clear_count(store, Clears(5, 2)) == 0

    def test_sending_again_is_taken_back(self):
        store = MemoryStore()
        assert stored_clear_count(store, Clears(5, 1, send_again=True)) == 1
        # A retry, a clear, and a retry once the argument is set again.
        assert stored_clear_count(store, Clears(5, 1)) == 1
        assert stored_clear_count(store, Clears(7, 2)) == 1
        assert stored_clear_count(store, Clears(7, 2, send_again=True)) == 1
        assert stored_clear_count(store, Clears(9, 3, send_again=True)) == 3

    def test_argument_that_is_set_before_a_retry(self):
        """Another task of the run was cleared meanwhile."""
        store = MemoryStore()
        assert stored_clear_count(store, Clears(3, 0)) == 0
        assert stored_clear_count(store, Clears(3, 1, send_again=True)) == 0

    def test_stale_attempt(self):
        class StaleStore(MemoryStore):
            def set(self, key, value):
                raise StaleAttempt

        with pytest.raises(StaleAttempt):
            stored_clear_count(StaleStore(), Clears(3, 1, send_again=True))

    def test_damaged_count(self):
        store = MemoryStore()
        store.set(CLEAR_COUNT, {})
        with pytest.raises(DamagedCheckpoint, match=CLEAR_COUNT):
            stored_clear_count(store, Clears(3, 1, send_again=True))


class TestLimits:
    """Values stay below the limit of the task state store."""

    def test_largest_chunk(self):
        store = MemoryStore()
        checkpoint, _ = opened(store)
        checkpoint.write([FinishedRow(LARGEST - number, LARGEST, True) for number in range(CHUNK_SIZE)], [])
        assert 60_000 < len(json.dumps(store.get("chunk-000001"))) < MAX_VALUE

    def test_largest_manifest(self):
        """An attempt may leave its own open rows, and rows that the recipients no longer have."""
        store = MemoryStore()
        checkpoint, _ = opened(store)
        checkpoint.write_recipients(Recipients(10**9, "f" * 64, "f" * 64))
        moments = [NOON + timedelta(seconds=number) for number in range(2 * MAX_OPEN)]
        checkpoint.write([], [open_row(number, at, at) for number, at in enumerate(moments)])
        assert len(json.dumps(store.get("manifest"))) < MAX_VALUE

    def test_usual_values_are_small(self):
        store = MemoryStore()
        checkpoint, _ = opened(store)
        rows = [FinishedRow(number, 200_000_000 + number) for number in range(3000)]
        checkpoint.write(rows, [open_row(number) for number in range(MAX_OPEN)])
        assert max(len(json.dumps(store.get(key))) for key in store.list("")) < 32_000


def test_new_checkpoint_is_empty(store):
    checkpoint, finished = opened(store)
    assert (finished, checkpoint.open, checkpoint.recipients) == ([], (), None)


def test_next_attempt_loads_everything(store):
    checkpoint, _ = opened(store)
    finished = [FinishedRow(SMALLEST, 1), FinishedRow(LARGEST, 2**62, not_delivered=True), FinishedRow(0, 7)]
    rows = [
        open_row(SMALLEST),
        open_row(3, NOON - timedelta(hours=2), NOON),
    ]
    checkpoint.write(finished, rows)
    checkpoint.write_recipients(Recipients(3, "abc"))
    checkpoint, again = opened(store)
    assert again == finished
    assert (checkpoint.open, checkpoint.recipients) == (tuple(rows), Recipients(3, "abc"))


def test_moments_are_rounded_outwards(store):
    checkpoint, _ = opened(store)
    checkpoint.write([], [open_row(1, NOON.replace(microsecond=900_000), NOON.replace(microsecond=1))])
    checkpoint, _ = opened(store)
    assert checkpoint.open == (open_row(1, NOON, NOON + timedelta(seconds=1)),)


def check_chunks(count, at_once, chunk_size):
    store = MemoryStore()
    rows = [FinishedRow(number, number + 1) for number in range(count)]
    checkpoint, _ = opened(store, chunk_size=chunk_size)
    for first in range(0, count, at_once):
        checkpoint.write(rows[first : first + at_once], [])
        # Each attempt may be the last that writes.
        if first % 3 == 0:
            checkpoint, _ = opened(store, chunk_size=chunk_size)
    assert opened(store, chunk_size=chunk_size)[1] == rows


@pytest.mark.parametrize("count", [99, 100, 101, 200, 250])
@pytest.mark.parametrize("at_once", [1, 7, 130])
def test_no_row_is_lost_between_chunks(count, at_once):
    check_chunks(count, at_once, chunk_size=100)


@pytest.mark.slow
@pytest.mark.parametrize("count", [999, 1000, 1001, 2000, 2500])
@pytest.mark.parametrize("at_once", [1, 7, 1300])
def test_no_row_is_lost_between_whole_chunks(count, at_once):
    check_chunks(count, at_once, CHUNK_SIZE)


def test_row_is_finished_before_closed():
    """A kill between the two writes leaves the row in both, never in none."""
    store = FailingStore()
    checkpoint, _ = opened(store)
    checkpoint.write([], [open_row(1)])
    store.failing_key = "manifest"
    with pytest.raises(WriteFailed):
        checkpoint.write([FinishedRow(1, 1001)], [])
    store.failing_key = None
    checkpoint, finished = opened(store)
    assert finished == [FinishedRow(1, 1001)]
    assert checkpoint.open == (open_row(1),)


def test_failed_chunk_write_keeps_row_open():
    store = FailingStore()
    checkpoint, _ = opened(store)
    checkpoint.write([], [open_row(1)])
    store.failing_key = "chunk-000001"
    with pytest.raises(WriteFailed):
        checkpoint.write([FinishedRow(1, 1001)], [])
    assert opened(store)[0].open == (open_row(1),)


@pytest.mark.parametrize("key", ["manifest", "chunk-000001"])
def test_failed_write_is_repeated(key):
    store = FailingStore()
    checkpoint, _ = opened(store)
    store.failing_key = key
    with pytest.raises(WriteFailed):
        checkpoint.write([FinishedRow(1, 1001)], [open_row(2)])
    store.failing_key = None
    checkpoint.write([FinishedRow(1, 1001)], [open_row(2)])
    checkpoint, finished = opened(store)
    assert set(finished) == {FinishedRow(1, 1001)}
    assert checkpoint.open == (open_row(2),)


def test_full_chunk_is_written_after_failure():
    store = FailingStore()
    checkpoint, _ = opened(store, chunk_size=2)
    rows = [FinishedRow(number, number + 1) for number in range(2)]
    store.failing_key = "chunk-000001"
    with pytest.raises(WriteFailed):
        checkpoint.write(rows, [])
    store.failing_key = None
    checkpoint.write([*rows, FinishedRow(7, 8)], [])
    assert set(opened(store, chunk_size=2)[1]) == {*rows, FinishedRow(7, 8)}


def test_earlier_attempt_cannot_write(store):
    earlier, _ = opened(store)
    earlier.write([FinishedRow(1, 1001)], [open_row(2)])
    later, _ = opened(store)
    with pytest.raises(CheckpointTaken, match="Another attempt of this task has begun"):
        earlier.write([FinishedRow(2, 1002)], [open_row(3)])
    with pytest.raises(CheckpointTaken):
        earlier.write_recipients(Recipients(1, "abc"))
    later.write([FinishedRow(4, 1004)], [open_row(2)])
    checkpoint, finished = opened(store)
    assert finished == [FinishedRow(1, 1001), FinishedRow(4, 1004)]
    assert checkpoint.open == (open_row(2),)


def test_unchanged_manifest_is_not_written():
    store = FailingStore()
    checkpoint, _ = opened(store)
    checkpoint.write([], [open_row(1)])
    store.failing_key = "manifest"
    checkpoint.write([], [open_row(1)])


def test_half_written_file_is_never_read(tmp_path, monkeypatch):
    checkpoint, _ = opened(FolderStore(tmp_path))
    checkpoint.write([], [open_row(1)])
    monkeypatch.setattr("os.fsync", lambda file: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        checkpoint.write([], [open_row(2)])
    monkeypatch.undo()
    assert opened(FolderStore(tmp_path))[0].open == (open_row(1),)


DAMAGES = ["", "null", "{}", "[]", "0", "text", '{"tick', '{"tickets": {}, "not_delivered": []}']
WRONG = [
    '{"tickets": {"no digest": 1}, "not_delivered": []}',
    '{"tickets": {"01": "x"}, "not_delivered": []}',
]


class TestGaps:
    """What is missing from a checkpoint is an error, because its rows would be sent again."""

    @pytest.fixture
    def folder(self, tmp_path):
        checkpoint, _ = opened(FolderStore(tmp_path), chunk_size=2)
        checkpoint.write([FinishedRow(number, 1000 + number) for number in range(5)], [open_row(9)])
        return tmp_path

    def check(self, folder, name):
        with pytest.raises(DamagedCheckpoint, match=rf"{name} .* Nothing is sent.* Restore it"):
            opened(FolderStore(folder), chunk_size=2)

    @pytest.mark.parametrize("damage", [None, *DAMAGES, *WRONG])
    @pytest.mark.parametrize("number", [1, 2, 3])
    def test_chunk(self, folder, number, damage):
        file = folder / f"chunk-00000{number}.json"
        file.unlink() if damage is None else file.write_text(damage)
        self.check(folder, file.stem)
        # The next attempt must not take the rest for the whole.
        self.check(folder, file.stem)

    @pytest.mark.parametrize("damage", [None, *DAMAGES])
    def test_manifest(self, folder, damage):
        file = folder / "manifest.json"
        file.unlink() if damage is None else file.write_text(damage)
        self.check(folder, "manifest")
        self.check(folder, "manifest")

    def test_manifest_before_first_chunk(self, tmp_path):
        checkpoint, _ = opened(FolderStore(tmp_path))
        checkpoint.write([], [open_row(9)])
        (tmp_path / "manifest.json").unlink()
        self.check(tmp_path, "manifest")

    def test_lost_rows_of_last_chunk(self, folder):
        store = FolderStore(folder)
        store.set("chunk-000002", {"tickets": {"0000000000000002": 1002}, "not_delivered": []})
        self.check(folder, "chunk-000002")

    def test_store_without_files(self):
        store = MemoryStore()
        opened(store)[0].write([FinishedRow(1, 1001)], [])
        store.delete("chunk-000001")
        with pytest.raises(DamagedCheckpoint, match="chunk-000001 is missing"):
            opened(store)


def test_moments_of_other_zones_are_stored_in_utc():
    store = MemoryStore()
    checkpoint, _ = opened(store)
    moscow = datetime.fromisoformat("2026-03-01T15:00:00+03:00")
    checkpoint.write([], [open_row(1, moscow, moscow)])
    assert store.get("manifest")["open"][0]["since"] == "2026-03-01T12:00:00Z"
    assert opened(store)[0].open[0].since == NOON.astimezone(UTC)
