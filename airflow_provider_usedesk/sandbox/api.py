"""The HTTP side of the API: reads parameters in four encodings, injects faults, responds with JSON."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from airflow_provider_usedesk.api.php import nested
from airflow_provider_usedesk.sandbox.call import Refusal, Upload
from airflow_provider_usedesk.sandbox.faults import Fault
from airflow_provider_usedesk.sandbox.json_body import read_json
from airflow_provider_usedesk.sandbox.methods import BASE_PATH, METHODS, READING, REQUIRED_VERB
from airflow_provider_usedesk.sandbox.raw_request import BodyCopy, raw_request
from airflow_provider_usedesk.sandbox.state import State

NO_FAULT = Fault("delay")
NO_ACCESS = 115
WITHOUT_BODY = (204, 304)


def method_of(path: str) -> str | None:
    """Return the API method in a path, also an unknown one; None outside of the API."""
    return path.removeprefix(BASE_PATH).strip("/") if f"{path}/".startswith(f"{BASE_PATH}/") else None


class Api:
    """
    The ASGI application that handles the calls of API methods.

    :param state: the sandbox
    """

    def __init__(self, state: State) -> None:
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = method_of(scope["path"]) or ""
        self._state.count_request(method)
        fault = self._state.faults.take(method) or NO_FAULT
        body_copy = BodyCopy(receive)
        if fault.when == "before" and fault.action in ("close", "answer"):
            if fault.action == "answer":
                await _read_to_end(body_copy)
            self._log(scope, body_copy, None, (None, None), fault)
            return await _inject(fault, receive, send)
        request = Request(scope, body_copy)
        params = await _read_params(request)
        if fault.when == "before":
            await asyncio.sleep(fault.seconds)
        status, content = self._handle(method, request.method, params)
        self._log(scope, body_copy, params, (status, content), fault)
        if fault.when == "after":
            await asyncio.sleep(fault.seconds)
        body = json.dumps(content, ensure_ascii=False).encode()
        if fault.when == "after" and fault.action != "delay":
            return await _inject(fault, receive, send, body)
        return await _respond(send, status, "application/json", body)

    def _log(
        self,
        scope: Scope,
        body: BodyCopy,
        params: dict[str, Any] | None,
        handled: tuple[int | None, Any],
        fault: Fault,
    ) -> None:
        known = params or {}
        raw = raw_request(scope, body, (self._state.options.token, known.get("api_token")))
        injected = None if fault is NO_FAULT else fault
        response = _status_sent(fault, handled[0]), handled[1]
        self._state.log.add(method_of(scope["path"]) or "", raw, known, response, injected)

    def _handle(self, method: str, verb: str, params: dict[str, Any] | None) -> tuple[int, Any]:
        refusal = _refusal(method, verb, params)
        return (refusal.status, refusal.as_json()) if refusal else self._state.handle(method, params or {})


def _refusal(method: str, verb: str, params: dict[str, Any] | None) -> Refusal | None:
    """Return the error for a call that reaches no method."""
    if method not in METHODS:
        return Refusal("there is no such method", NO_ACCESS, status=404)
    required = REQUIRED_VERB.get(method)
    if verb not in ((required,) if required else READING):
        return Refusal(f"The {verb} method is not supported for this route.", NO_ACCESS, status=405)
    return Refusal("the body cannot be read", status=400) if params is None else None


def _status_sent(fault: Fault, status: int | None) -> int | None:
    """Return the HTTP status that a fault leaves; None for no whole response."""
    if fault.action == "answer":
        return fault.status
    return status if fault.action == "delay" else None


async def _read_params(request: Request) -> dict[str, Any] | None:
    try:
        return await _merged_params(request)
    except (ValueError, RecursionError, MultiPartException, HTTPException, ClientDisconnect):
        return None


async def _merged_params(request: Request) -> dict[str, Any]:
    """Merge the query and the body, as the framework of the real service does."""
    params = nested(parse_qsl(request.url.query, keep_blank_values=True))
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type in ("multipart/form-data", "application/x-www-form-urlencoded"):
        form_request = _with_media_type(request, content_type)
        async with form_request.form(max_files=100, max_fields=1000, max_part_size=2**24) as form:
            return params | nested(
                [(_unicode(name), await _form_value(value)) for name, value in form.multi_items()]
            )
    body = await request.body()
    if content_type == "application/json" and body:
        content = read_json(body)
        return params | content if isinstance(content, dict) else params
    return params


def _with_media_type(request: Request, media_type: str) -> Request:
    """Return the request with its media type in this case: older parsers of forms know one case only."""
    _, semicolon, options = request.headers["content-type"].partition(";")
    kind = f"{media_type}{semicolon}{options}".encode("latin-1")
    others = [header for header in request.scope["headers"] if header[0] != b"content-type"]
    return Request({**request.scope, "headers": [*others, (b"content-type", kind)]}, request.receive)


async def _form_value(value: UploadFile | str) -> Upload | str:
    if isinstance(value, str):
        return _unicode(value)
    if not value.filename:
        return ""  # a file input in which no file was chosen
    name = re.split(r"[/\\]", _unicode(value.filename))[-1]
    return Upload(name or "file", value.content_type or "", await value.read())


def _unicode(text: str) -> str:
    """Replace halves of surrogate pairs, which some encodings of forms can contain."""
    return text.encode(errors="replace").decode()


async def _inject(fault: Fault, receive: Receive, send: Send, body: bytes = b"") -> None:
    """Do what the fault says; ``body`` is the true response."""
    if fault.action == "answer":
        await _respond(send, fault.status, fault.content_type, fault.body.encode(), fault.headers)
    elif fault.action == "half_answer":
        await _start_response(send, 200, "application/json", len(body))
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        _transport(send).close()
        await _wait_for_disconnect(receive)
    else:
        _transport(send).abort()
        await _wait_for_disconnect(receive)


async def _respond(
    send: Send, status: int, content_type: str, body: bytes, headers: Mapping[str, str] | None = None
) -> None:
    if status in WITHOUT_BODY:
        body = b""
    await _start_response(send, status, content_type, len(body), headers)
    await send({"type": "http.response.body", "body": body})


async def _start_response(
    send: Send, status: int, content_type: str, length: int, headers: Mapping[str, str] | None = None
) -> None:
    named = {"content-type": content_type, "content-length": str(length), **(headers or {})}
    raw = [(name.lower().encode(), value.encode()) for name, value in named.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})


def _transport(send: Send) -> asyncio.Transport:
    # ASGI cannot break a connection; uvicorn's send is a method of the object that has the socket.
    transport: asyncio.Transport = send.__self__.transport  # type: ignore[attr-defined]
    return transport


async def _read_to_end(receive: Receive) -> None:
    while (await receive()).get("more_body"):
        pass


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
