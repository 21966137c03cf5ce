"""The result file: the outcome of each row, visible while the batch runs."""

from __future__ import annotations

import csv
import io
import json
import logging

import pytest

from airflow_provider_usedesk.batch.result_file import ResultFile
from airflow_provider_usedesk.batch.rows import read_rows

HEADER = "row,key,outcome,ticket_id,reason\n"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Bucket:
    """A storage of one file, which records each upload."""

    name = "out.jsonl"

    def __init__(self, clock: Clock, takes: float = 0.0) -> None:
        self.clock = clock
        self.takes = takes
        self.uploads: list[list[int]] = []
        self.fails = False

    def is_file(self):
        if self.fails:
            raise RuntimeError("secret of the storage")
        return bool(self.uploads)

    def stat(self):
        return None

    def open(self, mode):
        assert mode == "wb"
        if self.fails:
            raise RuntimeError("secret of the storage")
        return Upload(self)


class Upload(io.BytesIO):
    def __init__(self, bucket: Bucket) -> None:
        super().__init__()
        self.bucket = bucket

    def close(self) -> None:
        if not self.closed:
            lines = self.getvalue().decode().splitlines()
            self.bucket.uploads.append([json.loads(line)["row"] for line in lines])
            self.bucket.clock.now += self.bucket.takes
        super().close()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def bucket(clock):
    return Bucket(clock)


@pytest.fixture
def results(bucket, clock):
    return ResultFile("s3://bucket/out.jsonl", lambda url: bucket, clock)


def write_rows(results: ResultFile, *numbers: int) -> None:
    for number in numbers:
        results.write(number, f"key {number}", "sent", 1000 + number, "")


def test_json_lines(tmp_path):
    for name in ("out.jsonl", "OUT.NDJSON"):
        with ResultFile(str(tmp_path / name)) as results:
            results.write(1, "Анна", "sent", 77, "")
            results.write(2, "a\n\u2028\ud800", "rejected", None, 'no "phone"')
        assert [json.loads(line) for line in (tmp_path / name).read_bytes().split(b"\n")[:-1]] == [
            {"row": 1, "key": "Анна", "outcome": "sent", "ticket_id": 77, "reason": ""},
            {
                "row": 2,
                "key": "a\n\u2028\ud800",
                "outcome": "rejected",
                "ticket_id": None,
                "reason": 'no "phone"',
            },
        ]


def test_csv(tmp_path):
    path = tmp_path / "out.csv"
    with ResultFile(path) as results:
        results.write(1, "+7912", "sent", 77, "")
        results.write(2, 'a\n";,\ud800', "rejected", None, "no phone")
    text = path.read_bytes().decode()
    assert text.startswith(HEADER + "1,+7912,sent,77,\n")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert rows[1] == {
        "row": "2",
        "key": 'a\n";,\\ud800',
        "outcome": "rejected",
        "ticket_id": "",
        "reason": "no phone",
    }


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl"])
def test_file_can_be_read_as_rows(tmp_path, name):
    keys = ["=1+1", "+7 912", "-1", "@x", " a ", '"', "a\r\nb"]
    with ResultFile(str(tmp_path / name)) as results:
        for number, key in enumerate(keys, 1):
            results.write(number, key, "sent", number, "")
    assert [row.columns["key"] for row in read_rows(str(tmp_path / name))] == keys


@pytest.mark.parametrize("path", ["out.txt", "out.csv.gz", "out", "csv", "", None, 5, "s3://bucket/out.xlsx"])
def test_other_endings_are_refused(path):
    with pytest.raises(ValueError, match=r"\.jsonl, \.ndjson or \.csv"):
        ResultFile(path, lambda url: None)


def test_impossible_path_is_refused(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ValueError, match="not a folder"):
        ResultFile(str(tmp_path / "folder.csv"))
    with pytest.raises(ValueError, match=r"cannot be written \(OSError\)"):
        ResultFile("x" * 300 + ".csv")
    with pytest.raises(ValueError, match="is a URL"):
        ResultFile("s3://bucket/out.csv")


def test_disk_has_each_row_at_once(tmp_path):
    path = tmp_path / "a" / "b" / "out.jsonl"
    with ResultFile(str(path)) as results:
        for number in (1, 2, 3):
            write_rows(results, number)
            assert len(path.read_text().splitlines()) == number


