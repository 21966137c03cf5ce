"""The table of features in docs/compatibility.md, from the outcomes of their tests on whole Airflows."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dev import PROJECT
from dev.text import markdown, with_table

PAGE = PROJECT / "docs" / "compatibility.md"
OUTCOMES = PROJECT / "dev" / "features"
BEGIN, END = "<!-- features: begin, written by make features -->", "<!-- features: end -->"


class IncompleteOutcomesError(ValueError):
    """A test failed, or did not run on each version."""


@dataclass(frozen=True)
class Version:
    """
    What the tests found on one version.

    :param airflow: the version of Airflow
    :param python: the version of Python
    :param features: the outcome of each feature
    """

    airflow: str
    python: str
    features: Mapping[str, str]


def read(folder: Path) -> list[Version]:
    """Return the outcomes of all versions, the oldest first."""
    versions = [Version(**json.loads(path.read_text())) for path in folder.glob("*.json")]
    return sorted(versions, key=lambda version: [int(part) for part in version.airflow.split(".")])


def table(versions: list[Version]) -> str:
    """
    Return the table in Markdown: a row for each feature, a column for each version.

    :raises IncompleteOutcomesError: naming each missing or failed outcome
    """
    features = list(dict.fromkeys(name for version in versions for name in version.features))
    cells = {name: [version.features.get(name, "not tested") for version in versions] for name in features}
    wrong = [
        f"{name} on {version.airflow}: {cell}"
        for name, row in cells.items()
        for version, cell in zip(versions, row, strict=True)
        if cell != "yes" and not cell.startswith("no: ")
    ]
    if wrong:
        raise IncompleteOutcomesError("; ".join(wrong))
    head = ["", *(version.airflow for version in versions)]
    pythons = ["with Python", *(version.python for version in versions)]
    return markdown(head, [pythons, *([name, *row] for name, row in cells.items())])


def main() -> int:
    """Write the table into the page."""
    try:
        text = table(read(OUTCOMES))
        PAGE.write_text(with_table(PAGE.read_text(), BEGIN, END, text))
    except IncompleteOutcomesError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
