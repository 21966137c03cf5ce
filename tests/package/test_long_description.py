"""The README and the links of the project as a package index shows them, which serves no other file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hatchling.metadata.core import ProjectMetadata
from hatchling.plugin.manager import PluginManager

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\(([^)\s]+)\)")
HOME = "https://code.example/team/airflow-provider-usedesk"


@pytest.fixture(autouse=True)
def unknown_home(monkeypatch):
    monkeypatch.delenv("PROJECT_HOME", raising=False)


def core_metadata():
    return ProjectMetadata(str(ROOT), PluginManager()).core


def long_description() -> str:
    return core_metadata().readme


def test_links_lead_to_the_files_of_a_known_home(monkeypatch):
    monkeypatch.setenv("PROJECT_HOME", HOME)
    monkeypatch.setenv("PROJECT_REF", "v0.1.0")
    metadata = core_metadata()
    assert metadata.urls == {
        "Documentation": f"{HOME}/blob/v0.1.0/docs/index.md",
        "Source": HOME,
        "Changelog": f"{HOME}/blob/v0.1.0/CHANGELOG.md",
        "Issues": f"{HOME}/issues",
    }
    ours = [link for link in LINK.findall(metadata.readme) if link.startswith(HOME)]
    assert len(ours) == len([link for link in LINK.findall(readme()) if not link.startswith(("https:", "#"))])
    for link in ours:
        kind, ref, path = link.removeprefix(f"{HOME}/").split("/", 2)
        assert (kind, ref) == ("raw" if path.endswith(".png") else "blob", "v0.1.0")
        assert (ROOT / path.partition("#")[0]).exists()


def test_unknown_home_makes_no_links():
    assert core_metadata().urls == {}


def readme() -> str:
    return (ROOT / "README.md").read_text()


def test_links_work_on_a_package_index():
    links = LINK.findall(long_description())
    assert [link for link in links if not link.startswith(("https://", "#"))] == []
    assert "https://usedesk.com" in links


def test_texts_of_links_stay():
    text = long_description()
    assert readme().splitlines()[0] == text.splitlines()[0]
    for shown in re.findall(r"(?<!!)\[([^\]]+)\]\(", readme()):
        assert shown in text


def test_there_is_no_picture():
    assert "![" in readme()
    assert "![" not in long_description()
