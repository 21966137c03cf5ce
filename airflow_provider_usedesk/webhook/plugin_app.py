"""The receiver inside Airflow's API server, put together when the first webhook comes."""

from __future__ import annotations

import asyncio
from functools import cache

from starlette.types import ASGIApp, Receive, Scope, Send

from airflow_provider_usedesk.webhook.auth import Account

# As long as the id of a connection can be in Airflow.
MAX_CONN_ID = 250


async def receiver(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer webhooks; an ASGI application."""
    app = await asyncio.to_thread(_app)
    await app(scope, receive, send)


@cache
def _app() -> ASGIApp:
    from airflow_provider_usedesk.webhook.app import build_app
    from airflow_provider_usedesk.webhook.auth import Authenticator
    from airflow_provider_usedesk.webhook.metastore import MetastoreStore

    return build_app(Authenticator(account_in_airflow), MetastoreStore())


def account_in_airflow(conn_id: str) -> Account | None:
    """
    Read a connection where Airflow's own components read it.

    :raises Exception: when none is found, and a place where it could be does not answer
    """
    from airflow.configuration import ensure_secrets_loaded
    from airflow.models.connection import Connection

    from airflow_provider_usedesk.compat.sdk import AirflowNotFoundException
    from airflow_provider_usedesk.webhook.auth import account_of

    if len(conn_id) > MAX_CONN_ID or not conn_id.isprintable():
        return None
    try:
        return account_of(Connection.get_connection_from_secrets(conn_id))
    except AirflowNotFoundException:
        # Airflow says so of a database that is down, too: asked once more, it raises.
        asked = (backend.get_connection(conn_id) for backend in ensure_secrets_loaded())
        return account_of(next(filter(None, asked), None))
