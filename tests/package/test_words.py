"""The words of the project: one word for one thing, in code, tests and docs."""

from __future__ import annotations

import ast
import re
import statistics
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("airflow_provider_usedesk", "benchmarks", "dev", "docs", "example_dags", "tests")
# Words that stood for something with a standard name. One letter of each is in brackets, so that this file
# does not contain them.
OLD_WORDS = re.compile(
    r"(?<![a-z])(c[r]ew|h[a]nd(ed|s)?.?back|w[o]rklist|d[o]ubt(s|ful)?|p[a]tience|s[i]ghtings?|l[i]keness"
    r"|r[e]vealed|l[e]dgers?|r[e]call(s|ed)?|d[e]eds?|g[i]ve.?way|p[a]ces?|p[i]eces|n[e]xt_look|t[a]sk_key)"
    r"(?![a-z])",
    re.IGNORECASE,
)
ARTICLE_NUMBER = re.compile(r"\b(EN|RU|HELP|KB) \d{5}")
MOST_WORDS_OF_A_TEST = 10


def texts() -> dict[str, str]:
    paths = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")]
    paths += [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "Makefile"]
    kinds = (".py", ".md", ".html", "")
    return {
        str(path.relative_to(ROOT)): path.read_text()
        for path in paths
        if path.is_file() and path.suffix in kinds
    }


@pytest.fixture(scope="module")
def lines():
    return {
        f"{name}:{number}": line
        for name, text in texts().items()
        for number, line in enumerate(text.splitlines(), 1)
    }


@pytest.mark.parametrize("pattern", [OLD_WORDS, ARTICLE_NUMBER], ids=["old words", "article numbers"])
def test_no_text_uses_it(lines, pattern):
    assert {place: found[0] for place, line in lines.items() if (found := pattern.search(line))} == {}


def test_no_docstring_begins_with_hold(lines):
    assert [place for place, line in lines.items() if re.match(r' *(""")?Hold ', line)] == []


def test_test_names_are_short():
    names = [
        node.name.removeprefix("test_").split("_")
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_")
    ]
    assert statistics.median(len(words) for words in names) <= 6
    assert ["_".join(words) for words in names if len(words) > MOST_WORDS_OF_A_TEST] == []


def test_tests_mirror_the_package():
    loose = {path.name for path in (ROOT / "tests").glob("*.py")}
    assert loose == {"__init__.py", "conftest.py"}
