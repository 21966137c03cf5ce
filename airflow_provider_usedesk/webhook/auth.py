"""Who may send webhooks: a sender that knows the secret of the connection."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_usedesk.compat.connection import extra_of

if TYPE_CHECKING:
    from airflow_provider_usedesk.compat.sdk import Connection

log = logging.getLogger(__name__)

ALLOWED = r"[A-Za-z0-9_.~-]{16,512}"
# Seconds between two reads of a connection; a burst of webhooks is one query to the database.
CACHE_SECONDS = 10
MAX_CACHED = 256


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


def read_secrets(token: str | None, extra: Mapping[str, Any]) -> WebhookSecrets:
    """
    Return the secrets that the fields of a connection contain.

    :param token: the API token
    :param extra: fields ``webhook_secret``, one secret or two separated by a comma, and ``application_id``
    """
    given = [part.strip() for part in str(extra.get("webhook_secret") or "").split(",") if part.strip()]
    valid = tuple(part for part in given if re.fullmatch(ALLOWED, part))
    if len(valid) < len(given):
        log.warning(
            "A webhook secret of the connection is ignored, because it is not valid. A valid secret has 16 "
            "to 512 of the characters A-Z a-z 0-9 _ . ~ - and no others. Create one with "
            "`python -c 'import secrets; print(secrets.token_urlsafe(32))'`."
        )
    application_id = str(extra.get("application_id") or "").strip()
    return WebhookSecrets(valid, (application_id, token.strip()) if application_id and token else ())


def secrets_of(connection: Connection | None) -> WebhookSecrets | None:
    """Return the secrets of a connection of Airflow; None if there is none, or it has another type."""
    if connection is None or connection.conn_type != "usedesk":
        return None
    try:
        extra = extra_of(connection)
    except ValueError as error:
        log.warning("The Usedesk connection %s is not complete: the extra %s.", connection.conn_id, error)
        return None
    return read_secrets(connection.password, extra)


class Authenticator:
    """
    Check the secrets of webhooks against those of the connections.

    :param read: returns the secrets of a connection, by its id; None if there is no such connection
    :param clock: returns the time in seconds
    """

    def __init__(
        self, read: Callable[[str], WebhookSecrets | None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._read_now = read
        self._known: dict[tuple[str, int], WebhookSecrets | None] = {}

    def needs_read(self, conn_id: str) -> bool:
        """
        Return whether the connection has to be read, which takes long, before a secret can be checked.

        :param conn_id: id of the connection, as the address names it
        """
        return (conn_id, self._period()) not in self._known

    def authenticate(self, conn_id: str, secret: str) -> WebhookSecrets | None:
        """
        Return the secrets of the connection, if the secret is one of them.

        :param conn_id: id of the connection, as the address names it
        :param secret: the secret at the end of the address
        """
        known = self._read(conn_id)
        is_match = (known or PLACEHOLDER).match_path(secret)
        return known if is_match else None

    def knows(self, conn_id: str) -> bool:
        """Return whether there is a connection of this id that accepts webhooks."""
        known = self._read(conn_id)
        return known is not None and bool(known.in_path)

    def _read(self, conn_id: str) -> WebhookSecrets | None:
        key, known = (conn_id, self._period()), self._known
        if key in known:
            return known[key]
        found = self._read_now(conn_id)
        # A new dict, because other threads may read this one.
        self._known = {**(known if len(known) < MAX_CACHED else {}), key: found}
        return found

    def _period(self) -> int:
        return int(self._clock() / CACHE_SECONDS)


def _is_one_of(value: str, known: tuple[str, ...]) -> bool:
    # All are compared, so that the time does not depend on which one matches.
    return sum(secrets.compare_digest(_bytes(value), _bytes(one)) for one in known) > 0


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
