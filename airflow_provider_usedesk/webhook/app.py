"""The receiver as a FastAPI application: check the secret, read the webhook, store the event, respond."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable
from typing import Protocol

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airflow_provider_usedesk.webhook.auth import Authenticator, WebhookSecrets
from airflow_provider_usedesk.webhook.body import BodyTimeout, BodyTooLarge, InvalidBody, Limits, read_body
from airflow_provider_usedesk.webhook.events import WebhookEvent, body_secret, read_event

log = logging.getLogger(__name__)

DEFAULT_LIMITS = Limits()
PATH = "/webhook/"
NOT_STORED = "The webhook was not stored. Send it again.\n"


class EventStore(Protocol):
    """A place where events are stored."""

    def save(self, conn_id: str, event: WebhookEvent) -> Awaitable[None]:
        """
        Store an event, each event id once; return when it is stored for good.

        :param conn_id: id of the connection that received it
        :param event: the event
        :raises Exception: if it was not stored
        """


def build_app(
    authenticator: Authenticator,
    store: EventStore,
    limits: Limits | None = None,
    store_timeout: float = 15.0,
) -> ASGIApp:
    """
    Build the receiver, which accepts ``POST /webhook/<conn_id>/<secret>`` and responds to all else with 404.

    :param authenticator: checks the secret
    :param store: where events are stored
    :param limits: limits of a body; default: 1 MB within 10 seconds
    :param store_timeout: seconds to wait for the store before the response 503; default: 15
    """
    # No redirect to the path without a slash at the end: its response would contain the secret.
    app = FastAPI(
        title="Usedesk webhooks", redirect_slashes=False, docs_url=None, redoc_url=None, openapi_url=None
    )
    receiver = _Receiver(authenticator, store, limits or DEFAULT_LIMITS, store_timeout)
    app.add_api_route(PATH + "{conn_id}/{secret}", receiver.respond, methods=["POST"], response_model=None)
    for status in (404, 405):
        app.add_exception_handler(status, _not_found)
    return hide_secrets(app)


def hide_secrets(app: ASGIApp) -> ASGIApp:
    """Return the application with the secret removed from the path before the access log is written."""

    async def hiding(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_hidden(message: Message) -> None:
            _hide_secret(scope)
            await send(message)

        try:
            await app(scope, receive, send_hidden)
        finally:
            _hide_secret(scope)

    return hiding


def _hide_secret(scope: Scope) -> None:
    before, path, after = scope.get("path", "").partition(PATH)
    if path:
        conn_id, slash, _ = after.partition("/")
        # Without a slash it may be the secret, in an address that lacks the connection.
        scope["path"] = before + path + (f"{conn_id}/***" if slash else "***")
        scope["raw_path"] = scope["path"].encode()


class _Receiver:
    """The endpoint that receives webhooks."""

    def __init__(
        self, authenticator: Authenticator, store: EventStore, limits: Limits, store_timeout: float
    ) -> None:
        self._authenticator = authenticator
        self._store = store
        self._limits = limits
        self._store_timeout = store_timeout
        self._ignored: Counter[str] = Counter()

    async def respond(self, request: Request, conn_id: str, secret: str) -> PlainTextResponse:
        try:
            known = await run_in_threadpool(self._authenticator.authenticate, conn_id, secret)
            if known is None:
                return await _not_found()
            return await self._receive(request, conn_id, known)
        except BodyTimeout:
            return PlainTextResponse("The body did not arrive in time.\n", 408)
        except BodyTooLarge:
            return PlainTextResponse("The body is too large.\n", 413, headers={"connection": "close"})
        except InvalidBody as error:
            return PlainTextResponse(f"{error}\n", 400)
        except Exception as error:
            # Without a traceback, because its frames contain the secret and the body.
            log.warning(
                "A webhook could not be received (%s). The sender is asked to send it again.",
                type(error).__name__,
            )
            return PlainTextResponse(NOT_STORED, 503)

    async def _receive(self, request: Request, conn_id: str, known: WebhookSecrets) -> PlainTextResponse:
        content = await read_body(request, self._limits)
        if not known.match_body(body_secret(content)):
            log.warning(
                "A webhook for connection %s was rejected, because its field `secret` is neither the "
                "application id nor the API token.",
                conn_id,
            )
            return await _not_found()
        event = read_event(content)
        if isinstance(event, WebhookEvent):
            is_stored = await self._is_stored(conn_id, event)
            return PlainTextResponse("ok\n") if is_stored else PlainTextResponse(NOT_STORED, 503)
        self._ignored[event] += 1
        log.info(
            "Received a webhook for connection %s that creates no event: %s, number %d since the start.",
            conn_id,
            event,
            self._ignored[event],
        )
        return PlainTextResponse("ok\n")

    async def _is_stored(self, conn_id: str, event: WebhookEvent) -> bool:
        try:
            async with asyncio.timeout(self._store_timeout):
                await self._store.save(conn_id, event)
        except Exception as error:
            log.warning(
                "A %s webhook for connection %s was not stored (%s). The sender is asked to send it again.",
                event.kind,
                conn_id,
                type(error).__name__,
            )
            return False
        return True


async def _not_found(*_: object) -> PlainTextResponse:
    """Return the same response for every address, method or secret that is not known."""
    return PlainTextResponse("not found\n", 404)
