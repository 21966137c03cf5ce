"""Quiet hours: the hours of each day, in one time zone, in which nobody is written to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Any, Self
from zoneinfo import ZoneInfo

from airflow_provider_usedesk.api import values

MINUTE = timedelta(minutes=1)
HOURS = 'must be two times of day from 00:00 to 23:59, such as "22:00-08:00"'


@dataclass(frozen=True)
class QuietHours:
    """
    Hold the quiet hours as a clock on the wall shows them; they may run over midnight.

    :param start: first quiet time of the day
    :param stop: first time that is not quiet any more
    :param zone: where the clock hangs
    """

    start: time
    stop: time
    zone: tzinfo

    @classmethod
    def read(cls, quiet_hours: Any, timezone: Any) -> Self:
        """
        Make quiet hours of what a user wrote.

        :param quiet_hours: ("22:00", "08:00") or "22:00-08:00"
        :param timezone: IANA name, such as ``Europe/Berlin``; or a tzinfo
        :raises ValueError: naming every invalid argument
        """
        checks = {"quiet_hours": _hours, "timezone": _zone}
        right, validation_errors = values.all_checked(
            checks, {"quiet_hours": quiet_hours, "timezone": timezone}
        )
        if validation_errors:
            raise ValueError("; ".join(validation_errors))
        start, stop = right["quiet_hours"]
        return cls(start, stop, right["timezone"])

    def end(self, now: datetime) -> datetime | None:
        """
        Tell when sender are allowed again.

        :param now: with its time zone
        :return: first moment that is not quiet, in UTC; None when ``now`` is not quiet
        :raises ValueError: when ``now`` has no time zone
        """
        if not self._is_quiet(now):
            return None
        # Minute by minute on the wall: no clock that is put forward or back can be missed so.
        moment = now.astimezone(UTC).replace(second=0, microsecond=0) + MINUTE
        while self._is_quiet(moment):
            moment += MINUTE
        return moment

    def _is_quiet(self, moment: datetime) -> bool:
        if moment.tzinfo is None:
            raise ValueError("the time must have a time zone")
        clock = moment.astimezone(self.zone).time()
        if self.start < self.stop:
            return self.start <= clock < self.stop
        return clock >= self.start or clock < self.stop


def _hours(value: Any) -> tuple[time, time]:
    parts = value.split("-") if isinstance(value, str) else value
    times = [_time(part) for part in parts] if isinstance(parts, (list, tuple)) else []
    if len(times) != 2:
        raise ValueError(HOURS)
    if times[0] == times[1]:
        raise ValueError("must be two times that differ")
    return times[0], times[1]


def _time(value: Any) -> time:
    found = (
        re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", value.strip()) if isinstance(value, str) else None
    )
    if found is None:
        raise ValueError(HOURS)
    return time(int(found[1]), int(found[2]))


def _zone(value: Any) -> tzinfo:
    if isinstance(value, tzinfo):
        return value
    try:
        return ZoneInfo(value)
    except (KeyError, ValueError, OSError, TypeError):  # for names, paths and things that are no zone
        raise ValueError("must be the IANA name of a time zone, such as Europe/Berlin") from None
