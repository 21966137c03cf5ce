"""The documentation site, built by ``make docs``."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
# `dev` is not installed.
sys.path.insert(0, str(ROOT))

from airflow_provider_usedesk import __version__  # noqa: E402
from dev.argument_tables import arguments_of, table_lines, without_parameters  # noqa: E402

project = "airflow-provider-usedesk"
release = __version__
author = "The airflow-provider-usedesk authors"
extensions = ["myst_parser", "sphinx.ext.autodoc"]
language = "en"

myst_heading_anchors = 3
myst_links_external_new_tab = False

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 90
# Dashes only: quotes are part of values.
smartquotes_action = "D"

html_theme = "furo"
html_title = f"Usedesk for Airflow {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False

SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
PAGE = re.compile(r"^- \[[^\]]+\]\(([\w/-]+)\.md\)", re.MULTILINE)
EXAMPLE = re.compile(r"\]\((?:\.\./)+example_dags/(\w+)\.py\)")
SHOWN_EXAMPLE = re.compile(r"^\[\w+\.py\]\(\.\./example_dags/(\w+)\.py\)$", re.MULTILINE)
ROOT_PAGE = re.compile(r"\]\(\.\./(\w+\.md)\)")
CLASSES_WITH_TABLE = ("Operator", "Sensor", "Notifier", "TicketEventsTrigger")


def add_contents(text: str) -> str:
    """Add a table of contents for each section of the index; the list of links is its only source."""
    sections = SECTION.split(text)
    parts = [sections[0]]
    for heading, body in zip(sections[1::2], sections[2::2], strict=True):
        parts.append(f"## {heading}{body}")
        if pages := PAGE.findall(body):
            parts.append(
                f"```{{toctree}}\n:hidden:\n:caption: {heading}\n\n" + "\n".join(pages) + "\n```\n\n"
            )
    return "".join(parts)


def show_examples(text: str) -> str:
    """Show the source of an example where a line consists of its link."""
    shown = "({0}.py)=\n```{{literalinclude}} ../example_dags/{0}.py\n:language: python\n```"
    return SHOWN_EXAMPLE.sub(lambda link: shown.format(link[1]), text)


def read_source(app: Any, name: str, source: list[str]) -> None:
    """Turn what a page links to in the repository into what the site has."""
    if name == "index":
        source[0] = add_contents(source[0])
    if name == "examples":
        source[0] = show_examples(source[0])
    if name == "changelog":
        source[0] = (ROOT / "CHANGELOG.md").read_text("utf-8").replace("](docs/", "](")
    source[0] = EXAMPLE.sub(r"](#\1.py)", source[0])
    source[0] = source[0].replace("](../CHANGELOG.md)", "](changelog.md)")
    if "/" not in name:
        source[0] = ROOT_PAGE.sub(r"](<path:../\1>)", source[0])


def has_table(kind: str, name: str) -> bool:
    return kind == "class" and name.endswith(CLASSES_WITH_TABLE)


def replace_parameters(app: Any, kind: str, name: str, shown: Any, options: Any, lines: list[str]) -> None:
    """Show all arguments of a class in a table, instead of the parameters of its own docstring."""
    if has_table(kind, name):
        lines[:] = [*without_parameters(lines), "", *table_lines(arguments_of(shown))]


def drop_signature(
    app: Any, kind: str, name: str, shown: Any, options: Any, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    return ("", None) if has_table(kind, name) else (signature, returns)


def setup(app: Any) -> None:
    app.connect("source-read", read_source)
    app.connect("autodoc-process-docstring", replace_parameters)
    app.connect("autodoc-process-signature", drop_signature)
