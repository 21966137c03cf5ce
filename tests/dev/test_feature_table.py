"""The table of features in the docs: what the tests on whole Airflows found."""

from __future__ import annotations

import pytest

from dev.feature_table import BEGIN, END, OUTCOMES, PAGE, IncompleteOutcomesError, Version, read, table
from dev.text import with_table
from tests.end_to_end import test_features as tests

VERSIONS = [
    Version("2.11.2", "3.11.7", {"Link": "yes", "Deadline alert": "no: needs Airflow 3.1"}),
    Version("3.3.2", "3.13.0", {"Link": "yes", "Deadline alert": "yes"}),
]


def test_page_shows_what_was_run():
    page = PAGE.read_text()
    assert with_table(page, BEGIN, END, table(read(OUTCOMES))) == page


def test_each_version_ran_all_tests():
    marks = [mark for test in vars(tests).values() for mark in getattr(test, "pytestmark", ())]
    names = {mark.args[0] for mark in marks if mark.name == "feature"}
    for version in read(OUTCOMES):
        assert version.features.keys() == names, version.airflow


def test_table_has_a_column_for_each_version():
    assert table(VERSIONS).splitlines() == [
        "|                | 2.11.2                | 3.3.2  |",
        "| -------------- | --------------------- | ------ |",
        "| with Python    | 3.11.7                | 3.13.0 |",
        "| Link           | yes                   | yes    |",
        "| Deadline alert | no: needs Airflow 3.1 | yes    |",
    ]


@pytest.mark.parametrize("features", [{"Link": "failed"}, {"Link": "yes", "Form": "yes"}])
def test_failed_or_missing_test_makes_no_table(features):
    with pytest.raises(IncompleteOutcomesError, match="on "):
        table([Version("3.3.2", "3.13.0", features), Version("3.2.2", "3.13.0", {"Link": "yes"})])