def test_old_file_stays_until_first_row(tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("old")
    with ResultFile(str(path)) as results:
        assert path.read_text() == "old"
        write_rows(results, 1)
        assert path.read_text() == HEADER + "1,key 1,sent,1001,\n"


def test_old_file_stays_after_early_error(tmp_path, bucket, results):
    path = tmp_path / "out.csv"
    path.write_text("old")
    for file in (ResultFile(str(path)), results):
        with pytest.raises(KeyError), file:
            raise KeyError
    assert path.read_text() == "old"
    assert bucket.uploads == []


def test_run_without_rows_leaves_empty_file(tmp_path, bucket, results):
    path = tmp_path / "out.csv"
    path.write_text("old")
    for file in (ResultFile(str(path)), results):
        with file:
            pass
    assert path.read_text() == HEADER
    assert bucket.uploads == [[]]


@pytest.mark.parametrize("name", ["file/out.csv", "link.csv"])
def test_impossible_file_fails_at_once(tmp_path, name):
    (tmp_path / "file").touch()
    (tmp_path / "link.csv").symlink_to(tmp_path / "nowhere" / "out.csv")
    with pytest.raises(OSError), ResultFile(str(tmp_path / name)):  # noqa: PT011
        pytest.fail("the run began")


def test_unreachable_storage_fails_at_once(bucket, results):
    bucket.fails = True
    with pytest.raises(OSError, match=r"cannot be reached \(RuntimeError\)"), results:
        pytest.fail("the run began")


def test_whole_file_is_uploaded_at_intervals(bucket, results, clock):
    with results:
        write_rows(results, 1)
        clock.now += 29
        write_rows(results, 2)
        assert bucket.uploads == []
        clock.now += 1
        write_rows(results, 3)
        assert bucket.uploads == [[1, 2, 3]]
        clock.now += 29
        write_rows(results, 4)
        assert len(bucket.uploads) == 1
    assert bucket.uploads[1:] == [[1, 2, 3, 4]]


def test_sync_uploads_without_new_row(bucket, results, clock):
    with results:
        results.sync()
        write_rows(results, 1)
        clock.now += 30
        results.sync()
        assert bucket.uploads == [[1]]


def test_slow_uploads_are_rare(bucket, results, clock):
    bucket.takes = 20
    with results:
        clock.now += 30
        write_rows(results, 1)
        clock.now += 199
        write_rows(results, 2)
        assert bucket.uploads == [[1]]
        clock.now += 1
        write_rows(results, 3)
        assert bucket.uploads == [[1], [1, 2, 3]]


def test_failed_upload_is_repeated_later(bucket, results, clock, caplog):
    with results:
        write_rows(results, 1)
        bucket.fails = True
        clock.now += 30
        write_rows(results, 2)
        clock.now += 1
        write_rows(results, 3)
        bucket.fails = False
        clock.now += 29
        write_rows(results, 4)
        assert bucket.uploads == [[1, 2, 3, 4]]
    [record] = caplog.records
    assert (record.levelno, record.getMessage()) == (
        logging.WARNING,
        "The result file could not be uploaded (RuntimeError). Its rows are kept, and uploaded later.",
    )


def run(results: ResultFile, bucket: Bucket, storage_fails: bool, error: Exception | None = None) -> None:
    with results:
        write_rows(results, 1, 2)
        bucket.fails = storage_fails
        if error is not None:
            raise error


def test_failed_last_upload_is_an_error(bucket, results):
    with pytest.raises(OSError, match=r"could not be uploaded \(RuntimeError\)$") as raised:
        run(results, bucket, storage_fails=True)
    assert raised.value.__suppress_context__


def test_file_error_hides_no_run_error(bucket, results, caplog):
    with pytest.raises(KeyError):
        run(results, bucket, storage_fails=True, error=KeyError())
    assert "The last rows are missing" in caplog.text
    assert "secret" not in caplog.text


def test_run_error_keeps_written_rows(bucket, results):
    with pytest.raises(KeyError):
        run(results, bucket, storage_fails=False, error=KeyError())
    assert bucket.uploads == [[1, 2]]
