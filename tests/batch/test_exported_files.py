"""Files as Excel and CRMs export them: delimiters, encodings, headers, workbooks, presigned URLs."""

from __future__ import annotations

import gzip
import io
import sys
from datetime import date, datetime

import pytest
from openpyxl import Workbook
from requests_mock import ANY

from airflow_provider_usedesk.batch.file_options import FileOptions, file_option_errors, file_options
from airflow_provider_usedesk.batch.row import InvalidRecipients, Row
from airflow_provider_usedesk.batch.rows import read_rows

PHONE = "79123456789"


@pytest.fixture
def read(tmp_path):
    """Read the rows of a file with this content, as a task with these arguments does."""

    def read(content: str | bytes, name: str = "list.csv", row_key: str = "client_phone", **arguments):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        given = {"delimiter": None, "encoding": None, "columns": None, "row_template": None, **arguments}
        options = file_options(**given, row_key=row_key, arguments={"client_phone", "subject"})
        return list(read_rows(str(path), options=options))

    return read


def workbook(*sheets, hidden=()):
    """The bytes of a workbook with these sheets, each a list of rows."""
    book, file = Workbook(), io.BytesIO()
    book.remove(book.active)
    for number, rows in enumerate(sheets):
        sheet = book.create_sheet()
        for row in rows:
            sheet.append(row)
        sheet.sheet_state = "hidden" if number in hidden else "visible"
    book.save(file)
    return file.getvalue()


def values(rows):
    return [tuple(row.columns.values()) if isinstance(row, Row) else row.reason for row in rows]


READ = {
    "commas in the header": (f"client_phone;name, full;Sum, rub.\n{PHONE};Petrov, Anna;1000,50\n", {}),
    "key in the middle": (f"name, full;client_phone;Sum, rub.\nPetrov, Anna;{PHONE};1000,50\n", {}),
    "hint of a template": (
        f"Phone, mobile;name, full;sum, rub.\n{PHONE};Petrov, Anna;1000,50\n",
        {"row_key": "{{ row['Phone, mobile'] }}"},
    ),
    "delimiter given": (f"client_phone|name|sum\n{PHONE}|Petrov, Anna|1000,50\n", {"delimiter": "|"}),
    "sep line": (f"sep=|\r\nclient_phone|name|sum\r\n{PHONE}|Petrov, Anna|1000,50\r\n", {}),
    "sep line with mark": (f"\ufeffsep=;\nclient_phone;name;sum\n{PHONE};Petrov, Anna;1000,50\n", {}),
    "tsv": (f"client_phone\tname, full\tsum\n{PHONE}\tPetrov, Anna\t1000,50\n", {"name": "list.tsv"}),
    "trailing empty columns": (f"client_phone;name;sum;;\n{PHONE};Petrov, Anna;1000,50;;\n", {}),
    "more empty fields": (f"client_phone;name;sum\n{PHONE};Petrov, Anna;1000,50;; \n", {}),
    "index column": (f";client_phone;name;sum\n0;{PHONE};Petrov, Anna;1000,50\n", {}),
    "title": (f"Clients of May;;\n;;\nclient_phone;name;sum\n{PHONE};Petrov, Anna;1000,50\n", {}),
    "title of one cell": (f"Clients, in May\n\nclient_phone;name;sum\n{PHONE};Petrov, Anna;1000,50\n", {}),
    "mapped heading": (
        f"Телефон,  моб.;name;sum\n{PHONE};Petrov, Anna;1000,50\n",
        {"columns": {"Телефон, моб.": "client_phone"}},
    ),
    "cp1251": (
        f"Телефон;Имя;Сумма\n{PHONE};Petrov, Anna;1000,50\n".encode("cp1251"),
        {"encoding": "cp1251", "columns": {"Телефон": "client_phone"}},
    ),
    "mark beats the encoding": (
        f"client_phone;имя;sum\n{PHONE};Petrov, Anna;1000,50\n".encode("utf-8-sig"),
        {"encoding": "cp1251"},
    ),
    "UTF-16": (f"client_phone\tname\tsum\r\n{PHONE}\tPetrov, Anna\t1000,50\r\n".encode("utf-16"), {}),
    "UTF-16, big": (
        b"\xfe\xff" + f"client_phone;name;sum\n{PHONE};Petrov, Anna;1000,50\n".encode("utf-16-be"),
        {},
    ),
    "UTF-16 without mark": (
        f"client_phone;name;sum\n{PHONE};Petrov, Anna;1000,50\n".encode("utf-16-le"),
        {"encoding": "utf-16-le"},
    ),
    "gzip": (
        gzip.compress(f"client_phone;name;sum\n{PHONE};Petrov, Anna;1000,50\n".encode("utf-16")),
        {"name": "list.csv.gz"},
    ),
    "workbook": (
        workbook(
            [["hidden"]],
            [["Clients"], [], [None, "client_phone", "name", "sum"], [1, PHONE, "Petrov, Anna", "1000,50"]],
            hidden=[0],
        ),
        {"name": "list.xlsx"},
    ),
}


