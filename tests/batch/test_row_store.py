"""What is to be done, on disk: each key once, in the order of the rows, without memory that grows."""

from __future__ import annotations

import tracemalloc

import pytest

from airflow_provider_usedesk.batch.row_store import Done, RowStore, Sendable, digest


@pytest.fixture
def row_store():
    with RowStore() as row_store:
        yield row_store


def add(row_store, number, key, **fields):
    assert row_store.claim(key, number) is None
    row = Sendable(number, key, fields, ("a.pdf",))
    row_store.add(row)
    return row


def test_the_first_row_with_a_key_has_it(row_store):
    assert row_store.claim("a", 1) is None
    assert row_store.claim("b", 2) is None
    assert row_store.claim("a", 3) == 1
    assert row_store.claim("a", 4) == 1


@pytest.mark.parametrize("not_delivered", [True, False])
def test_a_key_that_was_done_is_told_once_with_its_ticket(row_store, not_delivered):
    row_store.note_done([Done(digest("a"), 2**40 + 1, not_delivered)])
    assert row_store.claim("a", 3) == Done(digest("a"), 2**40 + 1, not_delivered)
    # Another row with it is a duplicate like any other.
    assert row_store.claim("a", 5) == 3


def test_a_row_that_gets_done_keeps_its_key(row_store):
    add(row_store, 1, "a")
    row_store.note_done([Done(digest("a"), 1001)])
    assert row_store.claim("a", 2) == 1
    assert row_store.is_done(digest("a"))


def test_what_is_known_of_a_key_last_counts(row_store):
    row_store.note_done([Done(digest("a"), 1001), Done(digest("a"), 1002, not_delivered=True)])
    assert row_store.claim("a", 1) == Done(digest("a"), 1002, not_delivered=True)
    assert row_store.knows_ticket(1001)
    assert row_store.knows_ticket(1002)
    assert not row_store.knows_ticket(1003)


def test_rows_come_back_as_they_were_in_their_order(row_store):
    fields = {
        "subject": "Ünïcode \U0001f600",
        "lists": [[{"id": "1", "value": "x"}]],
        "private_comment": True,
    }
    last = add(row_store, 9, "c", **fields)
    first = add(row_store, 2, "a")
    assert row_store.after(0, 10) == [
        Sendable(2, "a", {}, ["a.pdf"]),
        Sendable(9, "c", fields, ["a.pdf"]),
    ]
    assert [row.number for row in row_store.after(2, 10)] == [last.number]
    assert [row.number for row in row_store.after(0, 1)] == [first.number]
    assert row_store.after(9, 10) == []


def test_rows_are_found_by_their_digests(row_store):
    add(row_store, 2, "a")
    add(row_store, 3, "b")
    row_store.note_done([Done(digest("gone"), 1001)])
    found = row_store.with_digests([digest("b"), digest("gone"), digest("never there")])
    assert [row.key for row in found] == ["b"]


def test_is_done_only_what_has_a_ticket(row_store):
    add(row_store, 1, "a")
    assert not row_store.is_done(digest("a"))
    assert not row_store.is_done(digest("b"))


def test_keys_that_are_gone_are_counted(row_store):
    row_store.note_done([Done(digest(key), number) for number, key in enumerate("abc", 1001)])
    row_store.claim("b", 1)
    row_store.claim("new", 2)
    assert row_store.count_missing() == 2


def test_a_digest_is_the_same_in_every_process_and_fits_into_64_bits():
    assert digest("501") == -4892837001476582068
    assert digest("") != digest(" ")
    assert all(-(2**63) <= digest(str(number)) < 2**63 for number in range(1000))


def test_rows_look_alike_by_what_a_list_of_tickets_shows():
    row = Sendable(1, "a", {"subject": "s", "client_id": "5", "message": "m"})
    assert row.shown == Sendable(2, "b", {"subject": "s", "client_id": "5", "message": "another"}).shown
    assert row.shown != Sendable(1, "a", {"subject": "t", "client_id": "5"}).shown
    assert row.shown != Sendable(1, "a", {"subject": "s"}).shown


def test_memory_does_not_grow_with_the_rows(row_store):
    def fill(numbers):
        for number in numbers:
            add(row_store, number, f"key-{number}", message="x" * 500)
        row_store.note_done(Done(digest(f"key-{number}"), number + 1) for number in numbers)

    fill(range(1000))
    tracemalloc.start()
    fill(range(1000, 4000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 200_000


def test_nothing_is_left_on_disk(tmp_path, monkeypatch):
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    with RowStore() as row_store:
        for number in range(8000):
            add(row_store, number, str(number), message="x" * 500)
        assert list(tmp_path.iterdir()) == []
    assert list(tmp_path.iterdir()) == []
