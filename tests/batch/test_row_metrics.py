"""The metrics of the rows of a batch."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from airflow_provider_usedesk.batch.row_metrics import RowMetrics
from airflow_provider_usedesk.batch.summary import Summary
from airflow_provider_usedesk.compat import stats
from airflow_provider_usedesk.idempotency.decision import Ambiguous
from tests.batch.test_runner import Batch, people, unknown


@pytest.fixture
def counted(monkeypatch):
    counted = Counter()
    monkeypatch.setattr(stats, "count", lambda name, number=1: counted.update({name: number}))
    return counted


def test_each_row_is_counted_once(counted):
    metrics = RowMetrics()
    metrics.report(Summary(sent=2, bad=1, unknown=4, left=5))
    metrics.report(Summary(sent=5, bad=1, unknown=3, left=2))
    metrics.finish(Summary(sent=8, bad=1, unknown=1, left=1))
    assert +counted == {"batch_rows.sent": 8, "batch_rows.bad": 1, "batch_rows.unknown": 1}


def test_unknown_rows_are_counted_and_logged(counted, caplog):
    batch = Batch()
    batch.usedesk.failures["n3"] = [unknown()]
    batch.usedesk.look_up = lambda outcomes, _: [
        (one.row.number, Ambiguous("Usedesk is down")) for one in outcomes
    ]
    batch.run(people(5))
    assert +counted == {"batch_rows.sent": 4, "batch_rows.unknown": 1}
    assert "1 rows may have been sent, and Usedesk does not show whether." in caplog.text


WITHOUT_AIRFLOW = """
import sys
from airflow_provider_usedesk.batch.row_metrics import RowMetrics
from airflow_provider_usedesk.batch.summary import Summary
RowMetrics().finish(Summary(sent=1))
sys.exit("airflow" in sys.modules)
"""


def test_counting_does_not_load_airflow():
    assert subprocess.run([sys.executable, "-c", WITHOUT_AIRFLOW], check=False).returncode == 0