@pytest.mark.parametrize(("content", "arguments"), READ.values(), ids=READ)
def test_exported_file_is_read(read, content, arguments):
    [cells] = values(read(content, **arguments))
    assert sorted(cells) == sorted([PHONE, "Petrov, Anna", "1000,50"])


@pytest.mark.parametrize(
    ("text", "row_key"),
    [
        (f"client_phone\n{PHONE}\n", "client_phone"),
        (f"phone\n{PHONE}\n", "{{ row['phone'] }}"),
        ("name, full\nAnna\nEve\n", "{{ 1 }}"),
        ("text\nDear Anna, see you\n;-)\n", "text"),
        ("text", "text"),
    ],
)
def test_one_column_is_read(read, text, row_key):
    heading, *lines = text.splitlines()
    assert [row.columns for row in read(text, row_key=row_key)] == [{heading: line} for line in lines]


REFUSED = {
    "two delimiters": (
        "a;b,c\n1;2,3\n",
        {"row_key": "{{ 1 }}"},
        r"the delimiter may be ',' or ';': name it with delimiter=",
    ),
    "one heading, two fields": (
        f"phone\n{PHONE},x\n{PHONE},y\n",
        {"row_key": "phone"},
        "the delimiter may be .*delimiter=",
    ),
    "wrong delimiter": (
        f"client_phone;name\n{PHONE};Anna\n",
        {"delimiter": ","},
        r"no column 'client_phone', which row_key names; it has 'client_phone;name' "
        r"\(read as utf-8, separated by ','\)",
    ),
    "wrong encoding": (
        "имя;client_phone\n".encode("cp1251"),
        {"encoding": "utf-8"},
        "the header is not utf-8, which encoding= names",
    ),
    "UTF-8 as another encoding": (
        f"client_phone;name\n{PHONE};Зоя\n",
        {"encoding": "cp1251"},
        r"row 1 \(line 2\) is UTF-8, but encoding= names cp1251",
    ),
    "UTF-8 of JSON as another encoding": (
        f'{{"client_phone": "{PHONE}", "name": "Зоя"}}\n',
        {"name": "list.jsonl", "encoding": "latin-1"},
        r"row 1 \(line 1\) is UTF-8, but encoding= names latin-1",
    ),
    "workbook as text": (workbook([["client_phone"]]), {}, "is an Excel workbook, not a text file"),
    "old workbook as text": (b"\xd0\xcf\x11\xe0\xa1\xb1", {"encoding": "cp1251"}, "is an Excel workbook"),
    "UTF-16 without mark": (
        "client_phone;name\n".encode("utf-16-le"),
        {},
        "zero bytes.*encoding='utf-16-le'",
    ),
    "half a character": (
        "client_phone;name\nя".encode("utf-16")[:-1],
        {},
        "list.csv is not utf-16",
    ),
    "unknown heading": (
        "Phone;name;Сумма\n",
        {"columns": {"Телефон": "client_phone"}},
        "no column 'Телефон', which columns= names; it has 'Phone', 'name', 'Сумма'",
    ),
    "two of one name": (
        "client_phone;Телефон\n",
        {"columns": {"Телефон": "client_phone"}},
        r"one name for columns 1 and 2 \(client_phone\)",
    ),
    "no header": (f"Anna;{PHONE}\nEve;{PHONE}\n", {}, "it looks like a row of data"),
    "delimiter of a workbook": (workbook([["a"]]), {"name": "a.xlsx", "delimiter": ";"}, "csv and .tsv"),
    "encoding of a workbook": (workbook([["a"]]), {"name": "a.xlsx", "encoding": "cp1251"}, "for text files"),
    "no workbook": ("client_phone\n", {"name": "list.xlsx"}, "list.xlsx: it is not an Excel workbook"),
    "empty workbook": (workbook([]), {"name": "list.xlsx"}, "its first sheet is empty"),
}


