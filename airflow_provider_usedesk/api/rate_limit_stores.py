"""Stores of the rate limit for more than one process: files on one machine, or Redis."""

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

from airflow_provider_usedesk.api.rate_limit_state import KEPT_SECONDS, RateLimitState, from_line, to_line
from airflow_provider_usedesk.api.rate_limiter import IN_MEMORY, RateLimitStore, RateLimitStoreUnavailable

if TYPE_CHECKING:
    from redis import Redis

log = logging.getLogger(__name__)

T = TypeVar("T")

LINE_BYTES = 192
# Seconds to wait for the lock of a file, and for a response of Redis.
LOCK_TIMEOUT = 1.0
REDIS_TIMEOUT = 1.0
# Seconds for which a store that failed is not used.
FALLBACK_SECONDS = 30.0


@cache
def machine_store() -> RateLimitStore:
    """Return the store that all processes of this machine with the same user and temporary folder share."""
    return FallbackStore(FileStore(folder()), IN_MEMORY, "Each process keeps to the rate limit alone")


def folder() -> Path:
    """Return the folder of the files of this user."""
    return Path(tempfile.gettempdir()) / f"usedesk-rate-limit-{os.geteuid()}"


class FileStore:
    """
    Stores the state of each account in a file, which is locked for each change.

    :param folder: folder of the files; created if missing, used only if no other user has access
    :param clock: returns the time in seconds, the same for all processes; default: the system clock
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        # Windows has no fcntl, but the rest of this package works there.
        import fcntl

        self._fcntl = fcntl
        self._folder = folder
        self._clock = clock
        self._start()

    def _start(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._files: dict[str, int] = {}

    def change(self, name: str, decide: Callable[[RateLimitState, float], tuple[RateLimitState, T]]) -> T:
        if os.getpid() != self._process:
            # A forked process inherits the open files of its parent, and with them its locks.
            self._start()
        with self._lock:
            try:
                file = self._locked(name)
                try:
                    state = from_line(os.pread(file, LINE_BYTES, 0))
                    changed, result = decide(state, self._clock())
                    if changed is not state:
                        os.pwrite(file, f"{to_line(changed):<{LINE_BYTES - 1}}\n".encode(), 0)
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
            # The file was deleted meanwhile; other processes open a new one.
            os.close(self._files.pop(name))
            return self._locked(name)
        return file

    def _wait_for_lock(self, file: int) -> None:
        exclusive = self._fcntl.LOCK_EX | self._fcntl.LOCK_NB
        deadline = None
        while True:
            try:
                return self._fcntl.flock(file, exclusive)
            except BlockingIOError:
                deadline = deadline or time.monotonic() + LOCK_TIMEOUT
                if time.monotonic() > deadline:
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
    Stores the states in Redis, and takes the time from Redis.

    :param client: a Redis client of its own; this store sets its timeouts and its retries
    """

    def __init__(self, client: Redis) -> None:
        from redis.backoff import NoBackoff
        from redis.exceptions import RedisError
        from redis.retry import Retry

        self._client = client
        self._errors = (RedisError, OSError)
        # One retry opens an idle connection again that Redis closed, and no request waits long.
        client.set_retry(Retry(NoBackoff(), 1))
        limits = {"socket_timeout": REDIS_TIMEOUT, "socket_connect_timeout": REDIS_TIMEOUT}
        client.connection_pool.connection_kwargs.update(limits)

    def change(self, name: str, decide: Callable[[RateLimitState, float], tuple[RateLimitState, T]]) -> T:
        key = f"usedesk:rate_limit:{name}"

        def in_transaction(pipe: Any) -> T:
            state = from_line(pipe.get(key))
            seconds, microseconds = pipe.time()
            now = seconds + microseconds / 1_000_000
            changed, result = decide(state, now)
            pipe.multi()
            if changed is not state:
                pipe.set(key, to_line(changed), ex=int(KEPT_SECONDS + max(changed.next - now, 0)))
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
    Stores the states in a primary store, or in a fallback store while the primary one cannot be used.

    :param primary: the primary store
    :param fallback: the fallback store
    :param consequence: what the fallback means for the rate limit, for the log
    :param clock: returns seconds; default: the monotonic clock
    """

    def __init__(
        self,
        primary: RateLimitStore,
        fallback: RateLimitStore,
        consequence: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._primary = primary
        self._fallback = fallback
        self._consequence = consequence
        self._clock = clock
        self._fallback_until: float | None = None

    @property
    def uses_fallback(self) -> bool:
        """Whether the primary store could not be used at the last attempt."""
        return self._fallback_until is not None

    def change(self, name: str, decide: Callable[[RateLimitState, float], tuple[RateLimitState, T]]) -> T:
        # Another thread may end the fallback between two reads.
        until = self._fallback_until
        if until is None or self._clock() >= until:
            try:
                result = self._primary.change(name, decide)
            except RateLimitStoreUnavailable as error:
                self._start_fallback(error)
            else:
                self._end_fallback()
                return result
        return self._fallback.change(name, decide)

    def _start_fallback(self, error: RateLimitStoreUnavailable) -> None:
        is_new, self._fallback_until = not self.uses_fallback, self._clock() + FALLBACK_SECONDS
        if is_new:
            log.warning("%s, because its store cannot be used: %s.", self._consequence, error)

    def _end_fallback(self) -> None:
        if self.uses_fallback:
            self._fallback_until = None
            log.info("The rate limit is shared again.")
