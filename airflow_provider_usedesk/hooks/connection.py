"""The settings of a client, read from an Airflow connection of type usedesk."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from airflow_provider_usedesk.compat.connection import extra_of
from airflow_provider_usedesk.compat.sdk import mask_secret
from airflow_provider_usedesk.compat.version import AIRFLOW_VERSION
from airflow_provider_usedesk.get_provider_info import get_provider_info
from airflow_provider_usedesk.hooks.delivery_settings import DeliverySettings, read_delivery_settings

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.settings import Settings
    from airflow_provider_usedesk.compat.sdk import Connection

log = logging.getLogger(__name__)

# Names that can be shown: a key with digits or other characters may be a secret in the wrong place.
SHOWN_NAME = r"[A-Za-z]+(_+[A-Za-z]+)*"
MAX_SHOWN = 40


@dataclass(frozen=True)
class ConnectionSettings:
    """
    All settings of a connection.

    :param client: for the client
    :param delivery: for the delivery contract
    :param redis_conn_id: id of the Redis connection for the rate limit; None without one
    :param ignored: for each field of the extra that has no meaning, its name and which one may be meant
    """

    client: Settings
    delivery: DeliverySettings
    redis_conn_id: str | None = None
    ignored: tuple[str, ...] = ()


@cache
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


def read_settings_of(connection: Connection) -> ConnectionSettings:
    """
    Return the settings of a connection, and mask its secrets in the logs of Airflow.

    It warns of fields that are ignored, once in this process.

    :param connection: the connection
    :raises UsedeskBadConnection: naming every field of the form that is wrong
    """
    from airflow_provider_usedesk.api.errors import UsedeskBadConnection
    from airflow_provider_usedesk.api.settings import checked_settings
    from airflow_provider_usedesk.hooks.rate_limit_store import rate_limit_store

    extra, extra_reasons = _checked_extra(connection)
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
    delivery, delivery_reasons = read_delivery_settings(extra, labels)
    reasons += [*extra_reasons, *delivery_reasons]
    ignored = ignored_fields(extra, labels)
    _warn_once(connection.conn_id, ignored)
    if reasons:
        raise UsedeskBadConnection(f"The Usedesk connection is not complete: {'; '.join(reasons)}.")
    return ConnectionSettings(
        replace(settings, rate_limit_store=rate_limit_store(redis)), delivery, redis, ignored
    )


def checked_extra(connection: Connection) -> dict[str, Any]:
    """
    Return the extra fields of a connection.

    :param connection: the connection
    :raises UsedeskBadConnection: when its extra is not a JSON object
    """
    from airflow_provider_usedesk.api.errors import UsedeskBadConnection

    extra, reasons = _checked_extra(connection)
    if reasons:
        raise UsedeskBadConnection(f"The Usedesk connection is not complete: {reasons[0]}.")
    return extra


def ignored_fields(extra: Mapping[str, Any], labels: Mapping[str, str]) -> tuple[str, ...]:
    """
    Return a text for each field of the extra that has no meaning, and which field may be meant.

    A name that begins with an underscore is a remark of the user. A name that may be a secret is not shown.

    :param extra: the extra fields of the connection
    :param labels: the label of each setting in the form of the connection
    """
    declared = declared_form()["conn-fields"]
    unknown = [str(name) for name in extra if name not in declared and not str(name).startswith("_")]
    return tuple(sorted({_ignored_field(name, labels) for name in unknown}))


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


def _checked_extra(connection: Connection) -> tuple[dict[str, Any], list[str]]:
    try:
        return extra_of(connection), []
    except ValueError as error:
        return {}, [f"the extra {error}"]


def _mask_secrets(connection: Connection, extra: Mapping[str, Any]) -> None:
    for secret in (connection.password, *str(extra.get("webhook_secret") or "").split(",")):
        if secret and secret.strip():
            mask_secret(secret.strip())


def _ignored_field(name: str, labels: Mapping[str, str]) -> str:
    import difflib  # slow to load, and rarely needed

    if len(name) > MAX_SHOWN or not re.fullmatch(SHOWN_NAME, name):
        return "a name that is not shown here, because it is not a name of letters"
    short = name.lower().removeprefix("extra__usedesk__").removeprefix("api_")
    close = difflib.get_close_matches(short, sorted(labels), n=1)
    if not close:
        return name
    is_extra = close[0] in declared_form()["conn-fields"]
    return f"{name} (is {close[0] if is_extra else f'the field {labels[close[0]]}'} meant?)"


_warned: set[tuple[str | None, tuple[str, ...]]] = set()


def _warn_once(conn_id: str | None, ignored: tuple[str, ...]) -> None:
    if ignored and (conn_id, ignored) not in _warned:
        _warned.add((conn_id, ignored))
        log.warning(
            "The extra of the Usedesk connection %s has fields that are ignored: %s.",
            conn_id,
            ", ".join(ignored),
        )
