"""The settings of a client, read from an Airflow connection of type usedesk."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_usedesk.compat.sdk import mask_secret
from airflow_provider_usedesk.compat.version import AIRFLOW_VERSION
from airflow_provider_usedesk.get_provider_info import get_provider_info
from airflow_provider_usedesk.hooks.delivery_settings import read_delivery_settings

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.settings import Settings
    from airflow_provider_usedesk.compat.sdk import Connection


def declared_form() -> dict[str, Any]:
    """Return the connection form that the provider info declares."""
    form: dict[str, Any] = get_provider_info()["connection-types"][0]
    return form


def field_labels() -> dict[str, str]:
    """Return the label of each setting in the connection form."""
    form = declared_form()
    standard = form["ui-field-behaviour"]["relabeling"]
    fields = {name: str(field["label"]) for name, field in form["conn-fields"].items()}
    return {**fields, "token": standard["password"], "base_url": standard["host"]}


def settings_of(connection: Connection, extra: Mapping[str, Any]) -> Settings:
    """
    Return the settings of a connection, and mask its secrets in the logs of Airflow.

    :param connection: the connection
    :param extra: its extra fields
    :raises UsedeskBadConnection: naming every field of the form that is wrong
    """
    from airflow_provider_usedesk.api.errors import UsedeskBadConnection
    from airflow_provider_usedesk.api.settings import checked_settings
    from airflow_provider_usedesk.hooks.rate_limit_store import rate_limit_store

    _mask_secrets(connection, extra)
    labels = field_labels()
    settings, reasons = checked_settings(
        connection.password,
        lambda: base_url_of(connection),
        extra,
        labels,
        user_agent=f"apache-airflow/{AIRFLOW_VERSION}",
    )
    redis: str | None = None
    try:
        redis = redis_conn_id(extra)
    except ValueError as error:
        reasons.append(f"{labels['redis_conn_id']} {error}")
    reasons += read_delivery_settings(extra, labels)[1]
    if reasons:
        raise UsedeskBadConnection(f"The Usedesk connection is not complete: {'; '.join(reasons)}.")
    return replace(settings, rate_limit_store=rate_limit_store(redis))


def base_url_of(connection: Connection) -> str:
    """
    Return the API base URL of a connection, from its host, schema and port.

    The schema is ``http``, ``https``, or the path: Airflow stores the path of a connection URI as its schema.

    :param connection: the connection
    :raises ValueError: saying how the URL was read and what is expected
    """
    from airflow_provider_usedesk.api.settings import base_url

    host, schema = (connection.host or "").strip(), (connection.schema or "").strip().strip("/")
    if schema.lower() not in ("http", "https"):
        return base_url(host, port=connection.port, path=schema)
    if not host or "://" in host:
        return base_url(host, port=connection.port)
    return base_url(f"{schema.lower()}://{host}", port=connection.port)


def redis_conn_id(extra: Mapping[str, Any]) -> str | None:
    """
    Return the id of the Redis connection for the rate limit; None without one.

    :param extra: the extra fields of a Usedesk connection
    :raises ValueError: when it is not a valid id of a connection
    """
    value = extra.get("redis_conn_id")
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not re.fullmatch(r"[\w#!().:/\\-]+", value.strip()):
        raise ValueError("must be the id of an Airflow connection of type redis")
    return value.strip()


def _mask_secrets(connection: Connection, extra: Mapping[str, Any]) -> None:
    for secret in (connection.password, *str(extra.get("webhook_secret") or "").split(",")):
        if secret and secret.strip():
            mask_secret(secret.strip())
