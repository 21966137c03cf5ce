"""Form fields with PHP's brackets."""

from __future__ import annotations

import time

import pytest

from airflow_provider_usedesk.api.php import MAX_DEPTH, flattened, nested


@pytest.mark.parametrize(
    ("pairs", "tree"),
    [
        ([("a", "1"), ("a", "2")], {"a": "2"}),
        ([("a[]", "1"), ("a[]", "2")], {"a": ["1", "2"]}),
        ([("a[5]", "1"), ("a[]", "2"), ("a[x]", "3")], {"a": {"5": "1", "6": "2", "x": "3"}}),
        ([("a[0][b]", "1"), ("a[0][c]", "2"), ("a[1][b]", "3")], {"a": [{"b": "1", "c": "2"}, {"b": "3"}]}),
        ([("a", "1"), ("a[b]", "2")], {"a": {"b": "2"}}),
        ([("[a]", "1"), ("", "2")], {"[a]": "1", "0": "2"}),
        ([("a[b", "1")], {"a": "1"}),
        ([("a[b]c[d]e", "1")], {"a": {"b": {"d": "1"}}}),
        ([("a[[b]]", "1")], {"a": {"b": ["1"]}}),
    ],
)
def test_names_are_put_together_as_php_does_it(pairs, tree):
    assert nested(pairs) == tree


def test_flattened_is_inverse_of_nested():
    tree = {"a": "1", "b": {"x": "2", "y": ["3", "4"]}, "c": [[{"id": "5"}]]}
    pairs = list(flattened(tree))
    assert pairs == [("a", "1"), ("b[x]", "2"), ("b[y][0]", "3"), ("b[y][1]", "4"), ("c[0][0][id]", "5")]
    assert nested(pairs) == tree


def test_a_tree_has_no_more_levels_than_are_taken():
    tree = nested([("a" + "[b]" * 100, "1")])
    for _ in range(MAX_DEPTH + 1):
        [tree] = tree.values()
    assert tree == "1"


@pytest.mark.parametrize(
    "pairs",
    [
        [("a[" + "x" * 1_000_000, "1")],
        [("a[" + "[" * 1_000_000, "1")],
        [("a" + "[]" * 500_000, "1")],
        [("a[]", "1")] * 20_000,
    ],
    ids=["never closed", "only opened", "many levels", "many of a list"],
)
def test_names_that_are_made_to_be_slow_are_not(pairs):
    began = time.process_time()
    nested(pairs)
    assert time.process_time() - began < 5
