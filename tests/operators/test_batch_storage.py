"""The rows and the results of a batch on Airflow's object storage."""

from __future__ import annotations

import gzip

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_usedesk.compat.sdk import ObjectStoragePath

try:
    from airflow.sdk.io.store import attach
except ImportError:
    from airflow.io.store import attach

from airflow_provider_usedesk.batch.result_file import ResultFile
from airflow_provider_usedesk.batch.rows import read_rows


@pytest.fixture(params=["file", "memory"])
def storage(request, tmp_path):
    """The URL of an empty folder."""
    if request.param == "file":
        return f"file://{tmp_path}"
    attach("memory", fs=MemoryFileSystem())
    return f"memory://bucket{tmp_path}"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.csv", 'name;note\nАнна;"two\nlines"\n'.encode()),
        ("list.csv.gz", gzip.compress('name;note\nАнна;"two\nlines"\n'.encode(), mtime=0)),
        ("list.jsonl", '{"name": "Анна", "note": "two\\nlines"}'.encode()),
    ],
    ids=["csv", "gzip", "jsonl"],
)
def test_rows_from_object_storage(storage, name, content):
    url = f"{storage}/{name}"
    with ObjectStoragePath(url).open("wb") as file:
        file.write(content)
    for source in (url, ObjectStoragePath(url)):
        rows = list(read_rows(source, ObjectStoragePath))
        assert [row.columns for row in rows] == [{"name": "Анна", "note": "two\nlines"}]
    with pytest.raises(OSError, match="there is no such file"):
        read_rows(f"{storage}/no-{name}", ObjectStoragePath)


@pytest.mark.parametrize(
    ("name", "beginning"), [("out.csv", "row,key"), ("out.jsonl", '{"row": 1')], ids=["csv", "jsonl"]
)
def test_results_on_object_storage(storage, name, beginning):
    url = f"{storage}/{name}"
    path = ObjectStoragePath(url)
    with path.open("wb") as file:
        file.write(b"of earlier" * 1000)
    with ResultFile(url, ObjectStoragePath, sync_seconds=0) as results:
        assert path.read_text().startswith("of earlier")
        results.write(1, "Анна", "sent", 1001, "")
        assert path.read_bytes().decode().startswith(beginning)
        results.write(2, "Eve", "rejected", None, "no phone")
    assert [row.columns["key"] for row in read_rows(url, ObjectStoragePath)] == ["Анна", "Eve"]
    with ResultFile(ObjectStoragePath(url)):
        pass
    assert list(read_rows(url, ObjectStoragePath)) == []
