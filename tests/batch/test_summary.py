"""The summary: whether the batch has failed, and the sentence about its progress."""

from __future__ import annotations

import pytest

from airflow_provider_usedesk.batch.options import BatchOptions
from airflow_provider_usedesk.batch.result_file import NoResultFile
from airflow_provider_usedesk.batch.summary import (
    MAX_REASONS,
    Outcome,
    OutcomeRecorder,
    Summary,
    has_failed,
    progress,
)


@pytest.mark.parametrize(
    ("fail_on", "some", "every"), [("any", True, True), ("all", False, True), ("none", False, False)]
)
def test_fail_on(fail_on, some, every):
    options = BatchOptions(fail_on=fail_on)
    assert has_failed(Summary(rows=2, rejected=2), options) is every
    assert has_failed(Summary(rows=2, rejected=1, sent=1), options) is some
    assert has_failed(Summary(rows=2, rejected=1, skipped=1), options) is some


@pytest.mark.parametrize(
    ("summary", "text"),
    [
        (
            Summary(rows=400, sent=150, left=230, rejected=2, skipped=18, seconds=60.8),
            "Sent 150 of 382, 150 a minute, 2 min left, 18 skipped, 2 rejected.",
        ),
        (Summary(rows=0), "Sent 0 of 0."),
        (Summary(rows=None, sent=3, left=5, seconds=1.0), "Sent 3, 180 a minute."),
        (
            Summary(rows=9000, sent=9, left=8991, seconds=9),
            "Sent 9 of 9000, 60 a minute, 2 h 30 min left.",
        ),
        (Summary(rows=30, sent=10, left=20, seconds=5), "Sent 10 of 30, 120 a minute, 10 s left."),
    ],
    ids=["minutes", "empty", "unread", "hours", "seconds"],
)
def test_progress(summary, text):
    assert progress(summary) == text


def test_log_names_the_first_reasons(caplog):
    recorder = OutcomeRecorder(NoResultFile())
    for number in range(1, MAX_REASONS + 4):
        recorder.record(Outcome.REJECTED, number, "key", reason=f"reason {number}")
    recorder.log(Summary(rows=13, rejected=13))
    assert "row 10: reason 10" in caplog.text
    assert "reason 11" not in caplog.text
    assert "3 more rows failed. The result file has the reasons of all." in caplog.text
