"""The API on the wire: input in any of its four encodings, faults on demand, JSON out."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import parse_qsl

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from airflow_provider_usedesk.api.php import nested
from airflow_provider_usedesk.sandbox.call import Upload
from airflow_provider_usedesk.sandbox.faults import Fault
from airflow_provider_usedesk.sandbox.methods import METHODS, ONLY_VERB
from airflow_provider_usedesk.sandbox.state import State

NO_FAULT = Fault("delay")


class Api:
    """
    Answer the calls of API methods; an ASGI application.

    :param state: the sandbox
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def method(self, path: str) -> str | None:
        """Return the method that a path names, if it names one."""
        base = self._state.options.base_path
        name = path.removeprefix(base).strip("/") if path.startswith(base) else ""
        return name if name in METHODS else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = self.method(scope["path"]) or ""
        self._state.count(method)
        fault = self._state.faults.take(method) or NO_FAULT
        if fault.when == "before" and fault.action in ("close", "answer"):
            return await _break(fault, receive, send)
        request = Request(scope, receive)
        given = await _read(request)
        if fault.when == "before":
            await asyncio.sleep(fault.seconds)
        status, content = self._handle(method, request.method, given)
        if fault.when == "after":
            await asyncio.sleep(fault.seconds)
        body = json.dumps(content, ensure_ascii=False).encode()
        if fault.when == "after" and fault.action != "delay":
            return await _break(fault, receive, send, body)
        return await _answer(send, status, "application/json", body)

    def _handle(self, method: str, verb: str, given: dict[str, Any] | None) -> tuple[int, Any]:
        if given is None:
            return 400, {"error": "the body cannot be read"}
        if verb != ONLY_VERB.get(method, verb):
            return 405, {"message": f"The {verb} method is not supported for this route."}
        return self._state.handle(method, given)


async def _read(request: Request) -> dict[str, Any] | None:
    try:
        return await _given(request)
    except (ValueError, MultiPartException, HTTPException, ClientDisconnect):
        return None


async def _given(request: Request) -> dict[str, Any]:
    """Merge query and body, as the framework of the real service does."""
    given = nested(parse_qsl(request.url.query, keep_blank_values=True))
    content_type = request.headers.get("content-type", "").partition(";")[0]
    if content_type in ("multipart/form-data", "application/x-www-form-urlencoded"):
        async with request.form(max_files=100, max_fields=1000, max_part_size=2**24) as form:
            return given | nested([(name, await _form_value(value)) for name, value in form.multi_items()])
    body = await request.body()
    if content_type == "application/json" and body:
        content = json.loads(body)
        return given | content if isinstance(content, dict) else given
    return given


async def _form_value(value: UploadFile | str) -> Upload | str:
    if isinstance(value, str):
        return value
    return Upload(value.filename or "file", value.content_type or "", await value.read())


async def _break(fault: Fault, receive: Receive, send: Send, body: bytes = b"") -> None:
    """Do to a request what a fault says, instead of answering it."""
    if fault.action == "answer":
        if fault.when == "before":
            await _drain(receive)
        await _answer(send, fault.status, fault.content_type, fault.body.encode(), dict(fault.headers))
    elif fault.action == "half_answer":
        await _start(send, 200, "application/json", len(body))
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        _transport(send).close()
        await _gone(receive)
    else:
        _transport(send).abort()
        await _gone(receive)


async def _answer(
    send: Send, status: int, content_type: str, body: bytes, headers: dict[str, str] | None = None
) -> None:
    await _start(send, status, content_type, len(body), headers)
    await send({"type": "http.response.body", "body": body})


async def _start(
    send: Send, status: int, content_type: str, length: int, headers: dict[str, str] | None = None
) -> None:
    named = {"content-type": content_type, "content-length": str(length), **(headers or {})}
    raw = [(name.lower().encode(), value.encode()) for name, value in named.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})


def _transport(send: Send) -> asyncio.Transport:
    # ASGI knows no way to break a connection; uvicorn's send is a method of what holds the socket.
    transport: asyncio.Transport = send.__self__.transport  # type: ignore[attr-defined]
    return transport


async def _drain(receive: Receive) -> None:
    while (await receive()).get("more_body"):
        pass


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
