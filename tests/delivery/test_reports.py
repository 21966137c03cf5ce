"""The stored form of delivery reports."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from airflow_provider_usedesk.delivery.reports import (
    MAX_STORED,
    DeliveryReport,
    as_state,
    last_without_message,
    reports_after,
    reports_in,
    state_key,
    with_report,
)

AT, LATER = "2026-11-24T12:00:00+00:00", "2026-11-24T12:00:01+00:00"
OLD, NEW = DeliveryReport("READ", None, AT), DeliveryReport("READ", None, LATER)
NAMED, OTHER = DeliveryReport("READ", 501, AT), DeliveryReport("SENT", 502, LATER)


def test_reports_survive_storing():
    reports = (DeliveryReport("SENT", None, AT), DeliveryReport("READ", 501, AT))
    assert reports_in(json.loads(json.dumps(as_state(reports)))) == reports


def test_newest_reports_are_stored():
    reports = [DeliveryReport(str(number), 501, AT) for number in range(MAX_STORED + 5)]
    assert reports_in(as_state(reports)) == tuple(reports[5:])


@pytest.mark.parametrize(
    "state", [None, "READ", [], {}, {"reports": None}, {"reports": [["READ", "501", AT], ["READ"], 5]}]
)
def test_other_values_hold_no_reports(state):
    assert reports_in(state) == ()


@pytest.mark.parametrize(
    ("known", "new", "expected"),
    [
        ((), NAMED, (NAMED,)),
        ((NAMED, OTHER), DeliveryReport("READ", 501, LATER), (NAMED, OTHER)),
        ((OLD, NAMED), NEW, (NAMED, NEW)),
        ((NAMED,), OLD, (NAMED, OLD)),
    ],
)
def test_one_more_report(known, new, expected):
    assert with_report(known, new) == expected


@pytest.mark.parametrize(
    ("reports", "at"),
    [((), None), ((NAMED,), None), ((DeliveryReport("READ", None, "?"),), None), ((NEW, OLD, OTHER), LATER)],
)
def test_last_report_without_message(reports, at):
    assert last_without_message(reports) == (at and datetime.fromisoformat(at))


@pytest.mark.parametrize(
    ("comment_id", "expected"), [(501, (NEW, NAMED, OTHER)), (502, (NEW, OTHER)), (None, (NEW, OTHER))]
)
def test_reports_on_earlier_messages_do_not_count(comment_id, expected):
    reports = (OLD, NEW, NAMED, OTHER, DeliveryReport("READ", None, ""))
    assert reports_after(reports, datetime.fromisoformat(AT), comment_id) == expected
    assert reports_after(reports, None, comment_id) == reports


def test_key_names_the_ticket():
    assert state_key(77) == "report/77"
