"""The receiver inside Airflow's API server, built when the first webhook arrives."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Receive, Scope, Send

if TYPE_CHECKING:
    from airflow_provider_usedesk.webhook.auth import WebhookSecrets

# The longest id of a connection in Airflow's database.
MAX_CONN_ID = 250

_lock = threading.Lock()
_app: ASGIApp | None = None


async def receiver(scope: Scope, receive: Receive, send: Send) -> None:
    """Respond to webhooks, as an ASGI application."""
    # In a thread until it is built, because that reads files.
    app = _app if _app is not None else await asyncio.to_thread(_build_once)
    await app(scope, receive, send)


def secrets_in_airflow(conn_id: str) -> WebhookSecrets | None:
    """
    Return the webhook secrets of a connection, read from Airflow's secrets backends and database.

    :param conn_id: id of the connection
    :return: the secrets; None if there is no such connection
    :raises Exception: if no backend has the connection, and one of them failed
    """
    from airflow_provider_usedesk.compat.connection import find_connection
    from airflow_provider_usedesk.webhook.auth import secrets_of

    if len(conn_id) > MAX_CONN_ID or not conn_id.isprintable():
        return None
    return secrets_of(find_connection(conn_id))


def _build_once() -> ASGIApp:
    """Return the application, the same for all webhooks that wait for the first one."""
    global _app
    with _lock:
        if _app is None:
            _app = _build()
        return _app


def _build() -> ASGIApp:
    from airflow_provider_usedesk.webhook.app import build_app
    from airflow_provider_usedesk.webhook.auth import Authenticator
    from airflow_provider_usedesk.webhook.metastore import MetastoreStore

    return build_app(Authenticator(secrets_in_airflow), MetastoreStore())
