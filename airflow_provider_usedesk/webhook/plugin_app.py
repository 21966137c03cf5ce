"""The receiver inside Airflow's API server, put together when the first webhook comes."""

from __future__ import annotations

import asyncio
from functools import cache

from starlette.types import ASGIApp, Receive, Scope, Send

from airflow_provider_usedesk.webhook.gate import Account


async def receiver(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer webhooks; an ASGI application."""
    app = await asyncio.to_thread(_app)
    await app(scope, receive, send)


@cache
def _app() -> ASGIApp:
    from airflow_provider_usedesk.webhook.app import build_app
    from airflow_provider_usedesk.webhook.gate import Gate
    from airflow_provider_usedesk.webhook.metastore import MetastoreStore

    return build_app(Gate(account_in_airflow), MetastoreStore())


def account_in_airflow(conn_id: str) -> Account | None:
    """Read a connection where Airflow's own components read it."""
    from airflow.models.connection import Connection
    from airflow.providers.common.compat.sdk import AirflowNotFoundException

    from airflow_provider_usedesk.webhook.gate import account_of

    try:
        connection = Connection.get_connection_from_secrets(conn_id)
    except AirflowNotFoundException:
        return None
    return account_of(connection)
