"""A file behind an http or https URL, such as a presigned URL of object storage."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import IO, Any, cast
from urllib.parse import unquote, urlsplit

TIMEOUT = (10.0, 60.0)
"""Seconds to connect, and between two parts of the content."""


class WebFileError(OSError):
    """A file could not be had from a web server; the text has nothing of the URL."""


class WebFile:
    """
    A file behind an http or https URL.

    :param url: the URL; what comes after its path may be a secret, so no error has it
    """

    def __init__(self, url: str) -> None:
        self._url = url

    @property
    def name(self) -> str:
        return PurePosixPath(unquote(urlsplit(self._url).path)).name

    def is_file(self) -> bool:
        # Only opening it tells: many presigned URLs permit one GET, and no HEAD.
        return True

    def stat(self) -> Any:
        return None

    def open(self, mode: str, /) -> IO[bytes]:
        """
        Open the file for reading.

        :param mode: must be ``rb``
        :raises WebFileError: if the server does not give it
        """
        import requests

        try:
            response = requests.get(self._url, stream=True, timeout=TIMEOUT)
        except requests.RequestException as error:
            raise WebFileError(f"the server cannot be reached: {type(error).__name__}") from None
        if response.status_code != 200:
            response.close()
            is_refused = response.status_code in (400, 401, 403)
            hint = "; the signature of the URL may have expired" if is_refused else ""
            raise WebFileError(f"HTTP status {response.status_code}{hint}")
        # Storage may name the compression of a .gz file as an encoding; the reader unpacks it.
        response.raw.decode_content = not self.name.lower().endswith(".gz")
        # Before urllib3 2, a file that ends too early would look complete.
        response.raw.enforce_content_length = True
        return cast("IO[bytes]", response.raw)
