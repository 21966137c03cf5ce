"""Time zones for tests that depend on the hour."""

from __future__ import annotations

from datetime import UTC, datetime


def zone_at_noon() -> str:
    """Return the name of a time zone where it is about noon now; POSIX counts them to the west."""
    return f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"


def zone_at_midnight() -> str:
    """Return the name of a time zone where it is about midnight now."""
    return f"Etc/GMT{(datetime.now(UTC).hour + 12) % 24 - 12:+d}"
