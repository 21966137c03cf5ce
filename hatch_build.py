"""The README for a package index, which serves no other file of the repository."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

PICTURE = re.compile(r"!\[[^\]]*\]\((?!https?:)[^)]*\)\n\n?")
LINK = re.compile(r"\[([^\]]+)\]\((?!https?:|#)[^)]*\)")


class ReadmeHook(MetadataHookInterface):
    """Make the long description."""

    def update(self, metadata: dict[str, Any]) -> None:
        text = for_package_index((Path(self.root) / "README.md").read_text(encoding="utf-8"))
        metadata["readme"] = {"content-type": "text/markdown", "text": text}


def for_package_index(text: str) -> str:
    """
    Return the README without what leads to files of the repository.

    :param text: the README
    :return: the text, with the texts of such links instead of the links
    """
    return LINK.sub(r"\1", PICTURE.sub("", text))
