"""Who may send webhooks: a sender that knows the secret of the connection."""

from __future__ import annotations

import asyncio
import logging
import math
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from anyio import CapacityLimiter, to_thread

from airflow_provider_usedesk.compat.connection import extra_of

if TYPE_CHECKING:
    from airflow_provider_usedesk.compat.sdk import Connection

log = logging.getLogger(__name__)

ALLOWED = r"[A-Za-z0-9_.~-]{16,512}"
# Seconds between two reads of a connection; a burst of webhooks is one query to the database.
CACHE_SECONDS = 10
# Number of ids that are known to accept no webhooks.
MAX_CACHED = 256
# Number of connections that are read at the same time.
MAX_READS = 4
INVALID = (
    "because it is not valid. A valid secret has 16 to 512 of the characters A-Z a-z 0-9 _ . ~ - and no "
    "others. Create one with `python -c 'import secrets; print(secrets.token_urlsafe(32))'`."
)
# Not refused: a webhook can contain the token instead, which is not known here.
UNCHECKED = (
    "is not checked, because the connection has no API token. A webhook contains one of the two in its field "
    "`secret`. Add the token, or remove the application id."
)


@dataclass(frozen=True)
class WebhookSecrets:
    """
    The secrets of one connection.

    :param in_path: secrets that the address may end in; two while one replaces the other
    :param in_body: values that the field ``secret`` of a webhook may have; empty if it is not checked
    """

    in_path: tuple[str, ...] = field(repr=False)
    in_body: tuple[str, ...] = field(repr=False)

    def match_path(self, secret: str) -> bool:
        return _is_one_of(secret, self.in_path)

    def match_body(self, secret: str | None) -> bool:
        """Return whether a webhook with this field ``secret`` is accepted; None if it has no such field."""
        return secret is None or not self.in_body or _is_one_of(secret, self.in_body)


PLACEHOLDER = WebhookSecrets((secrets.token_urlsafe(32), secrets.token_urlsafe(32)), ())
"""Compared if a connection accepts no webhooks, so that the response takes the same time."""
NEVER_READ = (-math.inf, PLACEHOLDER)


def read_secrets(token: str | None, extra: Mapping[str, Any]) -> WebhookSecrets:
    """
    Return the secrets that the fields of a connection contain.

    :param token: the API token
    :param extra: fields ``webhook_secret``, one secret or two separated by a comma, and ``application_id``
    """
    application_id, token = _application_id(extra), (token or "").strip()
    return WebhookSecrets(
        tuple(part for part in _given(extra) if re.fullmatch(ALLOWED, part)),
        (application_id, token) if application_id and token else (),
    )


def secrets_of(connection: Connection | None) -> WebhookSecrets | None:
    """Return the secrets of a connection of Airflow; None if there is none, or it has another type."""
    if connection is None or connection.conn_type != "usedesk":
        return None
    try:
        extra = extra_of(connection)
    except ValueError as error:
        _warn_once(f"The Usedesk connection {connection.conn_id} is not complete: the extra {error}.")
        return None
    found = read_secrets(connection.password, extra)
    if len(found.in_path) < len(_given(extra)):
        _warn_once(f"A webhook secret of the Usedesk connection {connection.conn_id} is ignored, {INVALID}")
    if found.in_path and _application_id(extra) and not found.in_body:
        _warn_once(f"The application id of the Usedesk connection {connection.conn_id} {UNCHECKED}")
    return found


def _given(extra: Mapping[str, Any]) -> list[str]:
    parts = str(extra.get("webhook_secret") or "").split(",")
    return [part.strip() for part in parts if part.strip()]


def _application_id(extra: Mapping[str, Any]) -> str:
    return str(extra.get("application_id") or "").strip()


@lru_cache(256)
def _warn_once(text: str) -> None:
    # A connection is read again and again.
    log.warning("%s", text)


class Authenticator:
    """
    Check the secrets of webhooks against those of the connections.

    Anybody can send ids of connections that do not exist. These ids have a cache and threads of their own, so
    that they neither evict nor delay a connection that accepts webhooks.

    :param read: returns the secrets of a connection, by its id; None if there is no such connection
    :param clock: returns the time in seconds
    """

    def __init__(
        self, read: Callable[[str], WebhookSecrets | None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._read_now = read
        self._known: dict[str, tuple[float, WebhookSecrets]] = {}
        self._unknown: dict[str, tuple[float, WebhookSecrets]] = {}
        self._reads: dict[str, asyncio.Future[WebhookSecrets]] = {}

    async def authenticate(self, conn_id: str, secret: str) -> WebhookSecrets | None:
        """
        Return the secrets of the connection, if the secret is one of them.

        :param conn_id: id of the connection, as the address names it
        :param secret: the secret at the end of the address
        """
        known = await self._secrets(conn_id)
        return known if known.match_path(secret) else None

    def knows(self, conn_id: str) -> bool:
        """Return whether there is a connection of this id that accepts webhooks, as of its last read."""
        return conn_id in self._known

    async def _secrets(self, conn_id: str) -> WebhookSecrets:
        read_at, known = self._known.get(conn_id) or self._unknown.get(conn_id) or NEVER_READ
        if self._clock() - read_at < CACHE_SECONDS:
            return known
        if conn_id not in self._reads:
            reading = self._reads[conn_id] = asyncio.ensure_future(self._read(conn_id))
            # asyncio would log an error that no webhook waits for any more, with its text.
            reading.add_done_callback(lambda done: done.cancelled() or done.exception())
        # Shielded, because other webhooks wait for the same read.
        return await asyncio.shield(self._reads[conn_id])

    async def _read(self, conn_id: str) -> WebhookSecrets:
        limiter = self._known_limiter if conn_id in self._known else self._unknown_limiter
        try:
            read_at, found = await to_thread.run_sync(self._timed_read, conn_id, limiter=limiter)
        finally:
            del self._reads[conn_id]
        return self._save(conn_id, read_at, found if found and found.in_path else PLACEHOLDER)

    def _timed_read(self, conn_id: str) -> tuple[float, WebhookSecrets | None]:
        # The time before the read, because the connection may change during it.
        return self._clock(), self._read_now(conn_id)

    def _save(self, conn_id: str, read_at: float, found: WebhookSecrets) -> WebhookSecrets:
        self._known.pop(conn_id, None)
        self._unknown.pop(conn_id, None)
        cache = self._unknown if found is PLACEHOLDER else self._known
        cache[conn_id] = read_at, found
        if len(self._unknown) > MAX_CACHED:
            del self._unknown[next(iter(self._unknown))]
        return found

    # Not the limiter of AnyIO, which all synchronous endpoints of the process share.
    @cached_property
    def _known_limiter(self) -> CapacityLimiter:
        return CapacityLimiter(MAX_READS)

    @cached_property
    def _unknown_limiter(self) -> CapacityLimiter:
        return CapacityLimiter(MAX_READS)


def _is_one_of(value: str, known: tuple[str, ...]) -> bool:
    # All are compared, so that the time does not depend on which one matches.
    return sum(secrets.compare_digest(_bytes(value), _bytes(one)) for one in known) > 0


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
