"""Idempotency keys."""

from __future__ import annotations

from airflow_provider_usedesk.idempotency.keys import MAX_LENGTH, idempotency_key


def test_key_names_task_instance():
    assert idempotency_key("d", "manual__2026", "t") == "airflow/d/manual__2026/t"
    assert idempotency_key("d", "r", "t", 3) == "airflow/d/r/t/3"
    assert idempotency_key("d", "r", "t", 3, 2, "/resend") == "airflow/d/r/t/3/again-2/resend"


def test_slashes_keep_keys_distinct():
    assert idempotency_key("a/b", "c", "d") != idempotency_key("a", "b/c", "d")


def test_long_keys_are_cut_and_distinct():
    long = "x" * 300
    keys = {idempotency_key(long, "r", "t", index) for index in range(50)} | {idempotency_key(long, "r", "u")}
    assert len(keys) == 51
    assert {len(key) for key in keys} == {MAX_LENGTH}
