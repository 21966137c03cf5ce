"""An Airflow Connection in the forms in which people enter it: JSON, URI, command, fields."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

CONNECTION_ID = "usedesk_default"
VARIABLE = f"AIRFLOW_CONN_{CONNECTION_ID.upper()}"


def as_uri(connection: Mapping[str, Any]) -> str:
    """Return the connection as a URI; the extra is JSON, so that numbers stay numbers."""
    query = urlencode({"__extra__": json.dumps(connection["extra"])})
    host, password = (quote(connection[name], safe="") for name in ("host", "password"))
    return f"{connection['conn_type']}://:{password}@{host}/?{query}"


def as_command(connection: Mapping[str, Any]) -> str:
    """Return the command that adds the connection to Airflow's database."""
    content = shlex.quote(json.dumps(connection))
    return f"airflow connections add {CONNECTION_ID} --conn-json {content}"


def as_fields(connection: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the fields of the form in the Airflow UI."""
    yield "Connection ID", CONNECTION_ID
    yield "Connection Type", "Usedesk"
    yield "Host", connection["host"]
    yield "Password", connection["password"]
    yield "Extra", json.dumps(connection["extra"])
