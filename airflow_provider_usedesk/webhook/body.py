"""The body of a webhook: read within limits, in each encoding that Usedesk may send."""

from __future__ import annotations

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
from airflow_provider_usedesk.webhook.time_limit import within

MAX_FIELDS = 1000
MAX_FILES = 20
TOO_DEEP = "The body is nested too deeply."


class InvalidBody(ValueError):
    """The body cannot be parsed; the text says why in one line, without any of the body."""


class BodyTooLarge(ValueError):
    """The body is larger than the limit."""


class BodyTimeout(ValueError):
    """The body did not arrive in time, or the sender closed the connection before its end."""


@dataclass(frozen=True)
class Limits:
    """
    The limits of a body.

    :param bytes: size of the body, in bytes
    :param depth: levels of nested lists and objects
    :param seconds: time for the body to arrive, in seconds
    """

    bytes: int = 2**20
    depth: int = 32
    seconds: float = 10.0


async def read_body(request: Request, limits: Limits) -> dict[str, Any]:
    """
    Return the content of a webhook, sent as JSON, form or multipart form.

    :param request: the request
    :param limits: limits of the body
    :raises BodyTooLarge: if the body is larger than the limit
    :raises BodyTimeout: if the body does not arrive in time
    :raises InvalidBody: if the body cannot be parsed
    """
    try:
        body = await within(limits.seconds, _bytes(request, limits.bytes))
    except (TimeoutError, ClientDisconnect):
        raise BodyTimeout from None
    if not body:
        raise InvalidBody("The body is empty.")
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
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdecimal() and (len(length) > 18 or int(length) > limit):
        raise BodyTooLarge
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise BodyTooLarge
    return bytes(body)


def _json(body: bytes) -> dict[str, Any]:
    try:
        # With or without the byte order mark that some programs write.
        content = json.loads(body.decode("utf-8-sig"), parse_constant=_reject)
    except UnicodeDecodeError:
        raise InvalidBody("The body is not UTF-8.") from None
    except RecursionError:
        # The depth at which Python gives up depends on its version.
        raise InvalidBody(TOO_DEEP) from None
    except ValueError:
        raise InvalidBody("The body is not JSON.") from None
    if not isinstance(content, dict):
        raise InvalidBody("The body is not a JSON object.")
    return content


def _reject(constant: str) -> NoReturn:
    raise ValueError(constant)


def _form(body: bytes) -> dict[str, Any]:
    if body.lstrip().startswith(b"{"):
        raise InvalidBody("The body is JSON, but its content type is that of a form.")
    try:
        pairs = parse_qsl(
            body.decode("utf-8"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except ValueError:
        raise InvalidBody("The body is not a form.") from None
    return nested(pairs)


async def _multipart(request: Request, body: bytes) -> dict[str, Any]:
    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    buffered = Request(request.scope, receive)
    try:
        async with buffered.form(max_files=MAX_FILES, max_fields=MAX_FIELDS, max_part_size=len(body)) as form:
            return nested([(name, value) for name, value in form.multi_items() if isinstance(value, str)])
    except (ValueError, MultiPartException, HTTPException):
        raise InvalidBody("The body is not multipart.") from None


def _check_depth(content: Any, limit: int) -> None:
    level = [content]
    for _ in range(limit):
        level = [item for value in level for item in _items(value)]
        if not level:
            return
    raise InvalidBody(TOO_DEEP)


def _items(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value
