"""The settings of a connection for the delivery contract."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DEFAULT_PREFIX = "airflow"
MAX_PREFIX = 40
MAX_DELAY = 3600


@dataclass(frozen=True)
class DeliverySettings:
    """
    What the delivery contract needs to know of an account.

    :param key_prefix: distinguishes the Airflow installations that share the account
    :param key_field_id: id of a text custom field of the account, to which the idempotency key is written;
        None without one
    :param consistency_delay: seconds after which Usedesk has carried out and lists a request without a
        response
    """

    key_prefix: str = DEFAULT_PREFIX
    key_field_id: int | None = None
    consistency_delay: float = 120.0


def read_delivery_settings(
    extra: Mapping[str, Any], labels: Mapping[str, str]
) -> tuple[DeliverySettings, list[str]]:
    """
    Return the settings, with the default in place of each wrong one, and what is wrong.

    :param extra: the extra fields of the connection
    :param labels: the label of each field in the form of the connection
    """
    from airflow_provider_usedesk.api.settings import OptionReader

    reader = OptionReader(extra, labels)
    settings = DeliverySettings(
        key_prefix=reader.option("key_prefix", _prefix, DeliverySettings.key_prefix),
        key_field_id=reader.option("key_field_id", _field_id, None),
        consistency_delay=reader.option("consistency_delay", _delay, DeliverySettings.consistency_delay),
    )
    return settings, reader.reasons


def _prefix(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value.strip()) <= MAX_PREFIX:
        raise ValueError(f"must be a text of 1 to {MAX_PREFIX} characters")
    return value.strip()


def _field_id(value: Any) -> int:
    text = str(value).strip()
    if isinstance(value, bool) or not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ValueError("must be the id of a custom field, a number from 1")
    return int(text)


def _delay(value: Any) -> float:
    try:
        delay = float(value)
    except (TypeError, ValueError):
        delay = math.nan
    if isinstance(value, bool) or not 0 <= delay <= MAX_DELAY:
        raise ValueError(f"must be a number of seconds from 0 to {MAX_DELAY}")
    return delay
