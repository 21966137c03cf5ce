"""The rows of a batch, read one by one from a list, a callable or a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from airflow_provider_usedesk.api.attachments import OpenUrl, StoredFile
from airflow_provider_usedesk.batch.file_options import FileOptions
from airflow_provider_usedesk.batch.json_rows import item_rows
from airflow_provider_usedesk.batch.recipients_file import ALLOWED, RecipientsFile, file_kind
from airflow_provider_usedesk.batch.row import InvalidRecipients, Row, UnreadableRow


def read_rows(
    source: Any, open_url: OpenUrl | None = None, options: FileOptions | None = None
) -> Iterator[Row | UnreadableRow]:
    """
    Yield the rows one by one, so that memory does not grow with them.

    Quotes of a text file that do not match over several lines are an error of the whole file: nobody can say
    how many rows they cover.

    :param source: an iterable of mappings; a callable without arguments that returns one; or the path or URL
        of a .csv, .tsv, .jsonl, .ndjson or .xlsx file, text files also with .gz at their end
    :param open_url: returns a path object for a URL, such as Airflow's ``ObjectStoragePath``; default: None,
        no URLs but those of the web
    :param options: how to read a file; default: found from the file
    :raises InvalidRecipients: at once if the source has none of these forms; while rows are read if the file
        as a whole is invalid
    :raises OSError: at once if the file cannot be found; while rows are read if the storage fails
    """
    options = options or FileOptions()
    if isinstance(source, (str, StoredFile)):
        return RecipientsFile(source, options, open_url).rows()
    if options.delimiter or options.encoding:
        raise InvalidRecipients(["delimiter= and encoding= are for files only"])
    if callable(source):
        source = source()
        if not _is_iterable_of_items(source):
            raise InvalidRecipients(
                [f"the callable must return an iterable of dicts, not {type(source).__name__}"]
            )
    if not _is_iterable_of_items(source):
        raise InvalidRecipients([f"{ALLOWED}, not {type(source).__name__}"])
    return item_rows(source, options.columns)


def check_source(source: object) -> None:
    """
    Check that a source has one of the forms of :func:`read_rows`, without reading it.

    :raises InvalidRecipients: if it has none of them
    """
    if isinstance(source, str):
        file_kind(source)
    elif not callable(source) and not _is_iterable_of_items(source):
        raise InvalidRecipients([f"{ALLOWED}, not {type(source).__name__}"])


def _is_iterable_of_items(source: object) -> bool:
    return isinstance(source, Iterable) and not isinstance(source, (str, bytes, bytearray, Mapping))
