"""Airflow Connections, read in an event loop, in the API server, and from environment variables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_usedesk.compat.sdk import AirflowNotFoundException, BaseHook

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


def find_connection(conn_id: str) -> Any:
    """
    Return a connection, in a process of Airflow 3 that reaches the database, such as the API server.

    :param conn_id: id of the connection
    :return: the connection; None if there is none
    :raises Exception: if no backend has the connection, and one of them failed
    """
    from airflow.configuration import ensure_secrets_loaded
    from airflow.models.connection import Connection

    try:
        return Connection.get_connection_from_secrets(conn_id)
    except AirflowNotFoundException:
        # Airflow raises this for a backend that failed, too; called directly, it raises its own error.
        found = (backend.get_connection(conn_id) for backend in ensure_secrets_loaded())
        return next(filter(None, found), None)


def connection_in_environment(conn_id: str) -> Any:
    """Return the connection of the environment variable ``AIRFLOW_CONN_…``; None if it is not set."""
    from airflow.secrets.environment_variables import EnvironmentVariablesBackend

    return EnvironmentVariablesBackend().get_connection(conn_id)
