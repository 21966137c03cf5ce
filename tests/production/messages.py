"""The messages of Celery in its broker."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import redis
from kombu import Connection

from tests.production.stack import BROKER, QUEUE, VISIBILITY_TIMEOUT, ProductionAirflow


def restore_unacknowledged(airflow: ProductionAirflow) -> None:
    """Put messages over the visibility timeout into the queue again, as workers do every 100 seconds."""
    options = {"visibility_timeout": VISIBILITY_TIMEOUT}
    with Connection(airflow.connection(BROKER), transport_options=options) as connection:
        connection.default_channel.qos.restore_visible()


def deliver_again(
    airflow: ProductionAirflow, run_id: str, change: Callable[[Any], None] = lambda workload: None
) -> None:
    """
    Put the message of the running task of a run into the queue again, as another delivery.

    :param change: changes the workload before it is put there
    """
    broker = redis.Redis.from_url(airflow.connection(BROKER))
    # A copy of it that was ignored may not be acknowledged yet.
    message = next(found for found in _unacknowledged(broker) if run_id in _body(found)[0][0])
    [[workload], *rest] = _body(message)
    decoded = json.loads(workload)
    change(decoded)
    message["body"] = base64.b64encode(json.dumps([[json.dumps(decoded)], *rest]).encode()).decode()
    message["properties"]["delivery_tag"] = str(uuid4())
    broker.lpush(QUEUE, json.dumps(message))


def _unacknowledged(broker: Any) -> list[Any]:
    return [json.loads(delivery)[0] for delivery in broker.hgetall("unacked").values()]


def _body(message: Any) -> Any:
    return json.loads(base64.b64decode(message["body"]))
