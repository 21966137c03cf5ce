"""The words of providers of messengers that say whether a message was delivered."""

from __future__ import annotations

import re

DELIVERED = ("delivered", "delivered to handset", "read", "readed", "seen", "viewed", "displayed")
"""Words that mean delivered. Only the first is documented; providers of messengers use the others."""
FAILED = (
    "undelivered",
    "undeliverable",
    "not delivered",
    "delivery failed",
    "failed",
    "failure",
    "error",
    "rejected",
    "expired",
    "blocked",
    "canceled",
    "cancelled",
)
"""Words that mean failed. Only ``not delivered`` is documented, for responses; providers use the others."""


def normalized(word: str) -> str:
    """Return a word without case and separators: ``Not-Delivered`` becomes ``notdelivered``."""
    return re.sub(r"[\W_]+", "", word.casefold())


def means_failed(word: str) -> bool:
    """Return whether a word, in any spelling, means that a message was not delivered."""
    return normalized(word) in _FAILED


_FAILED = frozenset(map(normalized, FAILED))
