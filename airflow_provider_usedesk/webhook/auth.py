"""Who may send webhooks: whoever knows the secret of the connection."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.models.connection import Connection

log = logging.getLogger(__name__)

FIT = r"[A-Za-z0-9_.~-]{16,512}"
# Seconds for which what a connection says is remembered; a burst of webhooks is one look at the database.
REMEMBERED = 10
MAX_REMEMBERED = 256


@dataclass(frozen=True)
class Account:
    """
    Hold what a connection says of its webhooks.

    :param secrets: what the address must end in; two while one is replaced by the other
    :param senders: what the field ``secret`` of a webhook may hold, where it is checked
    """

    secrets: tuple[str, ...] = field(repr=False)
    senders: tuple[str, ...] = field(repr=False)

    def knows(self, secret: str) -> bool:
        return _is_one_of(secret, self.secrets)

    def takes(self, claimed: str | None) -> bool:
        """Tell whether a webhook with this field ``secret`` may be ours."""
        return claimed is None or not self.senders or _is_one_of(claimed, self.senders)


NOBODY = Account((secrets.token_urlsafe(32), secrets.token_urlsafe(32)), ())
"""Stands in where a connection takes no webhooks, so that it is compared all the same."""


def read_account(token: str | None, extra: Mapping[str, Any]) -> Account:
    """
    Read what a connection says of its webhooks.

    :param token: its API token
    :param extra: ``webhook_secret``, one or two with a comma between them; ``application_id``
    """
    given = [part.strip() for part in str(extra.get("webhook_secret") or "").split(",") if part.strip()]
    known = tuple(part for part in given if re.fullmatch(FIT, part))
    if len(known) < len(given):
        log.warning(
            "A webhook_secret is not used: one has 16 or more of the characters A-Z a-z 0-9 _ . ~ - and "
            "no others, as `python -c 'import secrets; print(secrets.token_urlsafe(32))'` makes it."
        )
    application_id = str(extra.get("application_id") or "").strip()
    senders = (application_id, token.strip()) if application_id and token else ()
    return Account(known, senders)


def account_of(connection: Connection | None) -> Account | None:
    """Read what a connection of Airflow says of its webhooks; None where it is not one of ours."""
    if connection is None or connection.conn_type != "usedesk":
        return None
    return read_account(connection.password, connection.extra_dejson)


class Authenticator:
    """
    Let in who knows the secret of a connection.

    :param read: reads a connection; None where there is none
    :param clock: tells the time in seconds
    """

    def __init__(
        self, read: Callable[[str], Account | None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._remembered = lru_cache(MAX_REMEMBERED)(lambda conn_id, _: read(conn_id))

    def account(self, conn_id: str, secret: str) -> Account | None:
        """Return the account of a connection, for those who know its secret."""
        account = self._remembered(conn_id, int(self._clock() / REMEMBERED))
        knows = (account or NOBODY).knows(secret)
        return account if knows else None


def _is_one_of(value: str, known: tuple[str, ...]) -> bool:
    # All are compared, so that the time tells nothing.
    return sum(secrets.compare_digest(_bytes(value), _bytes(one)) for one in known) > 0


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
