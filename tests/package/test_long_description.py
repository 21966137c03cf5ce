"""The README as a package index shows it, without the files that it links to."""

from __future__ import annotations

import re
from pathlib import Path

from hatchling.metadata.core import ProjectMetadata
from hatchling.plugin.manager import PluginManager

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\(([^)\s]+)\)")


def long_description() -> str:
    return ProjectMetadata(str(ROOT), PluginManager()).core.readme


def test_links_work_on_a_package_index():
    links = LINK.findall(long_description())
    assert [link for link in links if not link.startswith(("https://", "#"))] == []
    assert "https://usedesk.com" in links


def test_texts_of_links_stay():
    readme = (ROOT / "README.md").read_text()
    text = long_description()
    assert readme.splitlines()[0] == text.splitlines()[0]
    for shown in re.findall(r"(?<!!)\[([^\]]+)\]\(", readme):
        assert shown in text


def test_there_is_no_picture():
    assert "![" in (ROOT / "README.md").read_text()
    assert "![" not in long_description()
