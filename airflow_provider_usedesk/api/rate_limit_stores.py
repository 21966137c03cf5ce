"""Stores of the rate limit for more than one process: of a machine, or in a Redis."""

from __future__ import annotations

import logging
import os
import stat
import tempfile
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_usedesk.api.rate_limiter import (
    IN_MEMORY,
    KEPT_SECONDS,
    RateLimitState,
    RateLimitStore,
    RateLimitStoreUnavailable,
    read,
    written,
)

if TYPE_CHECKING:
    from redis import Redis

log = logging.getLogger(__name__)

T = TypeVar("T")

LINE_BYTES = 192
# Seconds for somebody else to release a file or to answer, and until a place that failed is tried again.
LOCK_TIMEOUT = 1.0
REDIS_TIMEOUT = 1.0
AWAY = 30.0


@cache
def machine_store() -> RateLimitStore:
    """Return the store for all processes of this machine with the same user and temporary folder."""
    return FallbackStore(FileStore(folder()), IN_MEMORY, "Each process keeps to the rate limit alone")


def folder() -> Path:
    """Return the folder with the files of this user."""
    return Path(tempfile.gettempdir()) / f"usedesk-rate-limit-{os.geteuid()}"


class FileStore:
    """
    Stores the states in one file for each account, locked for each change.

    :param folder: folder of the files; created when needed, and used only if it belongs to this user alone
    :param clock: returns the time
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        # Not available on Windows, where the rest of this package works.
        import fcntl

        self._fcntl = fcntl
        self._folder = folder
        self._clock = clock
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._files: dict[str, int] = {}

    def change(self, name: str, decide: Callable[[RateLimitState, float], tuple[RateLimitState, T]]) -> T:
        if os.getpid() != self._process:
            # A forked process shares the locks of its parent, so they would not exclude it.
            self._begin()
        with self._lock:
            try:
                file = self._locked(name)
                try:
                    state = read(os.pread(file, LINE_BYTES, 0))
                    changed, result = decide(state, self._clock())
                    if changed is not state:
                        os.pwrite(file, f"{written(changed):<{LINE_BYTES - 1}}\n".encode(), 0)
                finally:
                    self._fcntl.flock(file, self._fcntl.LOCK_UN)
            except OSError as error:
                raise RateLimitStoreUnavailable(f"{self._folder} ({type(error).__name__})") from None
        return result

    def _locked(self, name: str) -> int:
        file = self._files.get(name)
        if file is None:
            file = self._files[name] = self._open(name)
        self._wait_for_lock(file)
        if not os.fstat(file).st_nlink:
            # Somebody has cleaned up; the others will open a new file.
            os.close(self._files.pop(name))
            return self._locked(name)
        return file

    def _wait_for_lock(self, file: int) -> None:
        exclusive = self._fcntl.LOCK_EX | self._fcntl.LOCK_NB
        give_up = None
        while True:
            try:
                return self._fcntl.flock(file, exclusive)
            except BlockingIOError:
                give_up = give_up or time.monotonic() + LOCK_TIMEOUT
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.0005)

    def _open(self, name: str) -> int:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        found = self._folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise PermissionError
        return os.open(self._folder / name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


class RedisStore:
    """
    Remember in Redis, by its own time.

    :param client: what to ask it with
    """

    def __init__(self, client: Redis) -> None:
        from redis.backoff import NoBackoff
        from redis.exceptions import RedisError
        from redis.retry import Retry

        self._client = client
        self._errors = (RedisError, OSError)
        # An idle connection that was closed is opened again, but no request waits long for Redis.
        client.set_retry(Retry(NoBackoff(), 1))
        limits = {"socket_timeout": REDIS_TIMEOUT, "socket_connect_timeout": REDIS_TIMEOUT}
        client.connection_pool.connection_kwargs.update(limits)

    def change(self, name: str, decide: Callable[[RateLimitState, float], tuple[RateLimitState, T]]) -> T:
        key = f"usedesk:rate_limit:{name}"

        def in_transaction(pipe: Any) -> T:
            state = read(pipe.get(key))
            seconds, microseconds = pipe.time()
            now = seconds + microseconds / 1_000_000
            changed, result = decide(state, now)
            pipe.multi()
            if changed is not state:
                pipe.set(key, written(changed), ex=int(KEPT_SECONDS + max(changed.next - now, 0)))
            return result

        # Its type does not say that it returns the result of the function.
        transaction: Any = self._client.transaction
        try:
            result: T = transaction(in_transaction, key, value_from_callable=True)
        except self._errors as error:
            raise RateLimitStoreUnavailable(f"Redis ({type(error).__name__})") from None
        return result


class FallbackStore:
    """
    Stores the states in one store, and in another while the first cannot be used.

    :param first: the first store
    :param second: the store in the meantime
    :param meaning: what this means, for the log
    :param clock: returns seconds
    """

    def __init__(
        self,
        first: RateLimitStore,
        second: RateLimitStore,
        meaning: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._first = first
        self._second = second
        self._meaning = meaning
        self._clock = clock
        self._away_until: float | None = None

    @property
    def is_away(self) -> bool:
        """Return whether the first store could not be used at the last attempt."""
        return self._away_until is not None

    def change(self, name: str, decide: Callable[[RateLimitState, float], tuple[RateLimitState, T]]) -> T:
        if self._away_until is None or self._clock() >= self._away_until:
            try:
                result = self._first.change(name, decide)
            except RateLimitStoreUnavailable as error:
                self._note_away(error)
            else:
                self._note_there()
                return result
        return self._second.change(name, decide)

    def _note_away(self, error: RateLimitStoreUnavailable) -> None:
        was_away, self._away_until = self.is_away, self._clock() + AWAY
        if not was_away:
            log.warning("%s, because its store cannot be used: %s.", self._meaning, error)

    def _note_there(self) -> None:
        if self.is_away:
            self._away_until = None
            log.info("The rate limit is shared again.")
