"""Links for a package index, which serves no file of the repository."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

PICTURE = re.compile(r"!\[([^\]]*)\]\((?!https?:)([^)]*)\)\n\n?")
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!https?:|#)([^)]*)\)")


class LinksHook(MetadataHookInterface):
    """
    Make the long description and the links of the project.

    The release workflow sets PROJECT_HOME, the address of the repository, and PROJECT_REF, the tag. Without
    them, the description has no links to files, and the project has no links.
    """

    def update(self, metadata: dict[str, Any]) -> None:
        home, ref = os.environ.get("PROJECT_HOME", ""), os.environ.get("PROJECT_REF", "HEAD")
        text = for_package_index((Path(self.root) / "README.md").read_text(encoding="utf-8"), home, ref)
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
        metadata["urls"] = urls(home, ref) if home else {}


def for_package_index(text: str, home: str = "", ref: str = "HEAD") -> str:
    """
    Return the README with full links to files of the repository, or without them if its address is unknown.

    :param text: the README
    :param home: address of the repository; empty if it is unknown
    :param ref: tag or branch
    """
    if not home:
        return LINK.sub(r"\1", PICTURE.sub("", text))
    text = PICTURE.sub(rf"![\1]({home}/raw/{ref}/\2)\n\n", text)
    return LINK.sub(rf"[\1]({home}/blob/{ref}/\2)", text)


def urls(home: str, ref: str) -> dict[str, str]:
    """
    Return the links of the project.

    :param home: address of the repository
    :param ref: tag or branch
    """
    return {
        "Documentation": f"{home}/blob/{ref}/docs/index.md",
        "Source": home,
        "Changelog": f"{home}/blob/{ref}/CHANGELOG.md",
        "Issues": f"{home}/issues",
    }
