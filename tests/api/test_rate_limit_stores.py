"""The rate limit of several processes: a file shared on one machine, Redis shared between machines."""

from __future__ import annotations

import inspect
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from itertools import pairwise

import pytest
import redis
from fakeredis import TcpFakeServer

from airflow_provider_usedesk.api import rate_limit_stores
from airflow_provider_usedesk.api.rate_limit_state import (
    KEPT_SECONDS,
    LONGEST_BACKOFF,
    Permit,
    RateLimitState,
    Wait,
    refused,
    take,
)
from airflow_provider_usedesk.api.rate_limit_stores import (
    FALLBACK_SECONDS,
    FallbackStore,
    FileStore,
    RedisStore,
    machine_store,
)
from airflow_provider_usedesk.api.rate_limiter import IN_MEMORY, MemoryStore, RateLimitStoreUnavailable

ACCOUNT = "0123456789abcdef"
INTERVAL = 0.002


def permits(store, count: int, sleep=time.sleep) -> list[float]:
    """Take permits until there are ``count``; return their times."""
    got: list[float] = []
    for _ in range(100 * count):
        if len(got) == count:
            break
        step = store.change(ACCOUNT, lambda state, now: take(state, now, INTERVAL))
        if isinstance(step, Permit):
            got.append(step.at)
        else:
            sleep(step.seconds)
    return got


def state_of(store) -> RateLimitState:
    return store.change(ACCOUNT, lambda state, now: (state, state))


def back_off(store, seconds: float) -> None:
    """Record a refused request, so that the account backs off."""

    def decide(state, now):
        return refused(state, now, Permit(now, needs_outcome=False), 0.4, seconds, 0.5), None

    store.change(ACCOUNT, decide)


