"""Attachments: checked before the request, read while it is sent."""

from __future__ import annotations

import io
import json
import tempfile
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


TEXT = "дата;сумма\n1;2\n"
PAIR = ("report.csv", TEXT)


@pytest.mark.parametrize(
    "files",
    [PAIR, [PAIR], [list(PAIR)], (PAIR,), str([PAIR]), str(PAIR), json.dumps([PAIR]), iter([PAIR])],
    ids=["pair", "in list", "list in list", "in tuple", "as text", "pair as text", "as JSON", "iterator"],
)
def test_text_is_content_in_utf_8(files):
    [file] = attached(files)
    assert (file.name, file.size, Upload(file).read()) == ("report.csv", len(TEXT.encode()), TEXT.encode())


def test_list_of_two_texts_is_two_paths(report):
    other = report.with_name("other.csv")
    other.write_bytes(b"x")
    for files in ([str(report), str(other)], str([str(report), str(other)]), (report, other)):
        assert [file.name for file in attached(files)] == ["report.csv", "other.csv"]


@pytest.mark.parametrize(
    "content", ["b.csv", "other report.csv", "/data/b", "../b", "s3://bucket/b", "https://example.org/b"]
)
def test_content_like_a_path_is_refused(content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other report.csv").touch()
    with pytest.raises(UsedeskInvalidRequest, match="looks like a path.*Give several files as a list"):
        attached(("a.csv", content))


@pytest.mark.parametrize("content", ["", " \n", "None", "a\udcff"])
def test_empty_text_content_is_refused(content):
    with pytest.raises(UsedeskInvalidRequest, match="files, number 1: "):
        attached(("a.csv", content))


def test_open_file_is_refused(report):
    with report.open("rb") as file, tempfile.NamedTemporaryFile() as temporary:
        for handle in (file, temporary, io.BytesIO(b"x"), io.StringIO("x")):
            for files in (handle, [handle]):
                with pytest.raises(UsedeskInvalidRequest, match="is an open file; give its path, or"):
                    attached(files)
            with pytest.raises(UsedeskInvalidRequest, match="number 2: is an open file"):
                attached(("a.csv", handle))


@pytest.mark.parametrize("broken", ["open_url", "is_file", "stat"])
def test_missing_library_is_named(report, broken):
    class Stored(type(report)):
        def is_file(self, **options):
            return missing() if broken == "is_file" else super().is_file(**options)

        def stat(self, **options):
            return missing() if broken == "stat" else super().stat(**options)

    def missing():
        raise ImportError("Install s3fs to access S3")

    def open_url(url):
        return missing() if broken == "open_url" else Stored(report)

    with pytest.raises(ValueError, match="cannot be (opened|read): Install s3fs to access S3"):
        attachment("s3://bucket/key.csv", open_url)


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
