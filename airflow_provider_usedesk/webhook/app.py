"""The receiver as a Starlette application: check the secret, read the webhook, store the event, respond."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airflow_provider_usedesk.webhook.auth import Authenticator, WebhookSecrets
from airflow_provider_usedesk.webhook.body import BodyTimeout, BodyTooLarge, InvalidBody, Limits, read_body
from airflow_provider_usedesk.webhook.counts import Counts
from airflow_provider_usedesk.webhook.events import WebhookEvent, body_secret, read_event
from airflow_provider_usedesk.webhook.time_limit import within

log = logging.getLogger(__name__)

DEFAULT_LIMITS = Limits()
PATH = "/webhook/"
HEALTH = "/health"
HIDDEN = "***"
NOT_STORED = "The webhook was not stored. Send it again.\n"


class StoreError(Exception):
    """An event was not stored; the text says why, without any content of the event."""


class EventStore(Protocol):
    """A place where events are stored."""

    def save(self, conn_id: str, event: WebhookEvent) -> Awaitable[None]:
        """
        Store an event, each event id once; return when it is stored for good.

        :param conn_id: id of the connection that received it
        :param event: the event
        :raises StoreError: if it was not stored; its text is logged
        :raises Exception: if it was not stored; only the name of the class is logged
        """


def build_app(
    authenticator: Authenticator,
    store: EventStore,
    limits: Limits | None = None,
    store_timeout: float = 15.0,
    counts: Counts | None = None,
) -> ASGIApp:
    """
    Build the receiver, which accepts ``POST /webhook/<conn_id>/<secret>``.

    ``GET /health`` returns how many webhooks had which outcome. Everything else gets 404.

    :param authenticator: checks the secret
    :param store: where events are stored
    :param limits: limits of a body; default: 1 MB within 10 seconds
    :param store_timeout: seconds to wait for the store before the response 503; default: 15
    :param counts: counts webhooks by outcome; default: counters of this application
    """
    counts = counts or Counts()
    receiver = _Receiver(authenticator, store, limits or DEFAULT_LIMITS, store_timeout, counts)
    # Not FastAPI, whose arguments and validation would cost CPU for each webhook, and are not used here.
    app = Starlette(
        routes=[
            Route(HEALTH, _health(counts), methods=["GET"]),
            Route(PATH + "{conn_id}/{secret}", receiver.respond, methods=["POST"]),
        ],
        exception_handlers={404: _not_found, 405: _not_found},
    )
    # No redirect to the path without a slash at the end: its response would contain the secret.
    app.router.redirect_slashes = False
    return hide_secrets(app)


def hide_secrets(app: ASGIApp) -> ASGIApp:
    """
    Return the application with its paths and queries hidden before the access log is written.

    Everything below its mount is hidden, because a mistyped address may contain the secret anywhere.
    """

    async def hiding(scope: Scope, receive: Receive, send: Send) -> None:
        mount = scope.get("root_path", "")

        async def send_hidden(message: Message) -> None:
            _hide(scope, mount)
            await send(message)

        try:
            await app(scope, receive, send_hidden)
        finally:
            _hide(scope, mount)

    return hiding


def _hide(scope: Scope, mount: str) -> None:
    if scope.get("path") != mount + HEALTH:
        scope["path"] = f"{mount}/{HIDDEN}"
        scope["raw_path"] = scope["path"].encode()
    if scope.get("query_string"):
        scope["query_string"] = HIDDEN.encode()


class _Receiver:
    """The endpoint that receives webhooks."""

    def __init__(
        self,
        authenticator: Authenticator,
        store: EventStore,
        limits: Limits,
        store_timeout: float,
        counts: Counts,
    ) -> None:
        self._authenticator = authenticator
        self._store = store
        self._limits = limits
        self._store_timeout = store_timeout
        self._counts = counts
        self._ignored: Counter[str] = Counter()

    async def respond(self, request: Request) -> PlainTextResponse:
        conn_id, secret = request.path_params["conn_id"], request.path_params["secret"]
        try:
            known = await self._authenticator.authenticate(conn_id, secret)
        except Exception as error:
            return self._fail(None, "the connection could not be read", error)
        if known is None:
            return await self._refuse_sender(conn_id)
        try:
            return await self._receive(request, conn_id, known)
        except BodyTimeout:
            return self._refuse(conn_id, "The body did not arrive in time.", 408)
        except BodyTooLarge:
            return self._refuse(conn_id, "The body is too large.", 413, {"connection": "close"})
        except InvalidBody as error:
            return self._refuse(conn_id, str(error), 400)
        except Exception as error:
            return self._fail(conn_id, "the receiver failed to read it", error)

    async def _refuse_sender(self, conn_id: str) -> PlainTextResponse:
        if self._authenticator.knows(conn_id):
            self._counts.refuse(conn_id, "The secret in the address is not the webhook secret.")
        else:
            self._counts.refuse(None, "The address names no connection that has a webhook secret.")
        return await _not_found()

    def _refuse(
        self, conn_id: str, reason: str, status: int, headers: dict[str, str] | None = None
    ) -> PlainTextResponse:
        self._counts.refuse(conn_id, reason)
        return PlainTextResponse(f"{reason}\n", status, headers=headers)

    def _fail(self, conn_id: str | None, reason: str, error: Exception) -> PlainTextResponse:
        # Without a traceback, because its frames contain the secret and the body.
        self._counts.fail(conn_id, f"{reason} ({type(error).__name__}).")
        return PlainTextResponse(NOT_STORED, 503)

    async def _receive(self, request: Request, conn_id: str, known: WebhookSecrets) -> PlainTextResponse:
        content = await read_body(request, self._limits)
        if not known.match_body(body_secret(content)):
            self._counts.refuse(
                conn_id, "Its field `secret` is neither the application id nor the API token."
            )
            return await _not_found()
        event = read_event(content)
        if isinstance(event, WebhookEvent):
            is_stored = await self._is_stored(conn_id, event)
            return PlainTextResponse("ok\n") if is_stored else PlainTextResponse(NOT_STORED, 503)
        self._counts.add("ignored")
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
            await within(self._store_timeout, self._store.save(conn_id, event))
        except StoreError as error:
            self._counts.fail(conn_id, str(error))
            return False
        except Exception as error:
            self._counts.fail(conn_id, f"the store failed ({type(error).__name__}).")
            return False
        self._counts.add("stored")
        return True


def _health(counts: Counts) -> Callable[[Request], Awaitable[JSONResponse]]:
    async def health(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok", **counts.as_dict()})

    return health


async def _not_found(*_: object) -> PlainTextResponse:
    """Return the same response for every address, method or secret that is not known."""
    return PlainTextResponse("not found\n", 404)
