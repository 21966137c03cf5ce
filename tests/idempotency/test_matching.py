"""What both searches share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_usedesk.api.errors import UsedeskUnavailable
from airflow_provider_usedesk.idempotency.decision import Absent, Ambiguous
from airflow_provider_usedesk.idempotency.matching import as_utc, letters_of, search_until_consistent

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def search(*results, consistent_at=NOW + timedelta(seconds=20)):
    """Search with these results; return the last one, and the waits."""
    waits, remaining = [], iter(results)

    def next_result():
        result = next(remaining)
        if isinstance(result, Exception):
            raise result
        return result

    return search_until_consistent(next_result, consistent_at, waits.append, lambda: NOW), waits


def test_long_search_is_repeated():
    moments, results = iter([NOW, NOW + timedelta(seconds=30)]), iter([Absent(), "found"])
    consistent_at = NOW + timedelta(seconds=20)
    found = search_until_consistent(lambda: next(results), consistent_at, pytest.fail, lambda: next(moments))
    assert found == "found"


def test_absent_is_searched_again():
    assert search(Absent(), "found") == ("found", [20.0])


def test_consistent_absent_is_final():
    assert search(Absent(), consistent_at=NOW) == (Absent(), [])


@pytest.mark.parametrize("result", ["found", Ambiguous("x"), None], ids=["found", "ambiguous", "none"])
def test_other_results_are_final(result):
    assert search(result) == (result, [])


def test_error_is_ambiguous():
    error = UsedeskUnavailable("Usedesk could not be reached.")
    assert search(error) == (Ambiguous("Usedesk could not be reached"), [])
    assert search(Absent(), error) == (Ambiguous("Usedesk could not be reached"), [20.0])


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-22 12:00:00", NOW),
        ("2026-11-22T15:00:00+03:00", NOW),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_time_without_zone_is_utc(text, moment):
    assert as_utc(text) == moment


def test_letters_ignore_markup_and_case():
    assert letters_of("Bill &amp; <b>№ 5</b>") == "billb5b"


def test_letters_ignore_unicode_form():
    assert letters_of("Счёт за чай") == letters_of("Сче\u0308т за чаи\u0306") == "счетзачаи"
