"""
Idempotency keys: the texts in ``additional_id`` that name messages.

A key looks like ``af2.3kq7t2mzx4wd5c6e.i7.r6h2kq7t2mzx.4wd5c6e2.7f2a9c04/dag_id/task_id``. Its parts are
digests in lower-case base32, so that a key survives a service that trims, lower-cases or cuts it. What
follows the first slash is for people, and is not compared.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_provider_usedesk.api.attachments import file_sources
from airflow_provider_usedesk.api.phone import phone, region_code
from airflow_provider_usedesk.api.values import is_empty, name_text

MAX_LENGTH = 255
VERSION = "af2"
MIN_CUT = 8
"""Characters of the beginning of a key that cannot be anything else."""
ANY = "-"
"""A part that is not given."""
NONCE_LENGTH = 8

SINGLE = "-"
"""The place of the only message of a task."""
NESTED = "n"
"""The place of a message of an operator that another task executes."""

RECIPIENT_FIELDS = ("username", "client_phone", "client_id", "client_email", "client_name")
"""
The parameters that name a recipient; the first one that is given counts, as in Usedesk.

Telegram prefers the name to the phone. A messenger writes to the phone of the request, or else of the client.
"""
NO_CONTENT = frozenset({*RECIPIENT_FIELDS, "phone_region", "channel_id", "additional_id", "files"})


@dataclass(frozen=True)
class IdempotencyKey:
    """
    The name of a message.

    :param base: digest of the task in its Dag run
    :param place: which message of the task it is
    :param recipient: digest of the recipient and the channel
    :param content: digest of all other fields of the request
    :param nonce: random text that distinguishes equal tasks of two Airflow installations
    :param label: what people read: the ids of the Dag and the task
    """

    base: str
    place: str = SINGLE
    recipient: str = field(default=ANY, repr=False)
    content: str = field(default=ANY, repr=False)
    nonce: str = ANY
    label: str = field(default="", compare=False, repr=False)

    def __str__(self) -> str:
        parts = (VERSION, self.base, self.place, self.recipient, self.content, self.nonce)
        text = ".".join(parts)
        return f"{text}/{self.label}"[:MAX_LENGTH] if self.label else text

    @property
    def field_text(self) -> str:
        """The text in the custom field of the key: it is the same for all messages of the task."""
        return f"{VERSION}.{self.base}"

    def same_message(self, other: IdempotencyKey) -> bool:
        """Return whether both name the same recipient and the same content."""
        return (self.recipient, self.content) == (other.recipient, other.content)


def parse_key(text: str) -> IdempotencyKey | None:
    """
    Return the key that an ``additional_id`` contains; None if it is none.

    :param text: an ``additional_id`` as Usedesk shows it
    """
    key, _, label = text.strip().casefold().partition("/")
    version, *parts = key.split(".")
    if version != VERSION or len(parts) != 5 or not all(parts):
        return None
    base, place, recipient, content, nonce = parts
    if nonce != ANY and len(nonce) != NONCE_LENGTH:
        # The end of a key that Usedesk has cut.
        return None
    return IdempotencyKey(base, place, recipient, content, nonce, label)


def is_cut_key(text: str, base: str) -> bool:
    """
    Return whether an ``additional_id`` is the beginning of a key of a task, which Usedesk has cut.

    :param text: an ``additional_id`` as Usedesk shows it
    :param base: digest of the task
    """
    shown = text.strip().casefold()
    whole = f"{VERSION}.{base}."
    if parse_key(shown) is not None:
        return False
    return shown.startswith(whole) or (len(shown) > MIN_CUT and whole.startswith(shown))


def task_base(
    prefix: str,
    dag_id: str,
    run_id: str,
    running_task_id: str,
    task_id: str,
    clear_count: int = 0,
    map_index: int | None = None,
) -> str:
    """
    Return the digest of a task in its Dag run.

    :param prefix: key prefix of the connection
    :param dag_id: id of the Dag
    :param run_id: id of the Dag run
    :param running_task_id: id of the task that runs
    :param task_id: id of the operator, which differs if the task executes an operator itself
    :param clear_count: grows with each clearing that sends the message again; default: 0
    :param map_index: index of the mapped task instance, if ``clear_count`` is its own; default: None
    """
    instance = [] if map_index is None else [map_index]
    return digest([prefix, dag_id, run_id, running_task_id, task_id, clear_count, *instance], 16)


def map_place(map_index: int) -> str:
    """Return the place of the message of a mapped task instance."""
    return f"i{map_index}"


def named_place(message_key: str) -> str:
    """Return the place of a message that a ``message_key`` names."""
    return f"m{digest(name_text(message_key), 12)}"


def row_place(row_id: str) -> str:
    """Return the place of a row of a batch."""
    return f"r{row_id.casefold()}"


def resend(key: IdempotencyKey) -> IdempotencyKey:
    """Return the key of a message that is sent once more because it was not delivered."""
    return replace(key, place=f"{key.place}s")


def recipient_digest(params: Mapping[str, Any]) -> str:
    """
    Return the digest of the recipient and the channel of a ticket.

    :param params: the parameters of ``create/ticket``; with ``phone_region``, two ways to write a phone
        number are one recipient
    """
    name = next((name for name in RECIPIENT_FIELDS if _normalized(name, params)), None)
    recipient = [name, _normalized(name, params)] if name else None
    return digest([recipient, _canonical(params.get("channel_id"))], 12)


def content_digest(params: Mapping[str, Any]) -> str:
    """
    Return the digest of all that is sent but the recipient.

    :param params: the parameters of the request
    """
    others = {
        name: _canonical(value)
        for name, value in params.items()
        if value is not None and name not in NO_CONTENT
    }
    return digest([others, _file_names(params.get("files"))], 8)


def digest(value: Any, length: int) -> str:
    """Return the digest of a JSON value, in lower-case base32."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    hashed = hashlib.sha256(text.encode(errors="surrogatepass")).digest()
    return base64.b32encode(hashed).decode().casefold()[:length]


def _normalized(name: str, params: Mapping[str, Any]) -> str:
    value = params.get(name)
    text = "" if is_empty(value) else name_text(value).casefold()
    if name == "client_phone" and text:
        return _normalized_phone(value, params.get("phone_region"))
    if name == "client_id" and text == "new_client":
        return ""
    return text.removeprefix("@") if name == "username" else text


def _normalized_phone(value: Any, region: Any) -> str:
    try:
        return phone(value, None if is_empty(region) else region_code(region))
    except (ValueError, ImportError):
        # It is refused before it is sent.
        return "".join(character for character in str(value) if character.isdigit())


def _canonical(value: Any) -> Any:
    """Return a value whose digest does not depend on its type: templates make texts of numbers and floats."""
    if isinstance(value, Mapping):
        return {name_text(name): _canonical(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_canonical(item) for item in value]
    return value if value is None else name_text(value)


def _file_names(files: Any) -> list[str]:
    if is_empty(files):
        return []
    sources = file_sources(files)
    several = [files] if sources is None else sources
    return [str(file[0] if file and isinstance(file, (list, tuple)) else file) for file in several]
