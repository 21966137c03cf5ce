"""Form fields with the bracket syntax of PHP."""

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
def test_nested_follows_php_rules(pairs, tree):
    assert nested(pairs) == tree


def test_flattened_is_inverse_of_nested():
    tree = {"a": "1", "b": {"x": "2", "y": ["3", "4"]}, "c": [[{"id": "5"}]]}
    pairs = list(flattened(tree))
    assert pairs == [("a", "1"), ("b[x]", "2"), ("b[y][0]", "3"), ("b[y][1]", "4"), ("c[0][0][id]", "5")]
    assert nested(pairs) == tree


def test_nesting_depth_is_limited():
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
    ids=["unclosed", "only_opened", "many_levels", "long_list"],
)
def test_hostile_names_parse_in_linear_time(pairs):
    began = time.process_time()
    nested(pairs)
    assert time.process_time() - began < 5
