"""The row store: each key once, rows in their order, memory that does not grow."""

from __future__ import annotations

import tracemalloc

import pytest

from airflow_provider_usedesk.batch.digests import digest
from airflow_provider_usedesk.batch.row_store import CheckedRow, EarlierRow, FinishedRow, RowStore


@pytest.fixture
def store():
    with RowStore() as store:
        yield store


def register(store, key, number, line=None, **fields):
    return store.register_key(CheckedRow(number, key, fields, ("a.pdf",), line))


def add(store, number, key, **fields):
    row = CheckedRow(number, key, fields, ("a.pdf",), number + 1)
    assert store.register_key(row) is None
    store.add(row)
    return row


def test_first_row_gets_the_key(store):
    assert register(store, "a", 1, line=2) is None
    assert register(store, "b", 2) is None
    assert register(store, "a", 3) == EarlierRow(1, 2, is_same=True)
    assert register(store, "a", 4, subject="other") == EarlierRow(1, 2, is_same=False)


def test_rows_with_an_ambiguous_key_are_never_the_same(store):
    register(store, "a", 1)
    store.set_content(digest("a"), None)
    assert register(store, "a", 2) == EarlierRow(1, None, is_same=False)


def test_removed_row_is_not_sent(store):
    add(store, 1, "a")
    assert store.remove(1)
    assert not store.remove(1)
    assert store.after(0, 10) == []


@pytest.mark.parametrize("not_delivered", [True, False])
def test_finished_row_is_returned_once(store, not_delivered):
    store.add_finished([FinishedRow(digest("a"), 2**40 + 1, not_delivered)])
    assert register(store, "a", 3) == FinishedRow(digest("a"), 2**40 + 1, not_delivered)
    # Another row with this key is a duplicate like any other.
    assert register(store, "a", 5) == EarlierRow(3, None, is_same=True)


def test_row_keeps_key_when_finished(store):
    add(store, 1, "a")
    store.add_finished([FinishedRow(digest("a"), 1001)])
    assert register(store, "a", 2) == EarlierRow(1, 2, is_same=True)
    assert store.is_finished(digest("a"))


def test_last_record_of_a_row_counts(store):
    rows = [FinishedRow(digest("a"), 1001), FinishedRow(digest("a"), 1002, not_delivered=True)]
    store.add_finished(rows)
    assert register(store, "a", 1) == rows[1]
    assert store.has_ticket(1001)
    assert store.has_ticket(1002)
    assert not store.has_ticket(1003)


def test_rows_are_returned_unchanged_in_order(store):
    fields = {
        "subject": "Ünïcode \U0001f600",
        "lists": [[{"id": "1", "value": "x"}]],
        "private_comment": True,
    }
    last = add(store, 9, "c", **fields)
    first = add(store, 2, "a")
    assert store.after(0, 10) == [
        CheckedRow(2, "a", {}, ["a.pdf"], 3),
        CheckedRow(9, "c", fields, ["a.pdf"], 10),
    ]
    assert [row.number for row in store.after(2, 10)] == [last.number]
    assert [row.number for row in store.after(0, 1)] == [first.number]
    assert store.after(9, 10) == []


def test_rows_are_found_by_digest(store):
    add(store, 2, "a")
    add(store, 3, "b")
    store.add_finished([FinishedRow(digest("gone"), 1001)])
    found = store.with_digests([digest("b"), digest("gone"), digest("unknown")])
    assert [row.key for row in found] == ["b"]


def test_only_rows_with_tickets_are_finished(store):
    add(store, 1, "a")
    assert not store.is_finished(digest("a"))
    assert not store.is_finished(digest("b"))


def test_removed_rows_are_counted(store):
    store.add_finished([FinishedRow(digest(key), number) for number, key in enumerate("abc", 1001)])
    register(store, "b", 1)
    register(store, "new", 2)
    assert store.removed == 2


def test_memory_does_not_grow(store):
    def fill(numbers):
        for number in numbers:
            add(store, number, f"key-{number}", message="x" * 500)
        store.add_finished(FinishedRow(digest(f"key-{number}"), number + 1) for number in numbers)

    fill(range(1000))
    tracemalloc.start()
    fill(range(1000, 4000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200_000


def test_no_file_is_left(tmp_path, monkeypatch):
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    with RowStore() as store:
        for number in range(8000):
            add(store, number, str(number), message="x" * 500)
        assert list(tmp_path.iterdir()) == []
    assert list(tmp_path.iterdir()) == []
