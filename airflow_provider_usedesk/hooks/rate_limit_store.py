"""The store of the rate limit for a Usedesk connection."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from airflow_provider_usedesk.compat.connection import extra_of
from airflow_provider_usedesk.compat.sdk import AirflowNotFoundException

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.rate_limiter import RateLimitStore

# The label in the form of the Usedesk connection.
FIELD = "'Redis connection id' of the Usedesk connection"

_redis_stores: dict[tuple[str, str], RateLimitStore] = {}


def rate_limit_store(redis_conn_id: str | None) -> RateLimitStore:
    """
    Return the store that all workers share; without Redis, that all tasks of this machine share.

    :param redis_conn_id: id of an Airflow connection of type redis; None for the store of the machine
    :raises UsedeskBadConnection: when the connection is missing or wrong; no request to Redis is made yet
    """
    from airflow_provider_usedesk.api.rate_limit_stores import machine_store

    return machine_store() if redis_conn_id is None else _redis_store(redis_conn_id)


def _redis_store(redis_conn_id: str) -> RateLimitStore:
    from airflow_provider_usedesk.api.errors import UsedeskBadConnection
    from airflow_provider_usedesk.api.rate_limit_stores import FallbackStore, RedisStore, machine_store

    try:
        from airflow.providers.redis.hooks.redis import RedisHook
    except ImportError:
        raise UsedeskBadConnection(
            f"{FIELD} needs the Redis provider. Nothing was sent. Install it on the workers and the "
            "triggerer: pip install 'airflow-provider-usedesk[redis]'"
        ) from None
    try:
        connection = RedisHook.get_connection(redis_conn_id)
    except AirflowNotFoundException:
        raise UsedeskBadConnection(
            f"{FIELD} names {redis_conn_id!r}, but Airflow has no such connection. Nothing was sent."
        ) from None
    if connection.conn_type != "redis" or _is_cluster(connection):
        raise UsedeskBadConnection(
            f"{FIELD} names {redis_conn_id!r}, which must be an Airflow connection of type redis, to a "
            "single Redis and no cluster, with a JSON object as its extra. Nothing was sent."
        )
    # One store for all clients of the process: they share its connections and its state during an outage.
    key = redis_conn_id, _fingerprint(connection)
    if key not in _redis_stores:
        hook: Any = RedisHook(redis_conn_id)
        consequence = f"Each machine keeps to the rate limit alone, without {redis_conn_id}"
        _redis_stores[key] = FallbackStore(RedisStore(hook.get_conn()), machine_store(), consequence)
    return _redis_stores[key]


def _is_cluster(connection: Any) -> bool:
    try:
        return bool(extra_of(connection).get("cluster"))
    except ValueError:
        return True


def _fingerprint(connection: Any) -> str:
    return hashlib.sha256(connection.get_uri().encode()).hexdigest()
