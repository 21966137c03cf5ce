"""Path objects for URLs: of Airflow's object storage, and an error that says which package a URL needs."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

AMAZON = "apache-airflow-providers-amazon[s3fs]"
GOOGLE = "apache-airflow-providers-google"
AZURE = "apache-airflow-providers-microsoft-azure"

PACKAGES = {
    **dict.fromkeys(("s3", "s3a", "s3n"), AMAZON),
    **dict.fromkeys(("gs", "gcs"), GOOGLE),
    **dict.fromkeys(("abfs", "abfss", "adl"), AZURE),
    **dict.fromkeys(("http", "https"), "fsspec[http]"),
}
"""The package that opens the URLs of a scheme."""


def object_storage_path(url: str) -> Any:
    """
    Return the path object of a URL.

    It is a path of Airflow's object storage. If no provider of Airflow is installed for the scheme, and the
    URL names no connection, it is a path of ``upath``.

    :param url: URL, such as ``s3://conn_id@bucket/key``
    :raises ImportError: when the libraries of the scheme are not installed, naming the package to install
    """
    from airflow_provider_usedesk.compat.sdk import ObjectStoragePath

    try:
        path = ObjectStoragePath(url)
        path.fs  # noqa: B018 - loads the library; else the first use of the path would
    except Exception as error:
        if not _is_missing_library(error):
            # The first use of the path reports any other error, which a retry may not meet.
            return ObjectStoragePath(url)
    else:
        return path
    return _plain_path(url)


def what_to_install(scheme: str) -> str:
    """
    Return which package a URL needs, without the URL.

    :param scheme: the scheme of the URL, such as ``s3``
    """
    package = PACKAGES.get(scheme, "the provider of this scheme")
    return f"{scheme}:// needs a package that is not installed here: {package}"


def _plain_path(url: str) -> Any:
    """Return a path that needs no connection of Airflow, such as ``https://``."""
    from upath import UPath

    parts = urlsplit(url)
    try:
        if "@" not in parts.netloc:
            path = UPath(url)
            path.fs  # noqa: B018 - loads the library
            return path
    except (ImportError, ValueError):
        pass
    raise ImportError(what_to_install(parts.scheme))


def _is_missing_library(error: Exception) -> bool:
    if isinstance(error, ImportError):
        return True
    # Of Airflow, and of upath.
    return isinstance(error, ValueError) and str(error).startswith(
        ("No filesystem", "Unsupported filesystem")
    )
