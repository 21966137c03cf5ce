"""The stored form of delivery reports."""

from __future__ import annotations

import json

import pytest

from airflow_provider_usedesk.delivery.reports import (
    MAX_STORED,
    DeliveryReport,
    as_state,
    reports_in,
    state_key,
)

AT = "2026-11-24T12:00:00+00:00"


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


def test_key_names_the_ticket():
    assert state_key(77) == "report/77"