@pytest.mark.parametrize(("content", "arguments", "error"), REFUSED.values(), ids=REFUSED)
def test_unclear_file_is_refused(read, content, arguments, error):
    with pytest.raises(InvalidRecipients, match=error) as raised:
        read(content, **arguments)
    assert PHONE not in str(raised.value)
    assert "Anna" not in str(raised.value)


@pytest.mark.parametrize("name", ["list.csv", "list.xlsx"])
def test_nameless_values_are_warned_about_once(read, caplog, name):
    rows = [["", "client_phone", ""], ["", PHONE, ""]] + [["1", PHONE, "secret"]] * 3
    text = "\n".join(map(";".join, rows))
    assert len(read(workbook(rows) if "xlsx" in name else text, name)) == 4
    assert [record.getMessage() for record in caplog.records] == [
        "The recipients have a column without a name; it is ignored."
    ]


@pytest.mark.parametrize(
    ("text", "name", "row_key", "lines"),
    [
        ('\na;b\n1;"two\nlines"\n\n3;4\n5\n"6"x;6\n', "list.csv", "a", [3, 6, 7, 8]),
        ('sep=;\nTitle\nclient_phone;b\n1;"two\nlines"\n3;4\n', "list.csv", "client_phone", [4, 6]),
        ('{"a": 1}\n\n{"a": 2}\nx\n', "list.jsonl", "a", [1, 3, 4]),
        (workbook([["Title"], ["a", "b"], [1, 2], [], [3, 4]]), "list.xlsx", "a", [3, 5]),
    ],
)
def test_rows_have_lines(read, text, name, row_key, lines):
    rows = read(text, name, row_key)
    assert [row.line for row in rows] == lines
    assert [row.number for row in rows] == list(range(1, len(rows) + 1))


def test_cells_of_a_workbook(read):
    rows = [
        ["client_phone", "a", "b", "c", "d", "e", "f", "g"],
        [79123456789.0, 10, 0.1 + 0.2, True, datetime(2026, 3, 1), datetime(2026, 3, 1, 18, 30), "#N/A", " "],
        [79123456790],
        [79123456791, *[None] * 8, "beyond"],
    ]
    first, second, third = read(workbook(rows), "list.xlsx")
    assert first.columns == {
        "client_phone": 79123456789,
        "a": 10,
        "b": 0.3,
        "c": True,
        "d": date(2026, 3, 1),
        "e": datetime(2026, 3, 1, 18, 30),
    }
    assert type(first.columns["client_phone"]) is int
    assert second.columns == {"client_phone": 79123456790}
    assert set(second.names) == set(rows[0])
    assert third.reason == "has 10 fields, but the header has 8"


