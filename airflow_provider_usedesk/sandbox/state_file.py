"""The data of the sandbox in a file, so that it outlives the process."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import tempfile
import threading
import types
import typing
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from airflow_provider_usedesk.sandbox.call import Upload
from airflow_provider_usedesk.sandbox.company import Agent, Chat, Client, Company, Group, Ticket
from airflow_provider_usedesk.sandbox.message_delivery import Report
from airflow_provider_usedesk.sandbox.request_log import logger

FORMAT = "usedesk-sandbox"
VERSION = 1
# What changes while a sandbox runs; the rest of a company is fixed, or follows from it.
COLLECTIONS: Mapping[str, Any] = {
    "clients": dict[int, Client],
    "agents": dict[int, Agent],
    "groups": dict[int, Group],
    "tickets": dict[int, Ticket],
    "chats": dict[int, Chat],
    "tag_ids": dict[str, int],
    "reports": dict[int, tuple[Report, ...]],
}


def dump_company(company: Company) -> dict[str, Any]:
    """Return the data as JSON values."""
    data = {name: _dumped(getattr(company, name)) for name in COLLECTIONS}
    return {"format": FORMAT, "version": VERSION, "last_ids": list(company.last_ids), **data}


def load_company(content: Any) -> Company:
    """
    Build the data from JSON values.

    :raises ValueError: if they are of another version, or not of the sandbox
    """
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError("it is not a state file of the sandbox")
    if content.get("version") != VERSION:
        raise ValueError(f"its version is {content.get('version')}, and only {VERSION} is known")
    company = Company()
    try:
        for name, kind in COLLECTIONS.items():
            setattr(company, name, _loaded(kind, content[name]))
        company.last_ids = tuple(int(number) for number in content["last_ids"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"its content is damaged ({type(error).__name__}: {error})") from None
    company.index_files()
    return company


class StateFile:
    """
    A file with the data, and a thread that writes it after changes.

    A file is written as a whole beside the old one, and then takes its place.

    :param path: the file; it is created with the first change
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._changed = threading.Condition()
        self._is_changed = False
        self._is_stopped = False
        self._thread: threading.Thread | None = None

    def load(self) -> Company | None:
        """
        Read the file.

        :return: the data; None if there is no file
        :raises ValueError: if it cannot be used; the text names it
        """
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            self._check_folder()
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"The state file {self._path} cannot be read: {_reason(error)}.") from None
        try:
            return load_company(json.loads(text))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"The state file {self._path} cannot be used: {error}.") from None

    def start(self, snapshot: Callable[[], Company]) -> None:
        """
        Start the thread.

        :param snapshot: returns a copy of the present data
        """
        self._is_stopped = False
        self._thread = threading.Thread(
            target=self._run, args=(snapshot,), name="usedesk-sandbox-state", daemon=True
        )
        self._thread.start()

    def changed(self) -> None:
        """Have the thread write the data soon; it writes several changes at once."""
        with self._changed:
            self._is_changed = True
            self._changed.notify_all()

    def stop(self) -> None:
        """Write what is not written yet, and stop the thread."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def write(self, company: Company) -> None:
        """Write the data so that a crash leaves the old file or the new one."""
        text = json.dumps(dump_company(company), ensure_ascii=False)
        number, name = tempfile.mkstemp(prefix=f".{self._path.name}.", dir=self._path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(number, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise

    def _run(self, snapshot: Callable[[], Company]) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_changed or self._is_stopped)
                if not self._is_changed:
                    return
                self._is_changed = False
            try:
                self.write(snapshot())
            except OSError as error:
                logger.error("The state file %s cannot be written: %s.", self._path, _reason(error))

    def _check_folder(self) -> None:
        if not self._path.parent.is_dir():
            raise ValueError(f"The folder of the state file {self._path} does not exist.")


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _dumped(value: Any) -> Any:
    """Return a value as JSON: bytes as base64, times as ISO 8601."""
    if dataclasses.is_dataclass(value) and not isinstance(value, (type, Upload)):
        return {one.name: _dumped(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): _dumped(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_dumped(one) for one in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime):
        return value.isoformat()
    # An upload stands only in what was received; its content is in the ticket or the client.
    return value.name if isinstance(value, Upload) else value


def _loaded(kind: Any, value: Any) -> Any:
    """Return a value of a type; the reverse of ``_dumped``."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any or origin is typing.Literal:
        return value
    if origin in (Union, types.UnionType):
        [inner] = [one for one in arguments if one is not type(None)]
        return None if value is None else _loaded(inner, value)
    if origin is tuple:
        return tuple(_loaded(arguments[0], one) for one in value)
    if origin is not None and issubclass(origin, Mapping):
        return {_loaded(arguments[0], name): _loaded(arguments[1], one) for name, one in value.items()}
    return _loaded_object(kind, value) if dataclasses.is_dataclass(kind) else _plain(kind, value)


def _loaded_object(kind: Any, value: Any) -> Any:
    """Build an object; a field that the file does not have gets its default."""
    hints = _hints(kind)
    return kind(**{name: _loaded(hints[name], one) for name, one in value.items() if name in hints})


def _plain(kind: Any, value: Any) -> Any:
    if kind is bytes:
        return base64.b64decode(value, validate=True)
    if kind is datetime:
        return datetime.fromisoformat(value)
    if kind is int:
        return int(value)
    if not isinstance(value, kind):
        raise TypeError(f"a {kind.__name__} is expected")
    return value


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)
