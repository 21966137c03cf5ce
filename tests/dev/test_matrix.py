"""The matrix of Airflow and Python: selection, interpreters, results, table."""

from __future__ import annotations

import sys
from itertools import pairwise

import pytest

from dev import matrix
from dev.matrix import BEGIN, COMBINATIONS, END, LOWEST, NEWEST, Combination, Result
from dev.text import markdown

JUNIT = """<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests">
<testsuite name="3.0.6 3.12.1" errors="1" failures="2" skipped="3" tests="100" time="83.6"
timestamp="2026-11-28T18:00:00.1+00:00" hostname="h"><testcase/></testsuite></testsuites>"""
RESULT = Result("3.0.6", "3.12.1", passed=94, failed=3, skipped=3, seconds=83.6, day="2026-11-28")
ONE = Combination("3.0.6", "3.12")
PYTHON = "{}.{}".format(*sys.version_info)


@pytest.fixture(autouse=True)
def no_memory():
    cached = matrix.interpreter
    cached.cache_clear()
    yield
    cached.cache_clear()


def executable(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


class TestSelection:
    def test_nothing_selects_all(self):
        assert matrix.selected([]) == list(COMBINATIONS)

    @pytest.mark.parametrize(
        ("parts", "expected"),
        [
            (["3.0"], [("3.0.6", "3.12")]),
            (["3.0.6"], [("3.0.6", "3.12")]),
            (["2.11"], [("2.11.2", "3.11"), ("2.11.2", "3.12")]),
            (["quick(airflow-3.3, python-3.13)"], [("3.3.2", "3.13")]),
            (["lowest"], [("2.11.0", "3.11")]),
            (["newest", "3.1"], [("3.1.8", "3.12"), ("", "3.13")]),
        ],
    )
    def test_parts(self, parts, expected):
        assert [(one.airflow, one.python) for one in matrix.selected(parts)] == expected

    def test_unknown_part_names_what_there_is(self):
        with pytest.raises(ValueError, match=r"not in the matrix: 3\.4; there are 2\.11, 3\.0, .*newest"):
            matrix.selected(["3.4"])

    def test_sessions_have_names_of_their_own(self):
        names = [one.session for one in COMBINATIONS]
        files = [one.result_file(part=part) for one in COMBINATIONS for part in (False, True)]
        assert len(set(names)) == len(names)
        assert len(set(files)) == len(files)


class TestInterpreter:
    def test_running_python(self):
        assert matrix.interpreter(PYTHON) == sys.executable

    def test_shim_that_does_not_start_is_passed_over(self, monkeypatch, tmp_path):
        shim = executable(tmp_path / "bin" / "python3.99", "exit 127")
        real = executable(tmp_path / "pyenv" / "versions" / "3.99.1" / "bin" / "python3.99", "echo 3.99")
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
        monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
        assert matrix.interpreter("3.99") == real
        assert shim != real

    def test_another_version_is_not_taken(self, monkeypatch, tmp_path):
        executable(tmp_path / "bin" / "python3.99", "echo 3.98")
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
        monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
        assert matrix.interpreter("3.99") is None


class TestResult:
    def test_reads_junit(self):
        assert Result.of_junit(JUNIT) == RESULT

    def test_suite_name_is_read_again(self):
        text = JUNIT.replace("3.0.6 3.12.1", matrix.suite_name("2.11.0", "3.11.7"))
        assert (Result.of_junit(text).airflow, Result.of_junit(text).python) == ("2.11.0", "3.11.7")


class TestTable:
    def test_row_of_a_result(self):
        assert matrix.cells(ONE, RESULT, "python") == (
            *("3.0.6", "3.12.1", "of its time", "94", "3", "3", "1:24", "2026-11-28"),
        )

    def test_row_without_interpreter_names_it(self):
        row = matrix.cells(ONE, None, None)
        assert row[:4] == ("3.0.6", "3.12", "of its time", "left out: no Python 3.12 here")

    def test_row_without_result(self):
        one = Combination("", "3.13", NEWEST)
        assert matrix.cells(one, None, "python")[:4] == ("newest", "3.13", "newest", "no result")

    def test_columns_are_aligned(self):
        rows = [
            matrix.cells(ONE, RESULT, "p"),
            matrix.cells(Combination("2.11.0", "3.11", LOWEST), None, "p"),
        ]
        lines = markdown(matrix.HEAD, rows).splitlines()
        assert len(lines) == 4
        for one, other in pairwise(lines):
            bars = [place for place, letter in enumerate(one) if letter == "|"]
            assert bars == [place for place, letter in enumerate(other) if letter == "|"]
            assert len(bars) == len(matrix.HEAD) + 1

    def test_table_replaces_the_one_before(self):
        rows = [matrix.cells(ONE, RESULT, "p")]
        page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
        new = matrix.page_with_table(page, rows)
        assert "old" not in new
        assert new == matrix.page_with_table(new, rows)
        assert new.startswith("before\n")
        assert new.endswith(f"{END}\nafter\n")

    def test_page_without_markers_is_refused(self):
        with pytest.raises(ValueError, match="has no"):
            matrix.page_with_table(f"{BEGIN}\n", [])

    def test_page_of_the_docs_has_a_row_for_each_combination(self):
        _, table = matrix.PAGE.read_text().split(BEGIN)
        rows = table.partition(END)[0].strip().splitlines()[2:]
        assert len(rows) == len(COMBINATIONS)
        assert not any("no result" in row for row in rows)

    def test_page_of_the_docs_has_the_markers(self):
        assert matrix.page_with_table(matrix.PAGE.read_text(), []).count(BEGIN) == 1


class TestRun:
    @pytest.fixture
    def run(self, monkeypatch, tmp_path):
        """Run with a nox that writes these results, and return the exit status and the page."""
        page = tmp_path / "page.md"
        page.write_text(f"{BEGIN}\n{END}\n")
        monkeypatch.setattr(matrix, "RESULTS", tmp_path)
        monkeypatch.setattr(matrix, "STORED", tmp_path / "stored")
        monkeypatch.setattr(matrix, "PAGE", page)
        monkeypatch.setattr(matrix, "PROJECT", tmp_path)
        monkeypatch.setattr(matrix, "interpreter", lambda version: None if version == "3.12" else "python")

        def run(*arguments, status=0):
            def nox(sessions, posargs):
                for one in COMBINATIONS:
                    if one.session in sessions:
                        one.result_file(part=bool(posargs)).write_text(JUNIT)
                return status

            monkeypatch.setattr(matrix, "_nox", nox)
            return matrix.main(list(arguments)), page.read_text()

        return run

    def test_all_write_the_page(self, run, capsys):
        status, page = run()
        assert status == 0
        assert page.count("| 94 ") == len([one for one in COMBINATIONS if one.python != "3.12"])
        assert page.count("left out: no Python 3.12 here") == 3
        assert "Left out: quick(airflow-3.0, python-3.12): there is no Python 3.12" in capsys.readouterr().out

    def test_part_replaces_its_rows(self, run, capsys):
        status, page = run("3.3")
        assert status == 0
        assert (page.count("| 94 "), page.count("| no result ")) == (2, len(COMBINATIONS) - 2 - 3)
        assert "94" in capsys.readouterr().out
        assert run("newest")[1].count("| 94 ") == 3

    def test_session_without_result_loses_its_row(self, run, monkeypatch):
        run("3.3")
        monkeypatch.setattr(matrix, "_nox", lambda sessions, posargs: 1)
        assert matrix.main(["3.3"]) == 1
        assert "| 94 " not in matrix.PAGE.read_text()

    def test_some_tests_do_not_count(self, run):
        assert run("--", "-k", "hook") == (0, f"{BEGIN}\n{END}\n")

    def test_failure_is_the_exit_status(self, run):
        assert run("3.3", status=1)[0] == 1

    def test_unknown_part_ends(self, run):
        with pytest.raises(SystemExit, match="not in the matrix"):
            run("4.0")
