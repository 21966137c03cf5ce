"""The pages of the repository: code that compiles, links that lead somewhere, and a place for each page."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# What each page of the repository shares with the site; other Markdown files have no links to follow.
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
CODE = re.compile(r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<code>.*?)^ *```", re.MULTILINE | re.DOTALL)
INLINE_CODE = re.compile(r"`[^`\n]+`")
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
HEADING = re.compile(r"^#+ (?P<text>.+)$", re.MULTILINE)
ELSEWHERE = re.compile(r"[a-z]+:")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def python_blocks() -> Iterator[pytest.ParameterSet]:
    for page in PAGES:
        text = page.read_text("utf-8")
        for block in CODE.finditer(text):
            if block["language"] == "python":
                line = text.count("\n", 0, block.start()) + 2
                yield pytest.param(textwrap.dedent(block["code"]), id=f"{name_of(page)}:{line}")


def without_code(page: Path) -> str:
    return CODE.sub("", page.read_text("utf-8"))


@cache
def anchors(page: Path) -> frozenset[str]:
    """Return the anchors of the headings of a page, as code hosts make them."""
    headings = (heading["text"].strip().lower() for heading in HEADING.finditer(without_code(page)))
    return frozenset(re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in headings)


def broken_links(page: Path) -> Iterator[str]:
    for link in LINK.finditer(INLINE_CODE.sub("", without_code(page))):
        target = link["target"]
        if ELSEWHERE.match(target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            yield target


@pytest.mark.parametrize("code", list(python_blocks()))
def test_python_code_compiles(code: str) -> None:
    compile(code, "block", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("page", [pytest.param(page, id=name_of(page)) for page in PAGES])
def test_relative_links_lead_somewhere(page: Path) -> None:
    assert list(broken_links(page)) == []


def test_index_lists_every_page() -> None:
    index = ROOT / "docs" / "index.md"
    listed = {link["target"].partition("#")[0] for link in LINK.finditer(without_code(index))}
    pages = {str(page.relative_to(index.parent)) for page in index.parent.rglob("*.md") if page != index}
    assert pages - listed == set()


def test_examples_page_shows_every_example() -> None:
    page = (ROOT / "docs" / "examples.md").read_text("utf-8")
    shown = re.findall(r"^\[(\w+\.py)\]\(\.\./example_dags/\1\)$", page, re.MULTILINE)
    assert sorted(shown) == sorted(path.name for path in (ROOT / "example_dags").glob("*.py"))
