"""Which rows are looked up together: those that may have been sent at about the same time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_provider_usedesk.batch.batch_io import UnknownOutcome
from airflow_provider_usedesk.batch.row_store import CheckedRow
from airflow_provider_usedesk.batch.unknown_outcomes import group_by_time
from tests.support.batch import NOON


@pytest.mark.parametrize(
    ("spans", "groups"),
    [
        ([], []),
        ([(0, 1), (0, 1), (1, 2)], [[0, 1, 2]]),
        ([(4, 5), (0, 1)], [[1, 0]]),
        # A run of hours is not listed as a whole for a row at its beginning and one at its end.
        ([(0, 1), (170, 171), (171, 172)], [[0], [1, 2]]),
        ([(0, 1), (3, 4), (5, 6), (8, 9), (11, 12)], [[0, 1], [2, 3], [4]]),
        # A list that is long anyway, after a refusal, serves all rows that waited.
        ([(0, 15), (0, 15), (1, 14), (2, 16)], [[0, 1, 2], [3]]),
    ],
    ids=["none", "same", "unsorted", "hours", "steady", "waited"],
)
def test_group_by_time(spans, groups):
    outcomes = [
        UnknownOutcome(
            CheckedRow(number, str(number), {}),
            NOON + timedelta(minutes=since),
            NOON + timedelta(minutes=until),
            is_unchanged=True,
        )
        for number, (since, until) in enumerate(spans)
    ]
    found = group_by_time(outcomes)
    assert [[outcome.row.number for outcome in group] for group in found] == groups
