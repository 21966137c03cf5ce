"""Quiet hours in local time, on ordinary days and when clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest
from airflow_provider_usedesk.batch.quiet_hours import QuietHours

MINUTE = timedelta(minutes=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def same(found: datetime | None, expected: str) -> bool:
    return found == at(expected) and found.tzinfo is UTC


@pytest.mark.parametrize(
    "written", [("22:00", "08:00"), ["22:00", "8:00"], "22:00-08:00", " 22:00 - 08:00 ", ("22:00 ", " 08:00")]
)
def test_valid_forms(written):
    expected = QuietHours(time(22), time(8), ZoneInfo("Europe/Berlin"))
    assert QuietHours.read(written, "Europe/Berlin") == expected
    assert QuietHours.read(written, ZoneInfo("Europe/Berlin")) == expected


@pytest.mark.parametrize(
    "written",
    [
        *(None, "", "22:00", "22-08", "22:00-24:00", "22:60-08:00", "22:00–", "22:00-08:00-09:00"),
        *("२२:००-०८:००", "22:00:00-08:00", 22, (22, 8), ("22:00", None), ("22:00",), {"22:00": "08:00"}),
        ("22:00", "08:00", "09:00"),
    ],
)
def test_invalid_hours(written):
    with pytest.raises(
        UsedeskInvalidRequest, match=r' quiet_hours: must be two times of day .*"22:00-08:00"\.$'
    ):
        QuietHours.read(written, "Europe/Berlin")


def test_equal_times_are_invalid():
    with pytest.raises(ValueError, match="quiet_hours: must be two different times"):
        QuietHours.read(("08:00", "8:00"), "Europe/Berlin")


@pytest.mark.parametrize(
    "name", [None, "", "Mars/Base", "Europe", "../etc", "/etc/passwd", 3, "+03:00", "x" * 999]
)
def test_invalid_time_zone(name):
    with pytest.raises(ValueError, match=" timezone: must be the IANA name of a time zone"):
        QuietHours.read("22:00-08:00", name)


def test_every_error_is_named():
    with pytest.raises(UsedeskInvalidRequest, match=r"\n +quiet_hours: .*\n +timezone: "):
        QuietHours.read("late", "here")


def test_naive_time_is_refused():
    quiet = QuietHours.read("22:00-08:00", "Europe/Berlin")
    with pytest.raises(ValueError, match="time zone"):
        quiet.end(at("2026-01-15T12:00"))


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-01-15T21:59:59.999999+01:00", None),
        ("2026-01-15T22:00+01:00", "2026-01-16T08:00+01:00"),
        ("2026-01-16T00:00+01:00", "2026-01-16T08:00+01:00"),
        ("2026-01-16T07:59:59.999999+01:00", "2026-01-16T08:00+01:00"),
        ("2026-01-16T08:00+01:00", None),
        ("2026-01-16T02:00+09:00", None),
    ],
)
def test_over_midnight(now, end):
    found = QuietHours.read("22:00-08:00", "Europe/Berlin").end(at(now))
    assert found is None if end is None else same(found, end)


def test_within_a_day():
    quiet = QuietHours.read("12:30-14:00", "Europe/Moscow")
    assert quiet.end(at("2026-01-15T12:29+03:00")) is None
    assert same(quiet.end(at("2026-01-15T12:30+03:00")), "2026-01-15T14:00+03:00")
    assert quiet.end(at("2026-01-15T14:00+03:00")) is None


def test_half_hour_zones_and_fixed_offsets():
    for zone in ("Asia/Kolkata", timezone(timedelta(hours=5, minutes=30))):
        quiet = QuietHours.read("22:00-08:00", zone)
        assert quiet.end(at("2026-01-15T16:29Z")) is None
        assert same(quiet.end(at("2026-01-15T16:30Z")), "2026-01-16T02:30Z")


@pytest.mark.parametrize(
    ("hours", "now", "end"),
    [
        # The clock goes from 02:00+01 to 03:00+02: the night is an hour shorter.
        ("22:00-08:00", "2026-03-28T23:00+01:00", "2026-03-29T08:00+02:00"),
        ("22:00-02:30", "2026-03-28T23:00+01:00", "2026-03-29T03:00+02:00"),
        ("22:00-02:00", "2026-03-28T23:00+01:00", "2026-03-29T03:00+02:00"),
        ("22:00-03:00", "2026-03-28T23:00+01:00", "2026-03-29T03:00+02:00"),
        ("02:30-04:00", "2026-03-29T01:59+01:00", None),
        ("02:30-04:00", "2026-03-29T03:00+02:00", "2026-03-29T04:00+02:00"),
        ("02:15-02:45", "2026-03-29T03:00+02:00", None),
        # It goes from 03:00+02 to 02:00+01: the night is an hour longer.
        ("22:00-08:00", "2026-10-24T23:00+02:00", "2026-10-25T08:00+01:00"),
        ("22:00-02:00", "2026-10-24T23:00+02:00", "2026-10-25T02:00+02:00"),
        ("22:00-02:30", "2026-10-24T23:00+02:00", "2026-10-25T02:30+02:00"),
        ("22:00-02:30", "2026-10-25T02:45+02:00", None),
        ("22:00-02:30", "2026-10-25T02:15+01:00", "2026-10-25T02:30+01:00"),
        ("22:00-03:00", "2026-10-25T02:45+02:00", "2026-10-25T03:00+01:00"),
        # The local time comes twice, and is quiet both times.
        ("02:15-02:45", "2026-10-25T02:20+02:00", "2026-10-25T02:45+02:00"),
        ("02:15-02:45", "2026-10-25T02:50+02:00", None),
        ("02:15-02:45", "2026-10-25T02:20+01:00", "2026-10-25T02:45+01:00"),
    ],
)
def test_nights_when_clocks_change(hours, now, end):
    found = QuietHours.read(hours, "Europe/Berlin").end(at(now))
    assert found is None if end is None else same(found, end)


def test_clock_change_at_midnight():
    quiet = QuietHours.read("21:00-00:30", "America/Sao_Paulo")
    assert same(quiet.end(at("2018-11-03T23:00-03:00")), "2018-11-04T01:00-02:00")
    # 23:00 comes twice, and is quiet both times.
    assert same(quiet.end(at("2018-02-17T23:30-02:00")), "2018-02-18T00:30-03:00")


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("Europe/Berlin", "2026-03-28T06:07Z"),
        ("Europe/Berlin", "2026-10-24T06:07Z"),
        ("America/Sao_Paulo", "2018-11-03T06:07Z"),
        ("America/Sao_Paulo", "2018-02-17T06:07Z"),
        ("Australia/Lord_Howe", "2026-04-04T06:07Z"),
        ("Asia/Kolkata", "2026-03-28T06:07Z"),
        ("Europe/Moscow", "2026-03-28T06:07Z"),
        ("Pacific/Apia", "2011-12-29T06:07Z"),
    ],
)
@pytest.mark.parametrize("hours", ["22:00-08:00", "23:45-00:15", "02:15-02:45", "01:30-02:30", "00:00-23:59"])
def test_quiet_until_the_end(zone, day, hours):
    quiet = QuietHours.read(hours, zone)
    for step in range(0, 36 * 60, 97):
        now = at(day) + step * MINUTE
        if (end := quiet.end(now)) is not None:
            assert end > now
            assert quiet.end(end) is None
            assert {quiet.end(now + part * (end - MINUTE - now) / 5) for part in range(6)} == {end}