def test_workbook_needs_its_library(read, monkeypatch):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(InvalidRecipients, match=r"pip install 'airflow-provider-usedesk\[xlsx\]'"):
        read(workbook([["client_phone"]]), "list.xlsx")


def test_failed_formula_is_an_empty_cell(read):
    [row] = read(f"client_phone;name;sum\n{PHONE};#Н/Д;#1\n")
    assert row.columns == {"client_phone": PHONE, "sum": "#1"}


@pytest.mark.parametrize("name", ["list.csv", "list.jsonl", "list.xlsx", "list.csv.gz"])
def test_presigned_url_is_read(requests_mock, name):
    content = {
        "list.csv": b"client_phone\n79123456789\n",
        "list.jsonl": b'{"client_phone": "79123456789"}',
        "list.xlsx": workbook([["client_phone"], [PHONE]]),
        "list.csv.gz": gzip.compress(b"client_phone\n79123456789\n"),
    }
    requests_mock.get(f"https://bucket.example/a/{name}?sig=secret%2F", content=content[name])
    [row] = read_rows(f"https://bucket.example/a/{name}?sig=secret%2F")
    assert row.columns == {"client_phone": PHONE}


def test_gzip_file_may_be_called_an_encoding(requests_mock):
    content = gzip.compress(b"client_phone\n79123456789\n")
    requests_mock.get(ANY, content=content, headers={"Content-Encoding": "gzip"})
    [row] = read_rows("https://bucket.example/list.csv.gz?sig=secret")
    assert row.columns == {"client_phone": PHONE}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"status_code": 403}, "HTTP status 403; the signature of the URL may have expired"),
        ({"status_code": 404}, "HTTP status 404"),
        ({"exc": ConnectionError("sig=secret")}, "could not be read"),
    ],
)
def test_presigned_url_is_secret(requests_mock, answer, error):
    requests_mock.get(ANY, **answer)
    with pytest.raises(OSError, match=error) as raised:
        list(read_rows("https://user:secret@bucket.example/list.csv?sig=secret"))
    assert "https://bucket.example/list.csv" in str(raised.value)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("url", ["s3://bucket/list.csv?versionId=1", "s3://bucket/what?.csv"])
def test_path_of_url_decides_the_kind(tmp_path, url):
    path = tmp_path / "list"
    path.write_text("client_phone\n1\n")
    [row] = read_rows(url, lambda url: path)
    assert row.columns == {"client_phone": "1"}


def test_columns_rename_dicts():
    options = FileOptions(columns={"Телефон": "client_phone"})
    rows = read_rows(
        [{"Телефон": PHONE, "a": 1}, {"a": 1}, {"Телефон": PHONE, "client_phone": PHONE}], options=options
    )
    assert values(rows) == [
        (PHONE, 1),
        "has no column 'Телефон', which columns= names",
        "has two columns that columns= gives one name",
    ]


@pytest.mark.parametrize("options", [FileOptions(delimiter=";"), FileOptions(encoding="cp1251")])
def test_options_of_files_are_for_files(options):
    with pytest.raises(InvalidRecipients, match="for files only"):
        read_rows([], options=options)


@pytest.mark.parametrize(
    ("arguments", "errors"),
    [
        ({"delimiter": ";;"}, ["delimiter:"]),
        ({"delimiter": '"'}, ["delimiter:"]),
        ({"encoding": "cp-1251x", "delimiter": 5}, ["delimiter:", "encoding:"]),
        ({"encoding": "base64"}, ["encoding:"]),
        ({"encoding": 1251}, ["encoding:"]),
        ({"columns": ["a"]}, ["columns:"]),
        ({"columns": {"a": None}}, ["columns:"]),
        ({"columns": {"a": "c", "b": "c"}}, ["columns:"]),
        ({"columns": {"a": "c"}, "delimiter": "\t", "encoding": "utf-16"}, []),
    ],
)
def test_options_are_checked(arguments, errors):
    assert [error.split(" ")[0] for error in file_option_errors(arguments)] == errors
