"""The send window: how many rows are given to the workers."""

from __future__ import annotations

import pytest

from airflow_provider_usedesk.batch.send_window import MAX_OPEN, SendWindow


@pytest.mark.parametrize(
    ("max_in_flight", "in_flight", "rate", "rows"),
    [
        # Half as many again as there are workers, so that none waits for a write.
        (8, 0, 0.0, 12),
        (1, 0, 0.0, 1),
        # The rows of another second.
        (8, 0, 100.9, 108),
        # Workers that have enough get no more.
        (8, 10, 0.0, 2),
        (8, 11, 0.0, 0),
        (8, 58, 100.0, 50),
        (8, 59, 100.0, 0),
        # Never more than can be looked up.
        (8, 0, 9999.0, MAX_OPEN),
        (64, 100, 9999.0, MAX_OPEN - 100),
    ],
)
def test_rows_to_release(max_in_flight, in_flight, rate, rows):
    assert SendWindow(max_in_flight).rows_to_release(in_flight, rate) == rows


@pytest.mark.parametrize(
    ("to_release", "in_flight", "unknown", "rows"),
    [
        (12, 0, 0, 12),
        (12, 100, MAX_OPEN - 105, 5),
        (12, 0, MAX_OPEN, 0),
        (12, 0, 2 * MAX_OPEN, -MAX_OPEN),
    ],
)
def test_new_rows(to_release, in_flight, unknown, rows):
    assert SendWindow(8).new_rows(to_release, in_flight, unknown) == rows


@pytest.mark.parametrize(("max_in_flight", "rows"), [(1, 32), (16, 32), (64, 128)])
def test_max_unanswered(max_in_flight, rows):
    assert SendWindow(max_in_flight).max_unanswered == rows


def test_lease_outlives_two_renewals():
    window = SendWindow(8)
    assert 2 * window.renew_seconds < window.lease_seconds
