"""An API request as it was received, for people: without the token, with the sizes of its files."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, quote_plus

if TYPE_CHECKING:
    from starlette.types import Message as AsgiMessage, Receive, Scope

MAX_BODY = 128 * 1024
MIN_TOKEN = 8
# Stands for the token; a character that no text contains.
MARK = "\ue0ff"
HIDDEN = "***"
VARIABLE = "'\"$USEDESK_TOKEN\"'"
SECRET_HEADERS = re.compile("authorization|cookie|token|secret|key", re.IGNORECASE)
# A field in JSON (a string, a number), in a query or an urlencoded body, and in a multipart body.
FIELDS = (
    r'("{name}"\s*:\s*")(?:[^"\\]|\\.)*',
    r'("{name}"\s*:\s*)[0-9.eE+-]+',
    r"((?:^|[?&]){name}=)[^&\s]*",
    r'(name="?{name}"?[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n)[^\r\n]*',
)
SECRET_FIELDS = tuple(
    (re.compile(pattern.replace("{name}", name), re.IGNORECASE), hidden)
    for name, hidden in (("api(?:_|%5F)token", MARK), ("password", HIDDEN))
    for pattern in FIELDS
)
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"


class BodyCopy:
    """
    The ``receive`` of an ASGI application, which keeps the beginning of the body.

    :param receive: the ``receive`` of the server
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.start = b""
        self.size = 0

    async def __call__(self) -> AsgiMessage:
        message = await self._receive()
        chunk: bytes = message.get("body", b"")
        self.start += chunk[: MAX_BODY - len(self.start)]
        self.size += len(chunk)
        return message


@dataclass(frozen=True)
class _Part:
    """A part of a multipart body; ``filename`` is None for a field."""

    name: str
    filename: str | None
    content_type: str
    content: str
    size: int


@dataclass(frozen=True)
class RawRequest:
    """
    A request without the token.

    :param verb: the HTTP verb
    :param target: path and query
    :param headers: names and values
    :param body: beginning of the body, at most 128 kB
    :param size: length of the whole body in bytes
    """

    verb: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: str
    size: int
    is_complete: bool = True

    @property
    def content_type(self) -> str:
        return dict(self.headers).get("content-type", "").partition(";")[0].strip().lower()

    def as_text(self) -> str:
        """Return the request in the form of HTTP, with a readable body."""
        lines = [f"{self.verb} {self.target}", *(f"{name}: {value}" for name, value in self.headers)]
        rest = "" if self.is_complete else f"\n… ({self.size} bytes)"
        return f"{chr(10).join(lines)}\n\n{self._readable_body()}{rest}".strip().replace(MARK, HIDDEN)

    def as_curl(self, origin: str) -> str | None:
        """
        Return a command that sends the request again, with the token as ``$USEDESK_TOKEN``.

        :param origin: scheme, host and port of the server
        :return: the command; None if the body was too long to be kept
        """
        if not self.is_complete:
            return None
        arguments = ["curl", "-X", self.verb, f"{origin}{self.target}", *self._body_arguments()]
        return " ".join(shlex.quote(one).replace(MARK, VARIABLE) for one in arguments)

    def _readable_body(self) -> str:
        if self.content_type == MULTIPART:
            return "\n".join(_described(part) for part in self._parts())
        if self.content_type == FORM:
            return "\n".join(
                f"{name}={value}" for name, value in parse_qsl(self.body, keep_blank_values=True)
            )
        try:
            return json.dumps(json.loads(self.body), ensure_ascii=False, indent=2)
        except (ValueError, RecursionError):
            return self.body

    def _body_arguments(self) -> Iterator[str]:
        if self.content_type == MULTIPART:
            for part in self._parts():
                if part.filename is None:
                    yield from ("--form-string", f"{part.name}={part.content}")
                else:
                    content_type = f";type={part.content_type}" if part.content_type else ""
                    yield from ("-F", f'{part.name}=@"{part.filename}"{content_type}')
        elif self.body:
            yield from ("-H", f"Content-Type: {dict(self.headers).get('content-type', '')}")
            yield from ("--data-raw", self.body)

    def _parts(self) -> Iterator[_Part]:
        boundary = _parameters(dict(self.headers).get("content-type", "")).get("boundary")
        for text in self.body.split(f"--{boundary}")[1:] if boundary else ():
            head, _, content = text.lstrip("\r\n").partition("\r\n\r\n")
            lines = (line.partition(":") for line in head.splitlines())
            headers = {name.strip().lower(): value.strip() for name, _, value in lines}
            disposition = _parameters(headers.get("content-disposition", ""))
            if "name" in disposition:
                value = content.removesuffix("\r\n")
                filename, kind = disposition.get("filename"), headers.get("content-type", "")
                yield _Part(disposition["name"], filename, kind, value, len(value))


def raw_request(scope: Scope, body: BodyCopy, tokens: tuple[Any, ...]) -> RawRequest:
    """
    Build the description of a request.

    :param scope: the request
    :param body: its body, as far as it was read
    :param tokens: texts to hide, beside the field ``api_token``
    """
    query = scope["query_string"].decode("latin-1")
    path = scope.get("raw_path") or scope["path"].encode()
    target = path.decode("latin-1") + (f"?{query}" if query else "")
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
    text = _without_files(body.start, dict(headers).get("content-type", ""))
    texts = tuple(str(token) for token in tokens if isinstance(token, str))
    return RawRequest(
        verb=scope["method"],
        target=_hidden(target, texts),
        headers=tuple(
            (name, HIDDEN if SECRET_HEADERS.search(name) else _hidden(value, texts))
            for name, value in headers
        ),
        body=_hidden(text, texts),
        size=body.size,
        is_complete=body.size <= MAX_BODY,
    )


def _hidden(text: str, tokens: tuple[str, ...]) -> str:
    text = text.replace(MARK, "")
    for pattern, hidden in SECRET_FIELDS:
        text = pattern.sub(rf"\g<1>{hidden}", text)
    for token in tokens:
        if len(token) >= MIN_TOKEN:
            for form in {token, quote(token), quote_plus(token), json.dumps(token)[1:-1]}:
                text = text.replace(form, MARK)
    return text


def _without_files(body: bytes, content_type: str) -> str:
    """Return the body as text; in a multipart body, the content of each file is replaced by its size."""
    boundary = _parameters(content_type).get("boundary", "")
    if not content_type.lower().startswith(MULTIPART) or not boundary:
        return body.decode(errors="replace")
    separator = b"--" + boundary.encode(errors="replace")
    return separator.join(_without_file(part) for part in body.split(separator)).decode(errors="replace")


def _without_file(part: bytes) -> bytes:
    head, blank, content = part.partition(b"\r\n\r\n")
    if b"filename" not in head:
        return part
    size = len(content.removesuffix(b"\r\n"))
    return b"%b%b(%d bytes)\r\n" % (head, blank, size)


def _described(part: _Part) -> str:
    if part.filename is None:
        return f"{part.name}={part.content}"
    return f"{part.name}={part.filename} {part.content_type} {part.content}"


def _parameters(header: str) -> dict[str, str]:
    """Return the parameters of a header, such as ``boundary``."""
    message = Message()
    message["content-disposition"] = header
    found = message.get_params(header="content-disposition", unquote=True) or []
    return {
        name.lower(): value if isinstance(value, str) else str(value[-1]) for name, value in found if value
    }
