"""Facts that the delivery contract takes from the Dag run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from airflow_provider_usedesk.operators.contract import LONG_AGO, DeliveryContract

MONTH_BEGAN, TRIGGERED, CLEARED = (datetime(2025, 11, day, tzinfo=UTC) for day in (1, 25, 27))
INTERVAL = {"data_interval_end": MONTH_BEGAN}


def run_began(**dag_run):
    return DeliveryContract({"dag_run": SimpleNamespace(**dag_run)}, None).run_began


class TestRunBegan:
    """The moment from which on a search looks if no record has a later one."""

    @pytest.mark.parametrize("run_type", ["manual", "operator_triggered", "asset_triggered"])
    def test_triggered_run(self, run_type):
        times = {"run_after": TRIGGERED, "logical_date": TRIGGERED, "start_date": CLEARED}
        assert run_began(run_type=run_type, **times, **INTERVAL) == TRIGGERED

    @pytest.mark.parametrize("run_type", ["scheduled", "backfill"])
    def test_scheduled_run(self, run_type):
        times = {"run_after": MONTH_BEGAN, "logical_date": LONG_AGO, "start_date": CLEARED}
        assert run_began(run_type=run_type, **times, **INTERVAL) == MONTH_BEGAN

    @pytest.mark.parametrize("run_type", ["manual", "dataset_triggered"])
    def test_triggered_run_of_airflow_2(self, run_type):
        times = {"logical_date": TRIGGERED, "queued_at": CLEARED, "start_date": CLEARED}
        assert run_began(run_type=run_type, **times, **INTERVAL) == TRIGGERED

    @pytest.mark.parametrize("run_type", ["scheduled", "backfill"])
    def test_scheduled_run_of_airflow_2(self, run_type):
        times = {"logical_date": LONG_AGO, "queued_at": CLEARED, "start_date": CLEARED}
        assert run_began(run_type=run_type, **times, **INTERVAL) == MONTH_BEGAN

    def test_earlier_start_counts(self):
        assert run_began(run_type="manual", run_after=CLEARED, start_date=TRIGGERED) == TRIGGERED

    @pytest.mark.parametrize("names", [(), ("run_after",), ("run_after", "start_date")])
    def test_run_of_a_later_moment_has_no_begin(self, names):
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        assert run_began(run_type="manual", **dict.fromkeys(names, tomorrow)) == LONG_AGO
