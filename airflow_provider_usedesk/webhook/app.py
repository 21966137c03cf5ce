"""The receiver as a FastAPI application: who sends, what is sent, whether it is stored."""

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

from airflow_provider_usedesk.webhook.auth import Account, Authenticator
from airflow_provider_usedesk.webhook.body import Limits, Malformed, NotArrived, TooLarge, read_body
from airflow_provider_usedesk.webhook.events import WebhookEvent, claimed_secret, read_event

log = logging.getLogger(__name__)

USUAL = Limits()
PLACE = "/webhook/"
Answer = PlainTextResponse


class Store(Protocol):
    """Where webhooks are kept."""

    def keep(self, conn_id: str, event: WebhookEvent) -> Awaitable[None]:
        """Keep an event; return when nothing can lose it any more, raise when it was not kept."""


def build_app(
    authenticator: Authenticator, store: Store, limits: Limits = USUAL, store_seconds: float = 15.0
) -> ASGIApp:
    """
    Put the receiver together; it answers ``POST /webhook/<conn_id>/<secret>``, and 404 to all else.

    :param authenticator: knows the secrets
    :param store: where webhooks are kept
    :param limits: how much of a webhook is taken
    :param store_seconds: how long to wait for the store before the sender is told to come again
    """
    # No redirect to the path without a slash at its end: its answer would repeat the secret.
    app = FastAPI(
        title="Usedesk webhooks", redirect_slashes=False, docs_url=None, redoc_url=None, openapi_url=None
    )
    receiver = _Receiver(authenticator, store, limits, store_seconds)
    app.add_api_route(PLACE + "{conn_id}/{secret}", receiver.answer, methods=["POST"], response_model=None)
    for status in (404, 405):
        app.add_exception_handler(status, _not_found)
    return hiding_secrets(app)


def hiding_secrets(app: ASGIApp) -> ASGIApp:
    """Take the secret out of the path before a request is answered: access logs are written from then on."""

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
    head, place, rest = scope.get("path", "").partition(PLACE)
    if place:
        conn_id, slash, _ = rest.partition("/")
        # Without a slash it can be the secret that is there, where the connection was left out.
        scope["path"] = head + place + (f"{conn_id}/***" if slash else "***")
        scope["raw_path"] = scope["path"].encode()


class _Receiver:
    """Answer webhooks."""

    def __init__(
        self, authenticator: Authenticator, store: Store, limits: Limits, store_seconds: float
    ) -> None:
        self._authenticator = authenticator
        self._store = store
        self._limits = limits
        self._store_seconds = store_seconds
        self._counts: Counter[str] = Counter()

    async def answer(self, request: Request, conn_id: str, secret: str) -> Answer:
        try:
            account = await run_in_threadpool(self._authenticator.account, conn_id, secret)
            if account is None:
                return await _not_found()
            return await self._take(request, conn_id, account)
        except NotArrived:
            return Answer("the body did not arrive in time\n", 408)
        except TooLarge:
            return Answer("the body is too large\n", 413, headers={"connection": "close"})
        except Malformed as fault:
            return Answer(f"{fault}\n", 400)
        except Exception as error:
            # Without a trace: its frames hold the secret and what was sent.
            log.warning("A webhook could not be handled: %s.", type(error).__name__)
            return Answer("not stored, try again\n", 503)

    async def _take(self, request: Request, conn_id: str, account: Account) -> Answer:
        content = await read_body(request, self._limits)
        if not account.takes(claimed_secret(content)):
            log.warning("A webhook to %s has another `secret` than application_id or the token.", conn_id)
            return await _not_found()
        event = read_event(content)
        if not isinstance(event, WebhookEvent):
            self._counts[event] += 1
            log.info("Webhook to %s: %s, number %d since the start.", conn_id, event, self._counts[event])
            return Answer("ok\n")
        if not await self._is_kept(conn_id, event):
            return Answer("not stored, try again\n", 503)
        return Answer("ok\n")

    async def _is_kept(self, conn_id: str, event: WebhookEvent) -> bool:
        try:
            async with asyncio.timeout(self._store_seconds):
                await self._store.keep(conn_id, event)
        except Exception as error:
            log.warning("A %s webhook to %s was not stored: %s.", event.kind, conn_id, type(error).__name__)
            return False
        return True


async def _not_found(*_: object) -> Answer:
    """Answer the same to whatever is not known here."""
    return Answer("not found\n", 404)
