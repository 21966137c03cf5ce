"""The checkpoint in a folder: own files of each attempt, a newer claim, gaps, mapped task instances."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from airflow_provider_usedesk.batch.checkpoint import (
    CheckpointTaken,
    DamagedCheckpoint,
    OpenRow,
    Recipients,
)
from airflow_provider_usedesk.batch.folder_checkpoint import Claim, FolderCheckpoint, newest
from airflow_provider_usedesk.batch.row_store import FinishedRow
from airflow_provider_usedesk.compat.stores import FolderStore, MemoryStore
from airflow_provider_usedesk.idempotency.clear_count import Clears
from tests.support.batch import NOON

HOUR = timedelta(hours=1)
DAMAGES = ["", "null", "{}", "[]", "0", "text", '{"tick']


def opened(store, map_index=-1, clears=None, chunk_size=2):
    checkpoint = FolderCheckpoint(store, map_index, clears, chunk_size)
    return checkpoint, list(checkpoint.load())


def row(number):
    return FinishedRow(number, 1000 + number)


def open_row(number, since=NOON, until=NOON):
    return OpenRow(number, since, until)


@pytest.fixture(params=["memory", "folder"])
def store(request, tmp_path):
    return MemoryStore() if request.param == "memory" else FolderStore(tmp_path / "not" / "there")


class TestStoredForm:
    def test_names(self):
        store = MemoryStore()
        checkpoint, _ = opened(store)
        checkpoint.write([row(1), row(2), row(3)], [open_row(4)])
        [claim] = [key.removeprefix("claims/") for key in store.list("claims/")]
        assert Claim.read(claim) == Claim("", 1, claim.removeprefix("000001-"))
        names = ("chunk-000001", "chunk-000002", "manifest")
        assert sorted(store.list("e/")) == [f"e/{claim}/{name}" for name in names]
        assert store.get(f"claims/{claim}") == {"clear_count": 0, "max_tries": 0, "has_manifest": True}
        assert store.get(f"e/{claim}/manifest") == {
            "owner": claim.removeprefix("000001-"),
            "clear_count": 0,
            "recipients": None,
            "chunks": 2,
            "records": 3,
            "open": [
                {
                    "since": "2026-03-01T12:00:00Z",
                    "until": "2026-03-01T12:00:00Z",
                    "rows": ["0000000000000004"],
                }
            ],
        }

    def test_manifest_names_earlier_claims(self):
        store = MemoryStore()
        opened(store)[0].write([row(1), row(2), row(3)], [])
        opened(store)
        first, second = sorted(key.removeprefix("claims/") for key in store.list("claims/"))
        assert second.startswith("000002-")
        assert store.get(f"e/{second}/manifest")["previous"] == {first: {"chunks": 2, "records": 3}}

    def test_mapped_claim_begins_with_index(self):
        store = MemoryStore()
        opened(store, map_index=7)
        [claim] = store.list("claims/")
        assert claim.startswith("claims/i7-000001-")

    def test_other_files_are_no_claims(self, store):
        store.set("claims/notes", 1)
        assert opened(store)[1] == []


class TestNewest:
    def test_number_then_token_decides(self):
        a, b, other = Claim("", 2, "b" * 16), Claim("", 2, "c" * 16), Claim("i7-", 9, "0" * 16)
        assert newest([b, other, a, Claim("", 1, "d" * 16)], "") == b
        assert newest([a], "i7-") is None


class TestAttempts:
    def test_next_attempt_loads_everything(self, store):
        first, _ = opened(store)
        first.write([row(1), row(2), row(3)], [open_row(4)])
        first.write_recipients(Recipients(9, "abc"))
        second, finished = opened(store)
        assert (finished, second.open) == ([row(1), row(2), row(3)], (open_row(4),))
        second.write([row(4)], [open_row(5)])
        third, finished = opened(store)
        assert sorted(finished, key=lambda one: one.digest) == [row(number) for number in (1, 2, 3, 4)]
        assert (third.open, third.recipients) == ((open_row(5),), Recipients(9, "abc"))

    def test_earlier_attempt_cannot_send(self, store):
        first, _ = opened(store)
        opened(store)
        with pytest.raises(CheckpointTaken, match="Another attempt of this task has begun"):
            first.write([row(1)], [open_row(2)])
        with pytest.raises(CheckpointTaken):
            first.write_recipients(Recipients(1, "abc"))
        # What it has sent until then is not lost.
        assert opened(store)[1] == [row(1)]

    def test_late_write_changes_nothing_of_others(self, store):
        first, _ = opened(store)
        first.write([], [open_row(1)])
        second, _ = opened(store)
        second.write([row(1)], [open_row(2)])
        with pytest.raises(CheckpointTaken):
            first.write([row(3)], [open_row(1)])
        third, finished = opened(store)
        assert set(finished) == {row(1), row(3)}
        assert third.open == (open_row(2),)

    def test_attempt_without_manifest_is_passed_over(self, store):
        opened(store)[0].write([row(1)], [open_row(2)])
        next(FolderCheckpoint(store).load())
        checkpoint, finished = opened(store)
        assert (finished, checkpoint.open) == ([row(1)], (open_row(2),))

    def test_deleted_folder_ends_the_attempt(self):
        store = MemoryStore()
        checkpoint, _ = opened(store)
        for key in store.list(""):
            store.delete(key)
        with pytest.raises(CheckpointTaken):
            checkpoint.write([], [open_row(1)])


class TestGaps:
    @pytest.fixture
    def folder(self, tmp_path):
        first, _ = opened(FolderStore(tmp_path))
        first.write([row(number) for number in range(5)], [open_row(9)])
        second, _ = opened(FolderStore(tmp_path))
        second.write([row(number) for number in range(5, 10)], [open_row(10)])
        return tmp_path

    def check(self, folder, name):
        for _ in range(2):
            with pytest.raises(DamagedCheckpoint, match=rf"{name} .* Nothing is sent.* Restore it"):
                opened(FolderStore(folder))

    @pytest.mark.parametrize("damage", [None, *DAMAGES, '{"tickets": {}, "not_delivered": []}'])
    @pytest.mark.parametrize("name", ["chunk-000001", "chunk-000002", "chunk-000003", "manifest"])
    @pytest.mark.parametrize("attempt", [1, 2])
    def test_damaged_file(self, folder, attempt, name, damage):
        [file] = folder.glob(f"e/00000{attempt}-*/{name}.json")
        file.unlink() if damage is None else file.write_text(damage)
        self.check(folder, f"e/{file.parent.name}/{name}")

    def test_all_files_of_an_earlier_attempt(self, folder):
        for file in [*folder.glob("claims/000001-*"), *folder.glob("e/000001-*/*")]:
            file.unlink()
        self.check(folder, "manifest")

    def test_manifest_before_first_chunk(self, tmp_path):
        opened(FolderStore(tmp_path))[0].write([], [open_row(9)])
        [file] = tmp_path.glob("e/*/manifest.json")
        file.unlink()
        self.check(tmp_path, "manifest")

    def test_claim_alone_is_not_needed(self, folder):
        for file in folder.glob("claims/000001-*"):
            file.unlink()
        assert len(opened(FolderStore(folder))[1]) == 10

    def test_chunk_without_manifest_entry_is_read(self, folder):
        """A kill between the two writes leaves more in the chunks than the manifest counts."""
        [file] = folder.glob("e/000002-*/manifest.json")
        manifest = json.loads(file.read_text())
        file.write_text(json.dumps({**manifest, "chunks": 1, "records": 2}))
        assert len(opened(FolderStore(folder))[1]) == 10


class TestMappedInstances:
    def test_claims_of_others_take_nothing(self, store):
        first, _ = opened(store, map_index=0)
        opened(store, map_index=1)
        opened(store, map_index=10)
        first.write([row(1)], [open_row(2)])
        assert opened(store, map_index=1)[1] == [row(1)]

    def test_open_rows_of_others_are_not_owned(self, store):
        opened(store, map_index=0)[0].write([], [open_row(1), open_row(2)])
        opened(store, map_index=1)[0].write([], [open_row(3)])
        checkpoint, _ = opened(store, map_index=1)
        assert checkpoint.open == (open_row(3),)
        assert checkpoint.open_elsewhere == (open_row(1), open_row(2))

    def test_row_of_two_instances_has_both_times(self, store):
        opened(store, map_index=0)[0].write([], [open_row(1, NOON, NOON + HOUR)])
        opened(store, map_index=1)[0].write([], [open_row(1, NOON - HOUR, NOON)])
        checkpoint, _ = opened(store, map_index=1)
        assert checkpoint.open == (open_row(1, NOON - HOUR, NOON + HOUR),)
        assert checkpoint.open_elsewhere == ()


class TestClears:
    def sends_again(self, max_tries, clear_number):
        return Clears(max_tries, clear_number, send_again=True)

    def test_clear_begins_a_new_checkpoint(self, store):
        opened(store, clears=self.sends_again(3, 0))[0].write([row(1)], [open_row(2)])
        checkpoint, finished = opened(store, clears=self.sends_again(5, 1))
        assert (checkpoint.clear_count, finished, checkpoint.open) == (1, [], ())
        checkpoint.write([row(1)], [])
        # Another task of the run was cleared since.
        checkpoint, finished = opened(store, clears=self.sends_again(5, 2))
        assert (checkpoint.clear_count, finished) == (1, [row(1)])

    def test_clear_takes_the_checkpoint(self, store):
        first, _ = opened(store, clears=self.sends_again(3, 0))
        opened(store, clears=self.sends_again(5, 1))
        with pytest.raises(CheckpointTaken):
            first.write([], [open_row(1)])

    def test_sending_again_is_taken_back(self, store):
        opened(store, clears=Clears(3, 0))[0].write([row(1)], [])
        opened(store, clears=self.sends_again(5, 1))[0].write([row(2)], [open_row(3)])
        for clears in (Clears(5, 1), Clears(7, 2)):
            checkpoint, finished = opened(store, clears=clears)
            assert (checkpoint.clear_count, finished) == (1, [row(2)])
            assert checkpoint.open == (open_row(3),)

    def test_clear_without_sending_again(self, store):
        opened(store, clears=Clears(3, 0))[0].write([row(1)], [])
        checkpoint, finished = opened(store, clears=Clears(5, 1))
        assert (checkpoint.clear_count, finished) == (0, [row(1)])
