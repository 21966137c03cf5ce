"""Read an Airflow Connection from an event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_usedesk.compat.sdk import BaseHook

if TYPE_CHECKING:
    from airflow_provider_usedesk.compat.sdk import Connection


async def read_connection(conn_id: str) -> tuple[Connection, dict[str, Any]]:
    """
    Return a connection and its extra, read in a worker thread.

    Airflow's own asynchronous calls block the loop of the triggerer on some versions, because they mask
    secrets with a synchronous call.

    :param conn_id: id of the connection
    :raises AirflowNotFoundException: when there is no such connection
    """
    from asgiref.sync import sync_to_async

    def read() -> tuple[Connection, dict[str, Any]]:
        connection = BaseHook.get_connection(conn_id)
        return connection, connection.extra_dejson

    return await sync_to_async(read)()
