"""Files: found beforehand, read while they are sent."""

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


def test_every_shape_of_files(report):
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


def test_every_missing_file_is_named(tmp_path, report):
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


def test_urls_are_opened_as_they_are_told_to(report):
    opened = []

    def open_url(url: str) -> Path:
        opened.append(url)
        return report

    assert attachment("s3://conn@bucket/key.csv", open_url).size == 8
    assert opened == ["s3://conn@bucket/key.csv"]


def test_a_storage_that_fails_is_a_fault():
    def open_url(url: str) -> Path:
        raise RuntimeError("secret of the storage")

    with pytest.raises(ValueError, match=r"s3://.*RuntimeError") as raised:
        attachment("s3://conn@bucket/key.csv", open_url)
    assert "secret" not in str(raised.value)


def test_a_name_cannot_end_the_header_it_stands_in():
    [file] = attached(("a\r\nX-Evil: 1.txt", b"x"))
    assert file.name == "a X-Evil: 1.txt"


def test_a_file_is_read_in_pieces_and_closed(report):
    upload = Upload(attachment(report))
    pieces = [upload.read(3) for _ in range(4)]
    assert pieces == [b"a,b", b"\n1,", b"2\n", b""]
    assert upload.len == 0


def test_a_file_that_grows_is_sent_as_it_was_measured(report):
    upload = Upload(attachment(report))
    report.write_bytes(b"a,b\n1,2\nmore")
    assert upload.read() == b"a,b\n1,2\n"


def test_a_file_that_shrinks_breaks_the_request(report):
    upload = Upload(attachment(report))
    report.write_bytes(b"a")
    assert upload.read(100) == b"a"
    with pytest.raises(OSError, match="shorter"):
        upload.read(100)


def test_memory_does_not_grow_with_the_file(tmp_path):
    small, large = tmp_path / "small.bin", tmp_path / "large.bin"
    small.write_bytes(b"x")
    with large.open("wb") as file:
        file.truncate(256 << 20)
    with serving() as url:
        assert growth(OURS, url, small, large) < 32
