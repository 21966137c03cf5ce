"""Path objects for URLs, and what to install where a library is missing."""

from __future__ import annotations

import sys

import pytest

from airflow_provider_usedesk.compat import sdk
from airflow_provider_usedesk.compat.object_storage import object_storage_path


def test_file_of_object_storage(tmp_path):
    (tmp_path / "report.csv").write_bytes(b"x")
    path = object_storage_path(f"file://{tmp_path}/report.csv")
    assert isinstance(path, sdk.ObjectStoragePath)
    assert (path.name, path.stat().st_size) == ("report.csv", 1)


def test_url_without_connection_needs_no_provider():
    path = object_storage_path("memory://usedesk-test/report.csv")
    path.write_bytes(b"x")
    assert (path.name, path.stat().st_size) == ("report.csv", 1)


@pytest.mark.parametrize(
    ("url", "package"),
    [
        ("s3://bucket/key", "apache-airflow-providers-amazon[s3fs]"),
        ("s3://aws_default@bucket/key", "apache-airflow-providers-amazon[s3fs]"),
        ("gs://bucket/key", "apache-airflow-providers-google"),
        ("abfs://azure@bucket/key", "apache-airflow-providers-microsoft-azure"),
        ("memory://connection@bucket/key", "the provider of this scheme"),
        ("nosuch://secret@host/key", "the provider of this scheme"),
    ],
)
def test_error_says_what_to_install(url, package, monkeypatch):
    class Path:
        def __init__(self, url: str) -> None:
            pass

        @property
        def fs(self):
            raise ValueError("No filesystem registered for scheme")

    monkeypatch.setattr(sdk, "ObjectStoragePath", Path, raising=False)
    for name in ("s3fs", "gcsfs", "adlfs"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError) as raised:
        object_storage_path(url)
    scheme = url.partition("://")[0]
    assert str(raised.value) == f"{scheme}:// needs a package that is not installed here: {package}"


def test_other_errors_are_left_to_the_first_use(monkeypatch):
    class Path:
        def __init__(self, url: str) -> None:
            self.url = url

        @property
        def fs(self):
            raise OSError("the storage cannot be reached")

    monkeypatch.setattr(sdk, "ObjectStoragePath", Path, raising=False)
    assert object_storage_path("s3://bucket/key").url == "s3://bucket/key"
