"""The summary: whether the batch has failed, and the sentence about its progress."""

from __future__ import annotations

import pytest

from airflow_provider_usedesk.batch.options import BatchOptions, Share
from airflow_provider_usedesk.batch.result_file import NoResultFile
from airflow_provider_usedesk.batch.summary import (
    MAX_REASONS,
    Outcome,
    OutcomeRecorder,
    Summary,
    failure,
    progress,
)


def has_failed(summary, options):
    return failure(summary, options) is not None


@pytest.mark.parametrize(
    ("fail_on", "some", "every"), [("any", True, True), ("all", False, True), ("none", False, False)]
)
def test_fail_on(fail_on, some, every):
    options = BatchOptions(fail_on=fail_on)
    assert has_failed(Summary(rows=2, rejected=2), options) is every
    assert has_failed(Summary(rows=2, rejected=1, sent=1), options) is some
    assert has_failed(Summary(rows=2, rejected=1, skipped=1), options) is some


@pytest.mark.parametrize("fail_on", ["any", "all", "none"])
@pytest.mark.parametrize("limit", [2, Share(40)])
def test_only_max_bad_rows_judges_bad_rows(fail_on, limit):
    options = BatchOptions(fail_on=fail_on, max_bad_rows=limit)
    assert failure(Summary(rows=5, sent=3, bad=2), options) is None
    reason = failure(Summary(rows=5, sent=2, bad=3), options)
    assert reason == f"3 of 5 rows are bad, and max_bad_rows is {limit}."
    # The next attempt reads the others.
    assert failure(Summary(rows=None, sent=2, bad=3), options) is None


def test_all_reasons_are_named():
    options = BatchOptions(ignore_not_delivered=True)
    summary = Summary(rows=9, sent=3, bad=1, rejected=2, not_delivered=2, unknown=1)
    assert failure(summary, options) == (
        "1 of 9 rows are bad, and max_bad_rows is 0. 3 of 9 rows failed: 2 rejected, 1 unknown."
    )


@pytest.mark.parametrize(("fails", "is_failure"), [(True, True), (False, False)])
def test_empty_batch(fails, is_failure, caplog):
    assert has_failed(Summary(rows=0), BatchOptions(fail_if_empty=fails)) is is_failure
    assert not has_failed(Summary(rows=1, sent=1), BatchOptions(fail_if_empty=fails))
    OutcomeRecorder(NoResultFile()).log(Summary(rows=0))
    [warning] = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "There are no recipients" in warning.getMessage()


@pytest.mark.parametrize(
    ("summary", "text"),
    [
        (
            Summary(rows=400, sent=150, left=230, rejected=2, skipped=18, seconds=60.8),
            "400 rows: 150 sent, 18 sent before, 2 rejected, 230 left; 150 a minute, 2 min to go.",
        ),
        (Summary(rows=18, skipped=3, left=15), "18 rows: 0 sent, 3 sent before, 15 left."),
        (Summary(rows=0), "0 rows: 0 sent."),
        (Summary(rows=None, sent=3, left=5, seconds=1.0), "8 rows so far: 3 sent, 5 left; 180 a minute."),
        (
            Summary(rows=9000, sent=9, left=8991, seconds=9),
            "9000 rows: 9 sent, 8991 left; 60 a minute, 2 h 30 min to go.",
        ),
        (
            Summary(rows=30, sent=10, left=20, seconds=5),
            "30 rows: 10 sent, 20 left; 120 a minute, 10 s to go.",
        ),
    ],
    ids=["minutes", "resumed", "empty", "unread", "hours", "seconds"],
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
    assert "3 more rows are bad or rejected." in caplog.text


def test_log_names_the_first_bad_rows(caplog):
    recorder = OutcomeRecorder(NoResultFile())
    for number in range(1, MAX_REASONS + 4):
        recorder.record(Outcome.BAD, 2 * number, "", reason="subject: is required")
    recorder.log(Summary(rows=40, sent=27, bad=13))
    assert "13 of 40 rows are bad and were not sent: row 2, 4, 6, 8, 10, 12, 14, 16, 18, 20 and 3 more." in (
        caplog.text
    )
