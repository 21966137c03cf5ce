"""Airflow Connections, read in an event loop, in the API server, and from environment variables."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from airflow_provider_usedesk.compat.sdk import AirflowNotFoundException, BaseHook

if TYPE_CHECKING:
    from airflow_provider_usedesk.compat.sdk import Connection

NO_OBJECT = 'must be a JSON object, such as {"timeout": 30}'
ENCODED_TWICE = "; it is a JSON text, so it may be encoded twice"


def extra_of(connection: Any) -> dict[str, Any]:
    """
    Return the extra fields of a connection, whose secrets Airflow masks.

    Some versions of Airflow accept any text as the extra, and then return a list, a text, or no fields.

    :param connection: the connection
    :raises ValueError: when its extra is not a JSON object
    """
    extra = connection.extra_dejson
    if not extra and connection.extra:
        extra = _json_or_none(connection.extra)
    if not isinstance(extra, dict):
        raise ValueError(NO_OBJECT + (ENCODED_TWICE if isinstance(extra, str) else ""))
    return extra


async def read_connection(conn_id: str) -> Connection:
    """
    Return a connection, read in a worker thread.

    Airflow's own asynchronous calls block the loop of the triggerer on some versions, because they mask
    secrets with a synchronous call.

    :param conn_id: id of the connection
    :raises AirflowNotFoundException: when there is no such connection
    """
    from asgiref.sync import sync_to_async

    return await sync_to_async(BaseHook.get_connection)(conn_id)


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
        found = (backend.get_connection(conn_id) for backend in ensure_secrets_loaded())
        return next(filter(None, found), None)
    except Exception:
        # Airflow skips a backend that fails; if no other one has the connection, this error is the reason.
        with suppress(AirflowNotFoundException):
            return Connection.get_connection_from_secrets(conn_id)
        raise


def connection_in_environment(conn_id: str) -> Any:
    """Return the connection of the environment variable ``AIRFLOW_CONN_…``; None if it is not set."""
    from airflow.secrets.environment_variables import EnvironmentVariablesBackend

    return EnvironmentVariablesBackend().get_connection(conn_id)


def _json_or_none(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