class Clock:
    """A clock for several threads that moves only when one of them sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.lock = threading.Lock()

    def sleep(self, seconds: float) -> None:
        with self.lock:
            self.now += seconds


def are_apart(moments: list[float]) -> bool:
    return all(later - earlier >= INTERVAL * 0.99 for earlier, later in pairwise(sorted(moments)))


TAKE_PERMITS = """
import json, sys, time
from pathlib import Path
from airflow_provider_usedesk.api.rate_limit_state import Permit, take
from airflow_provider_usedesk.api import rate_limit_stores
from airflow_provider_usedesk.api.rate_limit_stores import FileStore
# A process that has the lock may be paused.
rate_limit_stores.LOCK_TIMEOUT = 60
INTERVAL, ACCOUNT = {INTERVAL!r}, {ACCOUNT!r}
{source}
print(json.dumps(permits(FileStore(Path(sys.argv[1])), int(sys.argv[2]))))
"""


class TestFileStore:
    @pytest.fixture
    def folder(self, tmp_path):
        return tmp_path / "rate_limits"

    @pytest.fixture
    def store(self, folder):
        return FileStore(folder)

    def test_processes_share_rate_limit(self, folder):
        code = TAKE_PERMITS.format(INTERVAL=INTERVAL, ACCOUNT=ACCOUNT, source=inspect.getsource(permits))
        command = [sys.executable, "-c", code, str(folder), "50"]
        processes = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
        moments = [json.loads(process.communicate()[0]) for process in processes]
        assert [len(got) for got in moments] == [50, 50]
        assert are_apart(moments[0] + moments[1])

    def test_threads_share_rate_limit(self, folder):
        clock = Clock()
        store = FileStore(folder, lambda: clock.now)
        moments: list[float] = []

        def work():
            moments.extend(permits(store, 25, clock.sleep))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(moments) == 100
        assert are_apart(moments)

    def test_forked_process_takes_own_lock(self, store):
        state_of(store)
        child = os.fork()
        if not child:
            # With the open file of the parent, the child would share its lock and pass.
            with store._lock:
                file = store._files[ACCOUNT]
                store._fcntl.flock(file, store._fcntl.LOCK_EX)
                store._process = -1
            try:
                rate_limit_stores.LOCK_TIMEOUT = 0
                state_of(store)
            except RateLimitStoreUnavailable:
                os._exit(0)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    def test_refusal_backs_off_other_process(self, store, folder):
        back_off(store, 60)
        step = FileStore(folder).change(ACCOUNT, lambda state, now: take(state, now, 0.0))
        assert isinstance(step, Wait)
        assert step.is_backoff

    def test_files_are_private_to_user(self, store, folder):
        back_off(store, 60)
        assert folder.stat().st_mode & 0o777 == 0o700
        [file] = folder.iterdir()
        assert (file.name, file.stat().st_mode & 0o777) == (ACCOUNT, 0o600)

    def test_unchanged_state_is_not_written(self, store, folder):
        store.change(ACCOUNT, lambda state, now: take(state, now, 0.0))
        assert (folder / ACCOUNT).stat().st_size == 0

    @pytest.mark.parametrize("spoil", ["writable", "link", "file"])
    def test_unsafe_folder_is_not_used(self, store, folder, tmp_path, spoil):
        if spoil == "writable":
            folder.mkdir()
            folder.chmod(0o777)
        elif spoil == "link":
            (tmp_path / "elsewhere").mkdir(mode=0o700)
            folder.symlink_to(tmp_path / "elsewhere")
        else:
            folder.touch()
        with pytest.raises(RateLimitStoreUnavailable):
            state_of(store)
        assert [path.name for path in tmp_path.rglob(ACCOUNT)] == []

    def test_symbolic_link_is_not_followed(self, store, folder, tmp_path):
        folder.mkdir(mode=0o700)
        (folder / ACCOUNT).symlink_to(tmp_path / "victim")
        with pytest.raises(RateLimitStoreUnavailable):
            back_off(store, 60)
        assert not (tmp_path / "victim").exists()

    def test_deleted_file_is_created_again(self, store, folder):
        back_off(store, 60)
        (folder / ACCOUNT).unlink()
        folder.rmdir()
        back_off(store, 30)
        assert state_of(FileStore(folder)) == state_of(store)

    @pytest.mark.parametrize("content", [b"", b"\xff" * 300, b"1 2 3", b"1 nan nan nan nan 0 0"])
    def test_damaged_file_counts_as_empty(self, store, folder, content):
        folder.mkdir(mode=0o700)
        (folder / ACCOUNT).write_bytes(content)
        (folder / ACCOUNT).chmod(0o600)
        assert state_of(store) == RateLimitState()
        back_off(store, 60)
        assert state_of(store).refusals == 1

    def test_stuck_lock_times_out(self, store, folder, monkeypatch):
        state_of(store)
        monkeypatch.setattr(rate_limit_stores, "LOCK_TIMEOUT", 0)
        with (folder / ACCOUNT).open() as file:
            store._fcntl.flock(file, store._fcntl.LOCK_EX)
            with pytest.raises(RateLimitStoreUnavailable):
                state_of(store)
        state_of(store)


class TestMachineStore:
    def test_process_has_one_machine_store(self, rate_limits):
        back_off(machine_store(), 60)
        assert machine_store() is machine_store()
        assert [file.name for file in rate_limits.iterdir()] == [ACCOUNT]

    def test_memory_replaces_unusable_folder(self, rate_limits, caplog):
        rate_limits.touch()
        back_off(machine_store(), 60)
        state_of(machine_store())
        assert state_of(IN_MEMORY).refusals == 1
        [warning] = [record for record in caplog.records if record.levelno >= logging.WARNING]
        assert "Each process keeps to the rate limit alone" in warning.getMessage()
        rate_limits.unlink()


class FailingStore:
    def __init__(self) -> None:
        self.is_down = True
        self.calls = 0
        self.memory = MemoryStore()

    def change(self, name, decide):
        self.calls += 1
        if self.is_down:
            raise RateLimitStoreUnavailable("Redis (TimeoutError)")
        return self.memory.change(name, decide)


def test_unavailable_store_is_skipped_with_one_warning(caplog):
    caplog.set_level(logging.INFO)
    primary, fallback, now = FailingStore(), MemoryStore(), [100.0]
    store = FallbackStore(primary, fallback, "Each machine alone", clock=lambda: now[0])
    for _ in range(5):
        state_of(store)
    back_off(store, 60)
    assert primary.calls == 1
    assert state_of(fallback).refusals == 1
    now[0] += FALLBACK_SECONDS
    state_of(store)
    assert primary.calls == 2
    primary.is_down = False
    now[0] += FALLBACK_SECONDS
    assert state_of(store).refusals == 0
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "Each machine alone" in caplog.records[0].getMessage()
    assert "TimeoutError" in caplog.records[0].getMessage()


def test_fallback_ends_while_another_thread_asks():
    """Another thread reaches the primary store while this one reads the clock."""
    primary = FailingStore()

    def clock():
        if not primary.is_down and store.uses_fallback:
            store._end_fallback()
        return 100.0

    store = FallbackStore(primary, MemoryStore(), "Each machine alone", clock)
    state_of(store)
    primary.is_down = False
    assert state_of(store).refusals == 0


@pytest.fixture(scope="module")
def server():
    """The port of a Redis."""
    server = TcpFakeServer(("127.0.0.1", 0))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


class TestRedisStore:
    @pytest.fixture
    def client(self, server):
        with redis.Redis(port=server) as client:
            client.flushall()
            yield client

    @pytest.fixture(params=[False, True], ids=["bytes", "text"])
    def make_store(self, server, client, request, monkeypatch):
        monkeypatch.setattr(rate_limit_stores, "REDIS_TIMEOUT", 60)
        clients = []

        def make():
            clients.append(redis.Redis(port=server, decode_responses=request.param))
            return RedisStore(clients[-1])

        yield make
        for each in clients:
            each.close()

    def test_workers_share_rate_limit(self, make_store):
        moments: list[float] = []
        threads = [
            threading.Thread(target=lambda: moments.extend(permits(make_store(), 20))) for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(moments) == 40
        assert are_apart(moments)

    def test_refusal_backs_off_other_worker(self, make_store):
        back_off(make_store(), 60)
        step = make_store().change(ACCOUNT, lambda state, now: take(state, now, 0.0))
        assert isinstance(step, Wait)
        assert step.is_backoff

    def test_concurrent_change_repeats_decision(self, make_store):
        one, other = make_store(), make_store()
        seen = []

        def decide(state, now):
            if not seen:
                other.change(ACCOUNT, lambda state, now: (RateLimitState(refusals=5, changed=now), None))
            seen.append(state.refusals)
            return RateLimitState(refusals=state.refusals + 1, changed=now), None

        one.change(ACCOUNT, decide)
        assert seen == [0, 5]
        assert state_of(one).refusals == 6

    def test_keys_expire_and_contain_no_token(self, make_store, client):
        store = make_store()
        back_off(store, 60)
        [key] = client.keys()
        assert key == f"usedesk:rate_limit:{ACCOUNT}".encode()
        assert 60 < client.ttl(key) <= 60 + KEPT_SECONDS
        back_off(store, LONGEST_BACKOFF)
        assert LONGEST_BACKOFF + KEPT_SECONDS - 60 < client.ttl(key) <= LONGEST_BACKOFF + KEPT_SECONDS

    def test_redis_clock_is_used(self, make_store, client):
        seconds, _ = client.time()
        now = make_store().change(ACCOUNT, lambda state, now: (state, now))
        assert now >= seconds

    def test_unchanged_state_is_not_written(self, make_store, client):
        make_store().change(ACCOUNT, lambda state, now: take(state, now, 0.0))
        assert client.keys() == []

    def test_unreachable_redis_is_reported(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        with pytest.raises(RateLimitStoreUnavailable, match="ConnectionError"):
            state_of(RedisStore(redis.Redis(port=port)))

    def test_silent_redis_times_out(self, monkeypatch):
        monkeypatch.setattr(rate_limit_stores, "REDIS_TIMEOUT", 0.05)
        with (
            socket.create_server(("127.0.0.1", 0)) as silent,
            redis.Redis(port=silent.getsockname()[1]) as client,
        ):
            store = RedisStore(client)
            used = client.get_connection_kwargs()
            assert (used["socket_timeout"], used["socket_connect_timeout"]) == (0.05, 0.05)
            with pytest.raises(RateLimitStoreUnavailable, match="TimeoutError"):
                state_of(store)
