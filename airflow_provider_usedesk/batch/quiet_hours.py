"""Quiet hours: the hours of each day, in one time zone, in which no message is sent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Any, Self
from zoneinfo import ZoneInfo

from airflow_provider_usedesk.api import values
from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest

MINUTE = timedelta(minutes=1)
HOURS = 'must be two times of day from 00:00 to 23:59, such as "22:00-08:00"'


@dataclass(frozen=True)
class QuietHours:
    """
    Quiet hours in local time; they may include midnight.

    :param start: the first quiet time of the day
    :param stop: the first time that is no longer quiet
    :param zone: the time zone
    """

    start: time
    stop: time
    zone: tzinfo

    @classmethod
    def read(cls, quiet_hours: Any, timezone: Any) -> Self:
        """
        Read quiet hours from the arguments of an operator.

        :param quiet_hours: two times of day: ("22:00", "08:00") or "22:00-08:00"
        :param timezone: IANA name, such as ``Europe/Berlin``, or a tzinfo
        :raises UsedeskInvalidRequest: naming every invalid argument
        """
        checks = {"quiet_hours": _hours, "timezone": _zone}
        checked, validation_errors = values.all_checked(
            checks, {"quiet_hours": quiet_hours, "timezone": timezone}
        )
        if validation_errors:
            raise UsedeskInvalidRequest(validation_errors)
        start, stop = checked["quiet_hours"]
        return cls(start, stop, checked["timezone"])

    def end(self, now: datetime) -> datetime | None:
        """
        Return the end of the quiet hours.

        :param now: the current time, with a time zone
        :return: the first moment that is not quiet, UTC; None if ``now`` is not quiet
        :raises ValueError: if ``now`` has no time zone
        """
        if not self._is_quiet(now):
            return None
        # Minute by minute, so that no change of the local clock is missed.
        moment = now.astimezone(UTC).replace(second=0, microsecond=0) + MINUTE
        while self._is_quiet(moment):
            moment += MINUTE
        return moment

    def _is_quiet(self, moment: datetime) -> bool:
        if moment.tzinfo is None:
            raise ValueError("The time must have a time zone.")
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
        raise ValueError("must be two different times")
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
    except (KeyError, ValueError, OSError, TypeError):  # unknown names, paths, other types
        raise ValueError("must be the IANA name of a time zone, such as Europe/Berlin") from None
