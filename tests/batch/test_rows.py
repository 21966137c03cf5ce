"""The rows of a batch: from lists, callables and files, with those that cannot be read."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
import random
import tracemalloc
from collections import deque
from pathlib import Path

import pytest

from airflow_provider_usedesk.batch.row import Row, UnreadableRow
from airflow_provider_usedesk.batch.rows import read_rows
from airflow_provider_usedesk.batch.text_records import MAX_ROW_LENGTH

ANNA = {"name": "Anna", "phone": "79120000001"}


@pytest.fixture
def rows_of(tmp_path):
    """Read the rows of a file with this text, or these bytes."""

    def read(content: str | bytes, name: str = "list.csv") -> list[Row | UnreadableRow]:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return list(read_rows(str(path)))

    return read


def columns(rows):
    rows = list(rows)
    assert [row.number for row in rows] == list(range(1, len(rows) + 1))
    return [row.columns if isinstance(row, Row) else row.reason for row in rows]


def test_lists_generators_and_callables():
    for source in ([ANNA, ANNA], (ANNA for _ in range(2)), lambda: [ANNA, ANNA], lambda: iter([ANNA, ANNA])):
        assert columns(read_rows(source)) == [ANNA, ANNA]
    assert list(read_rows([])) == []


def test_items_are_read_lazily():
    rows = read_rows({"name": str(number)} for number in itertools.count())
    assert [row.columns["name"] for row in itertools.islice(rows, 3)] == ["0", "1", "2"]


def test_none_is_not_given():
    [row] = read_rows([{"a": "", "b": 0, "c": None, "d": [1], "e": False}])
    assert row.columns == {"a": "", "b": 0, "d": [1], "e": False}


def test_other_items_are_unreadable():
    found = columns(read_rows(["secret", ANNA, None, {1: "secret"}, ("secret",)]))
    assert found[1] == ANNA
    assert [reason.split(",")[0] for reason in found[:1] + found[2:]] == [
        "must be a dict of columns",
        "must be a dict of columns",
        "has a column whose name is not a text",
        "must be a dict of columns",
    ]
    assert "secret" not in str(found)


@pytest.mark.parametrize(
    "source",
    [None, 5, "", "Anna", "list.xls", "list", b"list.csv", ANNA, "[{'name': 'Anna'}]", Path("list.txt")],
)
def test_other_sources_are_refused(source):
    with pytest.raises(ValueError, match=r"iterable of dicts.*callable.*\.csv, .*\.xlsx file") as raised:
        read_rows(source)
    assert "Anna" not in str(raised.value)


def test_callable_must_return_rows():
    for returned in (None, ANNA, "list.csv", 5):
        with pytest.raises(ValueError, match="the callable must return an iterable of dicts"):
            read_rows(lambda returned=returned: returned)


def test_missing_file_is_refused(tmp_path):
    for path in (str(tmp_path / "no.csv"), tmp_path / "no.csv"):
        with pytest.raises(FileNotFoundError, match=r"no\.csv: there is no such file"):
            read_rows(path)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(FileNotFoundError, match=r"folder\.csv: there is no such file"):
        read_rows(str(tmp_path / "folder.csv"))


def test_open_url_opens_urls(tmp_path):
    (tmp_path / "list.csv").write_text("name\nAnna\n")
    opened = []

    def open_url(url: str) -> Path:
        opened.append(url)
        return tmp_path / "list.csv"

    assert columns(read_rows("s3://conn@bucket/list.csv", open_url)) == [{"name": "Anna"}]
    assert opened == ["s3://conn@bucket/list.csv"]


def test_failing_storage_hides_secrets():
    def open_url(url: str) -> Path:
        raise RuntimeError("secret of the storage")

    for opener in (open_url, None):
        with pytest.raises(OSError, match="s3://bucket/list.csv (cannot be opened|is a URL)") as raised:
            read_rows("s3://user:secret@bucket/list.csv", opener)
        assert "secret" not in str(raised.value)


def test_failing_read_hides_secrets(tmp_path):
    class Storage(io.BytesIO):
        def read1(self, size: int = -1, /) -> bytes:
            raise RuntimeError("secret of the storage")

    class Path:
        name = "list.csv"

        def is_file(self):
            return True

        def stat(self):
            return None

        def open(self, mode):
            return Storage(b"name\n")

    rows = read_rows("s3://bucket/list.csv", lambda url: Path())
    with pytest.raises(OSError, match=r"s3://bucket/list\.csv could not be read \(RuntimeError\)"):
        next(rows)


def test_csv(rows_of):
    text = 'name,phone,note\r\nAnna,79120000001,"a ""b"", c"\r\n"Пётр",+7 912,"two\nlines"\r\n'
    assert columns(rows_of(text)) == [
        {**ANNA, "note": 'a "b", c'},
        {"name": "Пётр", "phone": "+7 912", "note": "two\nlines"},
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_header_decides_the_delimiter(rows_of, delimiter):
    header = delimiter.join(['"a;b,c\td, e"', "phone"])
    assert columns(rows_of(f"{header}\nx{delimiter}1\n")) == [{"a;b,c\td, e": "x", "phone": "1"}]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r\r\n"])
def test_line_ends(rows_of, end):
    assert columns(rows_of(f"name{end}Anna{end}{end}Eve")) == [{"name": "Anna"}, {"name": "Eve"}]


def test_byte_order_mark_is_ignored(rows_of):
    for name, text in (("list.csv", "name\nAnna\n"), ("list.jsonl", '{"name": "Anna"}\n')):
        assert columns(rows_of(text.encode("utf-8-sig"), name)) == [{"name": "Anna"}]


def test_only_names_are_stripped(rows_of):
    assert columns(rows_of(" name , phone\n Anna , 1\n")) == [{"name": " Anna ", "phone": " 1"}]


def test_blank_cell_is_not_given(rows_of):
    assert columns(rows_of('a,b,c\n1,,3\n" ",2,""\n')) == [{"a": "1", "c": "3"}, {"b": "2"}]


def test_blank_lines_do_not_count(rows_of):
    assert columns(rows_of("\n\na,b\n\n  \n1,2\n,\n,,,\n3,4\n\n")) == [
        {"a": "1", "b": "2"},
        {"a": "3", "b": "4"},
    ]
    assert columns(rows_of('\n \n{"a": 1}\r\n\r\n{"a": 2}\n', "list.jsonl")) == [{"a": 1}, {"a": 2}]


def test_header_alone_has_no_rows(rows_of):
    assert rows_of("name,phone") == []
    assert rows_of("", "list.jsonl") == []


def test_wrong_number_of_fields(rows_of):
    assert columns(rows_of("a,b\n1\n1,2\n1,2,secret\n")) == [
        "has 1 fields, but the header has 2 (read as utf-8, separated by ',')",
        {"a": "1", "b": "2"},
        "has 3 fields, but the header has 2 (read as utf-8, separated by ',')",
    ]


def test_misplaced_quote(rows_of):
    assert columns(rows_of('a,b\n"1"x"",2\n1,2\n')) == [
        "has a quote or a line break out of place",
        {"a": "1", "b": "2"},
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        (" \n\n", "is empty"),
        ('" ","","\t"\n1,2,3\n', "the header names no column"),
        ("a,phone,b, phone\n", r"one name for columns 2 and 4 \(phone\)"),
        ("79120000001,79120000001\n", "one name for columns 1 and 2 .read as"),
        ("x@secret.example,x@secret.example\n", "one name for columns 1 and 2 .read as"),
        ("a,b\r1,2\r", "the header has a quote or a line break out of place"),
        ('"a"b,c\n', "the header has a quote or a line break out of place"),
        ('a,"b\n1,2\n', "a quote in the header opens and is never closed"),
        ('a,b\n1,2\n3,"secret\n4,5\n', "a quote in row 2 .line 3. opens and is never closed"),
        (
            'a,b\n1,"secret\n2,"x"\n3,"y\n',
            "row 1 .line 2. has a quote or a line break out of place, and runs over several lines",
        ),
    ],
)
def test_invalid_file_is_refused(rows_of, text, words):
    with pytest.raises(ValueError, match=words) as raised:
        rows_of(text)
    assert "list.csv" in str(raised.value)
    assert "secret" not in str(raised.value)
    assert "7912" not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "name", "place"),
    [
        ("a\nок\nда\n".encode("cp1251"), "list.csv", "row 1 .line 2."),
        (b"a\n" + b"x\n" * 5000 + b"\xff\n", "list.csv", "row 5001 .line 5002."),
        ("имя\nда\n".encode("cp1251"), "list.csv", "the header"),
        (b'{"a": 1}\n\n{"a": "\xe0"}\n', "list.jsonl", "row 2 .line 3."),
    ],
)
def test_other_encodings_are_refused(rows_of, content, name, place):
    with pytest.raises(ValueError, match=rf"{name}: {place} is not UTF-8.*encoding='cp1251'"):
        rows_of(content, name)


def test_json_lines(rows_of):
    lines = (
        '{"name": "Пётр\u2028x", "n": [1], "m": null}\n[1]\n{"secret\n"x"\nnull\n' + "[" * 100_000 + "\n{}"
    )
    for name in ("list.jsonl", "LIST.NDJSON"):
        assert columns(rows_of(lines, name)) == [
            {"name": "Пётр\u2028x", "n": [1]},
            "must be a JSON object, such as {…}",
            "is not JSON",
            "must be a JSON object, such as {…}",
            "must be a JSON object, such as {…}",
            "is not JSON",
            {},
        ]


def test_compressed_files(rows_of):
    assert columns(rows_of(gzip.compress(b"name\nAnna\n"), "list.csv.gz")) == [{"name": "Anna"}]
    assert columns(rows_of(gzip.compress(b'{"name": "Anna"}'), "list.JSONL.GZ")) == [{"name": "Anna"}]


def test_incomplete_gzip_file_is_refused(rows_of):
    whole = gzip.compress(random.Random(6).randbytes(1000).hex().encode())
    for content in (b"name\nAnna\n", whole[:-20], whole[:100] + b"xxxxxxxx" + whole[108:]):
        with pytest.raises(ValueError, match=r"list\.jsonl\.gz is not a complete gzip file"):
            rows_of(content, "list.jsonl.gz")


def test_longest_message_fits(rows_of):
    message = "Ж\n" * (32 << 10)
    assert columns(rows_of(f'a,b\n1,"{message}"\n')) == [{"a": "1", "b": message}]
    escaped = json.dumps({"a": "Ж" * (64 << 10)})
    assert columns(rows_of(escaped, "list.jsonl")) == [{"a": "Ж" * (64 << 10)}]


@pytest.mark.parametrize("size", [csv.field_size_limit() + 1, MAX_ROW_LENGTH + 1, 3 * MAX_ROW_LENGTH])
def test_too_long_row(rows_of, size):
    for quote in ("", '"'):
        before, long, after = columns(rows_of(f"a,b\n1,2\n{quote}{'x' * size}{quote},2\n3,4\n"))
        assert (before, after) == ({"a": "1", "b": "2"}, {"a": "3", "b": "4"})
        assert "131,072 characters" in long or "1,048,576 characters" in long
    long, after = columns(
        rows_of(json.dumps({"a": "x" * (MAX_ROW_LENGTH + size)}) + '\n{"a": 1}', "list.jsonl")
    )
    assert (long, after) == ("is longer than 1,048,576 characters", {"a": 1})


@pytest.mark.parametrize("lines", [5_000, 60_000])
def test_runaway_quote_is_refused(rows_of, lines):
    with pytest.raises(ValueError, match="row 1 .*several lines"):
        rows_of('a,b\n1,"' + "x,y,zzzzzzzzzzzzzzzzzzzzzzzzzzz\n" * lines + '2,"z"\n3,"\n')


def test_carriage_return_does_not_end_a_row(rows_of):
    text = "a,b\n1,first half\rsecond half\n1,2\n"
    assert columns(rows_of(text)) == ["has a quote or a line break out of place", {"a": "1", "b": "2"}]


@pytest.mark.parametrize("seed", range(20))
def test_written_csv_is_read_back(rows_of, seed):
    chance = random.Random(seed)
    delimiter = chance.choice(",;\t")
    quoting = chance.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])

    def cell() -> str:
        return "".join(chance.choices("aЖ😀\",;\t\n\r '\\=", k=chance.randint(0, 9)))

    names = [f"{number}{cell()}|" for number in range(chance.randint(2, 6))]
    written = [[cell() for _ in names] for _ in range(200)]
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, quoting=quoting).writerows([names, *written])
    rows = [
        {name: text for name, text in zip(names, cells, strict=True) if text.strip()} for cells in written
    ]
    assert columns(rows_of(file.getvalue())) == [row for row in rows if row]


def peak(path: Path) -> int:
    """The most memory, in bytes, that it took to read the rows of a file."""
    tracemalloc.start()
    try:
        deque(read_rows(str(path)), maxlen=1)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["list.csv", "list.jsonl", "list.csv.gz"])
def test_memory_does_not_grow_with_file(tmp_path, name):
    def written(count: int) -> Path:
        path = tmp_path / f"{count}.{name}"
        with (gzip.open if name.endswith(".gz") else open)(path, "wt") as file:
            file.write("" if "jsonl" in name else "name,phone\n")
            line = '{"name": "Anna"}\n' if "jsonl" in name else "Anna,79120000001\n"
            file.writelines(itertools.repeat(line, count))
        return path

    peak(written(10))
    assert peak(written(3_000)) < peak(written(300)) + (64 << 10)


def test_memory_does_not_grow_with_row(tmp_path):
    def written(rows: int) -> Path:
        path = tmp_path / f"{rows}.csv.gz"
        path.write_bytes(gzip.compress(b"a,b\n" + b"x" * (rows * MAX_ROW_LENGTH) + b"\n"))
        return path

    peak(written(2))
    assert peak(written(16)) < peak(written(2)) + (8 << 20)


def test_abandoned_file_is_closed(tmp_path):
    opened = []

    class Storage:
        name = "list.csv"

        def is_file(self):
            return True

        def stat(self):
            return None

        def open(self, mode):
            opened.append(io.BytesIO(b"name\nAnna\nEve\n"))
            return opened[0]

    rows = read_rows("s3://bucket/list.csv", lambda url: Storage())
    assert opened == []
    next(rows)
    rows.close()
    assert opened[0].closed


def test_repr_hides_values():
    assert "Anna" not in repr(next(read_rows([ANNA])))
