"""What is asked together: what may have been sent at about the same time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_usedesk.batch.row_store import Sendable
from airflow_provider_usedesk.batch.unknown_outcomes import Doubt, asked_together

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("spans", "groups"),
    [
        ([], []),
        ([(0, 1), (0, 1), (1, 2)], [[0, 1, 2]]),
        # In whatever order they come.
        ([(4, 5), (0, 1)], [[1, 0]]),
        # A run of hours is not listed as a whole, for a row at its begin and one at its end.
        ([(0, 1), (170, 171), (171, 172)], [[0], [1, 2]]),
        ([(0, 1), (3, 4), (5, 6), (8, 9), (11, 12)], [[0, 1], [2, 3], [4]]),
        # A list that is long anyway, after a hold, serves all that were held together.
        ([(0, 15), (0, 15), (1, 14), (2, 16)], [[0, 1, 2], [3]]),
    ],
)
def test_asked_together(spans, groups):
    doubts = [
        Doubt(
            Sendable(number, str(number), {}),
            NOON + timedelta(minutes=since),
            NOON + timedelta(minutes=until),
            is_alike=True,
        )
        for number, (since, until) in enumerate(spans)
    ]
    assert [[doubt.row.number for doubt in group] for group in asked_together(doubts)] == groups
