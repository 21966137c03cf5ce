"""From the Usedesk connection to where the pace of its requests is remembered."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from airflow_provider_usedesk.compat.sdk import AirflowNotFoundException

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.rate_limiter import RateLimitStore

_redis_stores: dict[tuple[str, str], RateLimitStore] = {}


def rate_limit_store(redis_conn_id: str | None) -> RateLimitStore:
    """
    Return what all workers share, or without Redis all tasks of this machine.

    :param redis_conn_id: Airflow Connection of type redis
    :raises UsedeskBadConnection: saying what is wrong with it or missing; Redis itself is not asked yet
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
            "redis_conn_id of the Usedesk connection needs the Redis provider. Nothing was sent. "
            "Install it on the workers and the triggerer: pip install 'airflow-provider-usedesk[redis]'"
        ) from None
    try:
        connection = RedisHook.get_connection(redis_conn_id)
    except AirflowNotFoundException:
        raise UsedeskBadConnection(
            f"redis_conn_id of the Usedesk connection names {redis_conn_id!r}, but there is no such Airflow "
            "Connection. Nothing was sent."
        ) from None
    if connection.conn_type != "redis" or connection.extra_dejson.get("cluster"):
        raise UsedeskBadConnection(
            f"redis_conn_id of the Usedesk connection names {redis_conn_id!r}, which must be an Airflow "
            "Connection of type redis, to a single Redis and no cluster. Nothing was sent."
        )
    # One for all clients of the process: they share its connections, and what is known of an outage.
    key = redis_conn_id, _fingerprint(connection)
    if key not in _redis_stores:
        hook: Any = RedisHook(redis_conn_id)
        meaning = f"Each machine keeps the pace of requests alone, without {redis_conn_id}"
        _redis_stores[key] = FallbackStore(RedisStore(hook.get_conn()), machine_store(), meaning)
    return _redis_stores[key]


def _fingerprint(connection: Any) -> str:
    return hashlib.sha256(connection.get_uri().encode()).hexdigest()
