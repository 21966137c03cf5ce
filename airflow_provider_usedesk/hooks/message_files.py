"""Which messages are names of template files."""

from __future__ import annotations

from typing import Any

MESSAGE_FILES = (".html", ".md", ".txt")


def names_file(message: Any) -> bool:
    """
    Return whether a message is the name of a template file, and not a text.

    :param message: value of the argument ``message``
    """
    return isinstance(message, str) and message.endswith(MESSAGE_FILES) and "\n" not in message
