"""The body of a webhook: read within limits, in each of the encodings that Usedesk may send."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from airflow_provider_usedesk.api.php import nested

MAX_FIELDS = 1000
MAX_FILES = 20


class Malformed(ValueError):
    """Report that a body cannot be read; the text says why in one line, without any of the body."""


class TooLarge(ValueError):
    """Report that a body is larger than is taken."""


class NotArrived(ValueError):
    """Report that a body did not come in time, or not to its end."""


@dataclass(frozen=True)
class Limits:
    """
    Say how much of a webhook is taken.

    :param bytes: size of the body
    :param depth: levels of lists and objects
    :param seconds: time for the body to arrive
    """

    bytes: int = 2**20
    depth: int = 32
    seconds: float = 10.0


async def read_body(request: Request, limits: Limits) -> dict[str, Any]:
    """
    Read the body of a webhook.

    :raises TooLarge: when it is larger than the limit
    :raises NotArrived: when it does not arrive in time
    :raises Malformed: when it cannot be read
    """
    try:
        async with asyncio.timeout(limits.seconds):
            body = await _bytes(request, limits.bytes)
    except (TimeoutError, ClientDisconnect):
        raise NotArrived from None
    if not body:
        raise Malformed("the body is empty")
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == "application/x-www-form-urlencoded":
        content = _form(body)
    elif content_type == "multipart/form-data":
        content = await _multipart(request, body)
    else:
        content = _json(body)
    _check_depth(content, limits.depth)
    return content


async def _bytes(request: Request, limit: int) -> bytes:
    said = request.headers.get("content-length", "")
    if said.isascii() and said.isdecimal() and (len(said) > 18 or int(said) > limit):
        raise TooLarge
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise TooLarge
    return bytes(body)


def _json(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body.decode("utf-8"), parse_constant=_refuse)
    except UnicodeDecodeError:
        raise Malformed("the body is not UTF-8") from None
    except (ValueError, RecursionError):
        raise Malformed("the body is not JSON") from None
    if not isinstance(content, dict):
        raise Malformed("the body is not a JSON object")
    return content


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _form(body: bytes) -> dict[str, Any]:
    try:
        pairs = parse_qsl(
            body.decode("utf-8"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except ValueError:
        raise Malformed("the body is not a form") from None
    return nested(pairs)


async def _multipart(request: Request, body: bytes) -> dict[str, Any]:
    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    again = Request(request.scope, receive)
    try:
        async with again.form(max_files=MAX_FILES, max_fields=MAX_FIELDS, max_part_size=len(body)) as form:
            return nested([(name, value) for name, value in form.multi_items() if isinstance(value, str)])
    except (ValueError, MultiPartException, HTTPException):
        raise Malformed("the body is not multipart") from None


def _check_depth(content: Any, limit: int) -> None:
    level = [content]
    for _ in range(limit):
        level = [item for value in level for item in _items(value)]
        if not level:
            return
    raise Malformed("the body is nested too deeply")


def _items(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value
