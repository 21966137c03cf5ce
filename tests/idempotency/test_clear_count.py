"""How often clearing has sent again."""

from __future__ import annotations

import pytest

from airflow_provider_usedesk.idempotency.clear_count import StoredClearCount, clear_count_of


@pytest.mark.parametrize(
    ("stored", "max_tries", "clear_number", "expected"),
    [
        (None, 3, 0, 0),
        (None, 3, 2, 2),
        (StoredClearCount(0, 3), 3, 0, 0),
        # Another task of the run was cleared.
        (StoredClearCount(0, 3), 3, 1, 0),
        (StoredClearCount(1, 4), 4, 5, 1),
        # This task was cleared.
        (StoredClearCount(0, 3), 5, 1, 1),
        (StoredClearCount(1, 4), 6, 3, 3),
    ],
)
def test_only_clearing_changes_the_count(stored, max_tries, clear_number, expected):
    assert clear_count_of(stored, max_tries, clear_number) == expected
