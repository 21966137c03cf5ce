"""Attachments: checked before the request, read while it is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_usedesk.api.attachments import Upload, attachment
from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest
from airflow_provider_usedesk.api.ticket import ticket_request
from benchmarks.attachment_memory import OURS, growth, serving


def attached(files):
    return ticket_request({"subject": "s", "message": "m", "files": files}).attachments


@pytest.fixture
def report(tmp_path):
    path = tmp_path / "report.csv"
    path.write_bytes(b"a,b\n1,2\n")
    return path


def test_files_accepts_every_shape(report):
    in_memory = ("note.txt", b"hello")
    for files in (str(report), report, [report], [str(report)], f"['{report}']"):
        [file] = attached(files)
        assert (file.name, file.size, file.content_type) == ("report.csv", 8, "text/csv")
        assert Upload(file).read() == b"a,b\n1,2\n"
    for files in (in_memory, [in_memory], [["note.txt", bytearray(b"hello")]]):
        [file] = attached(files)
        assert (file.name, file.size, Upload(file).read()) == ("note.txt", 5, b"hello")
    assert len(attached([report, in_memory])) == 2
    assert attached([]) == attached(None) == ()


def test_error_names_every_missing_file(tmp_path, report):
    with pytest.raises(UsedeskInvalidRequest) as raised:
        attached([tmp_path / "no.csv", report, tmp_path, ("", b"x"), 5, "s3://bucket/key", ("a\udcff", b"x")])
    assert [error.split(":")[0] for error in raised.value.validation_errors] == [
        "files, number 1",
        "files, number 3",
        "files, number 4",
        "files, number 5",
        "files, number 6",
        "files, number 7",
    ]


def test_url_opens_through_callback(report):
    opened = []

    def open_url(url: str) -> Path:
        opened.append(url)
        return report

    assert attachment("s3://conn@bucket/key.csv", open_url).size == 8
    assert opened == ["s3://conn@bucket/key.csv"]


def test_storage_failure_is_validation_error():
    def open_url(url: str) -> Path:
        raise RuntimeError("secret of the storage")

    with pytest.raises(ValueError, match=r"s3://.*RuntimeError") as raised:
        attachment("s3://conn@bucket/key.csv", open_url)
    assert "secret" not in str(raised.value)


def test_file_name_cannot_inject_header():
    [file] = attached(("a\r\nX-Evil: 1.txt", b"x"))
    assert file.name == "a X-Evil: 1.txt"


def test_upload_reads_in_chunks(report):
    upload = Upload(attachment(report))
    chunks = [upload.read(3) for _ in range(4)]
    assert chunks == [b"a,b", b"\n1,", b"2\n", b""]
    assert upload.len == 0


def test_grown_file_keeps_measured_size(report):
    upload = Upload(attachment(report))
    report.write_bytes(b"a,b\n1,2\nmore")
    assert upload.read() == b"a,b\n1,2\n"


def test_shrunken_file_breaks_request(report):
    upload = Upload(attachment(report))
    report.write_bytes(b"a")
    assert upload.read(100) == b"a"
    with pytest.raises(OSError, match="shorter"):
        upload.read(100)


def test_memory_is_independent_of_file_size(tmp_path):
    small, large = tmp_path / "small.bin", tmp_path / "large.bin"
    small.write_bytes(b"x")
    with large.open("wb") as file:
        file.truncate(256 << 20)
    with serving() as url:
        assert growth(OURS, url, small, large) < 32
