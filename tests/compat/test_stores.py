"""The storage interface: all implementations behave the same way."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import stat
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_usedesk.compat.sdk import ObjectStoragePath
from airflow_provider_usedesk.compat.stores import (
    AssetStateStore,
    FolderStore,
    MemoryStore,
    StaleAttempt,
    StoreInterrupted,
    TaskStateStore,
)

try:
    from airflow.sdk.io.store import attach
except ImportError:
    from airflow.io.store import attach

# Keys as this package stores them, and some that are not valid file names everywhere.
KEYS = ["manifest", "chunk-000001", "usedesk/attempt/resend", "a%2Fb", "50%", "..", "клиент №5", "a.json"]


class Accessor:
    """The accessor of a state store of Airflow 3.3: JSON by key, no None."""

    def __init__(self):
        self.values = {}

    def get(self, key, default=None):
        return json.loads(self.values[key]) if key in self.values else default

    def set(self, key, value):
        if value is None:
            raise ValueError("Cannot set value as None")
        self.values[key] = json.dumps(value)

    def delete(self, key):
        self.values.pop(key, None)

    async def aget(self, key, default=None):
        return self.get(key, default)

    async def aset(self, key, value):
        self.set(key, value)


class TaskAccessor(Accessor):
    """The accessor of the task state store, which also takes a retention."""

    def __init__(self):
        super().__init__()
        self.retentions = []

    def set(self, key, value, *, retention=None):
        self.retentions.append(retention)
        super().set(key, value)


def memory_folder(tmp_path):
    attach("memory", fs=MemoryFileSystem())
    return ObjectStoragePath(f"memory://bucket{tmp_path}/folder")


class CachingFileSystem(MemoryFileSystem):
    """Object storage whose client keeps listings, as those of S3, GCS and Azure do."""

    cachable = False

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.listings = {}

    def ls(self, path, detail=True, **kwargs):
        if path not in self.listings:
            self.listings[path] = super().ls(path, detail=True, **kwargs)
        return self.listings[path] if detail else [entry["name"] for entry in self.listings[path]]

    def invalidate_cache(self, path=None):
        self.listings.clear()

    def write_elsewhere(self, path, content):
        kept = dict(self.listings)
        self.pipe_file(path, content)
        self.listings = kept


LISTABLE = {
    "folder": lambda tmp_path: FolderStore(tmp_path / "new" / "folder"),
    "file-url": lambda tmp_path: FolderStore(ObjectStoragePath(f"file://{tmp_path}/new/folder")),
    "object-storage": lambda tmp_path: FolderStore(memory_folder(tmp_path)),
    "memory": lambda tmp_path: MemoryStore(),
}
STORES = {
    **LISTABLE,
    "task": lambda tmp_path: TaskStateStore(TaskAccessor()),
    "asset": lambda tmp_path: AssetStateStore([Accessor()]),
    "assets": lambda tmp_path: AssetStateStore([Accessor(), Accessor()]),
}


@pytest.fixture(params=STORES)
def store(request, tmp_path):
    return STORES[request.param](tmp_path)


@pytest.fixture(params=LISTABLE)
def listable(request, tmp_path):
    return LISTABLE[request.param](tmp_path)


class TestEveryStore:
    def test_missing_key_has_no_value(self, store):
        assert store.get("manifest") is None

    @pytest.mark.parametrize(
        "value", [{"since": "2026", "rows": [1, None]}, [], "", 0, False, "Анна"], ids=repr
    )
    def test_get_returns_stored_value(self, store, value):
        store.set("manifest", value)
        assert store.get("manifest") == value

    @pytest.mark.parametrize("key", KEYS)
    def test_any_key_is_stored(self, store, key):
        store.set(key, {"key": key})
        assert store.get(key) == {"key": key}

    def test_keys_are_independent(self, store):
        for key in KEYS:
            store.set(key, key)
        assert [store.get(key) for key in KEYS] == KEYS

    def test_set_replaces_value(self, store):
        store.set("manifest", {"rows": [1] * 1000})
        store.set("manifest", {"rows": [2]})
        assert store.get("manifest") == {"rows": [2]}

    def test_stored_value_is_a_copy(self, store):
        value = {"rows": [1]}
        store.set("manifest", value)
        value["rows"].append(2)
        store.get("manifest")["rows"].append(3)
        assert store.get("manifest") == {"rows": [1]}

    def test_delete_removes_one_key(self, store):
        store.set("manifest", 1)
        store.set("manifest-2", 2)
        store.delete("manifest")
        assert (store.get("manifest"), store.get("manifest-2")) == (None, 2)

    def test_deleting_missing_key_is_no_error(self, store):
        store.delete("manifest")
        assert store.get("manifest") is None


class TestListableStore:
    def test_empty_store_lists_nothing(self, listable):
        assert list(listable.list("")) == []

    def test_list_returns_all_keys(self, listable):
        for key in KEYS:
            listable.set(key, 1)
        assert sorted(listable.list("")) == sorted(KEYS)

    @pytest.mark.parametrize(
        ("prefix", "keys"),
        [
            ("usedesk/attempt/", ["usedesk/attempt/resend"]),
            ("a", ["a%2Fb", "a.json"]),
            ("клиент №", ["клиент №5"]),
            ("z", []),
        ],
        ids=["slash", "letter", "cyrillic", "none"],
    )
    def test_prefix_selects_keys(self, listable, prefix, keys):
        for key in KEYS:
            listable.set(key, 1)
        assert sorted(listable.list(prefix)) == keys

    def test_deleted_keys_are_not_listed(self, listable):
        listable.set("manifest", 1)
        listable.delete("manifest")
        assert list(listable.list("")) == []


def test_task_state_never_expires():
    accessor = TaskAccessor()
    TaskStateStore(accessor).set("manifest", 1)
    # Airflow compares by identity.
    assert [retention is timedelta.max for retention in accessor.retentions] == [True]


class TestStaleAttempt:
    """A write of a stale attempt is told from other failing writes by its status code."""

    @pytest.mark.parametrize(("status_code", "error"), [(404, StaleAttempt), (500, OSError)])
    def test_refused_write(self, status_code, error):
        class Refused(OSError):
            def __init__(self):
                self.error = SimpleNamespace(detail={"status_code": status_code})

        class RefusingAccessor(TaskAccessor):
            def set(self, key, value, *, retention=None):
                raise Refused

        with pytest.raises(error):
            TaskStateStore(RefusingAccessor()).set("manifest", 1)


class TestAssetStateStore:
    def test_every_asset_is_written(self):
        accessors = [Accessor(), Accessor()]
        AssetStateStore(accessors).set("cursor", 1)
        assert [accessor.get("cursor") for accessor in accessors] == [1, 1]
        AssetStateStore(accessors).delete("cursor")
        assert [accessor.values for accessor in accessors] == [{}, {}]

    def test_first_asset_with_value_is_read(self):
        accessors = [Accessor(), Accessor()]
        accessors[1].set("cursor", 0)
        assert AssetStateStore(accessors).get("cursor") == 0
        assert asyncio.run(AssetStateStore(accessors).aget("cursor")) == 0

    def test_event_loop_reads_and_writes(self):
        accessors = [Accessor(), Accessor()]
        store = AssetStateStore(accessors)

        async def run():
            missing = await store.aget("cursor")
            await store.aset("cursor", {"id": 7})
            return missing, await store.aget("cursor")

        assert asyncio.run(run()) == (None, {"id": 7})
        assert [accessor.get("cursor") for accessor in accessors] == [{"id": 7}] * 2

    def test_store_without_assets_is_false(self):
        assert not AssetStateStore([])
        assert AssetStateStore([Accessor()])


class TestFolderStore:
    def test_file_is_readable_json(self, tmp_path):
        FolderStore(tmp_path).set("usedesk/attempt", {"since": "2026"})
        assert (tmp_path / "usedesk" / "attempt.json").read_text() == '{"since": "2026"}'

    def test_no_key_leaves_the_folder(self, tmp_path):
        store = FolderStore(tmp_path / "folder")
        keys = ["../../up", "./here", "a.json/b"]
        for key in keys:
            store.set(key, key)
        assert sorted(store.list("")) == sorted(keys)
        assert [path.name for path in tmp_path.iterdir()] == ["folder"]

    def test_list_shows_writes_of_other_workers(self, tmp_path):
        """A file system may keep listings; an outdated one hides that another attempt has begun."""
        file_system, folder = CachingFileSystem(), f"{tmp_path}/folder"
        attach("memory", "conn", fs=file_system)
        store = FolderStore(ObjectStoragePath(f"memory://conn@bucket{folder}"))
        store.set("claims/a", 1)
        assert list(store.list("claims/")) == ["claims/a"]
        file_system.write_elsewhere(f"/bucket{folder}/claims/b.json", b"2")
        assert sorted(store.list("claims/")) == ["claims/a", "claims/b"]
        assert store.get("claims/b") == 2

    def test_failed_write_keeps_old_value(self, tmp_path, monkeypatch):
        store = FolderStore(tmp_path)
        store.set("manifest", 1)
        monkeypatch.setattr("os.fsync", lambda file: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store.set("manifest", 2)
        assert store.get("manifest") == 1
        assert [file.name for file in tmp_path.iterdir()] == ["manifest.json"]

    @pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no way to name an open folder")
    def test_names_survive_a_power_failure(self, tmp_path, monkeypatch):
        """The name of a file, and of each new folder, is on the disk when ``set`` returns."""
        store, synced, fsync = FolderStore(tmp_path / "new" / "folder"), [], os.fsync

        def note(number):
            synced.append(Path(f"/proc/self/fd/{number}").readlink())
            return fsync(number)

        monkeypatch.setattr("os.fsync", note)
        store.set("rows/a", 1)
        [file] = (tmp_path / "new" / "folder" / "rows").iterdir()
        folders = {tmp_path, tmp_path / "new", tmp_path / "new" / "folder"}
        assert {path for path in synced if path.is_dir()} == {*folders, file.parent}
        assert synced[-1] == file.parent
        synced.clear()
        store.set("rows/a", 2)
        # First the content, then the name.
        assert [path.is_dir() for path in synced] == [False, True]

    @pytest.mark.parametrize(("number", "is_stored"), [(errno.EINVAL, True), (errno.EIO, False)])
    def test_file_systems_may_refuse_to_sync_folders(self, tmp_path, monkeypatch, number, is_stored):
        fsync = os.fsync

        def refuse(file):
            if stat.S_ISDIR(os.fstat(file).st_mode):
                raise OSError(number, "refused")
            return fsync(file)

        monkeypatch.setattr("os.fsync", refuse)
        with nullcontext() if is_stored else pytest.raises(OSError, match="refused"):
            FolderStore(tmp_path).set("a", 1)

    def test_concurrent_writes_do_not_mix(self, tmp_path, monkeypatch):
        fsync = os.fsync

        def write_in_between(file):
            monkeypatch.undo()
            fsync(file)
            FolderStore(tmp_path).set("manifest", "of another process")

        monkeypatch.setattr("os.fsync", write_in_between)
        FolderStore(tmp_path).set("manifest", "mine")
        assert FolderStore(tmp_path).get("manifest") == "mine"

    def test_other_files_are_not_listed(self, tmp_path):
        (tmp_path / "manifest.json.1234.new").write_text("{")
        (tmp_path / "notes.txt").write_text("x")
        assert list(FolderStore(tmp_path).list("")) == []

    def test_damaged_file_is_an_error(self, tmp_path):
        (tmp_path / "manifest.json").write_text('{"ro')
        with pytest.raises(json.JSONDecodeError):
            FolderStore(tmp_path).get("manifest")


class FailingAccessor:
    """A task state store whose next call can end with an exception."""

    error: BaseException | None = None

    def set(self, key, value, *, retention):
        if self.error is not None:
            raise self.error

    get = delete = lambda self, key: None


def test_interrupted_call_ends_the_use_of_a_store():
    """Airflow does not match replies to calls, so a later write could take the reply to an earlier one."""
    accessor, other = FailingAccessor(), TaskStateStore(FailingAccessor())
    accessor.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        TaskStateStore(accessor).set("key", 1)
    accessor.error = None
    for store in (TaskStateStore(accessor), TaskStateStore(accessor)):
        with pytest.raises(StoreInterrupted):
            store.set("key", 1)
        with pytest.raises(StoreInterrupted):
            store.get("key")
    other.set("key", 1)


def test_refused_value_is_no_interruption():
    accessor = FailingAccessor()
    accessor.error = ValueError("too large")
    with pytest.raises(ValueError, match="too large"):
        TaskStateStore(accessor).set("key", 1)
    accessor.error = None
    TaskStateStore(accessor).set("key", 1)
