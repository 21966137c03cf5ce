"""The settings of a connection for the delivery contract."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

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
    reasons: list[str] = []

    def read(name: str, parse: Callable[[Any], T], default: T) -> T:
        value = extra.get(name)
        if value is None or value == "":
            return default
        try:
            return parse(value)
        except (TypeError, ValueError) as error:
            reasons.append(f"{labels.get(name, name)} {error}")
            return default

    settings = DeliverySettings(
        key_prefix=read("key_prefix", _prefix, DeliverySettings.key_prefix),
        key_field_id=read("key_field_id", _field_id, None),
        consistency_delay=read("consistency_delay", _delay, DeliverySettings.consistency_delay),
    )
    return settings, reasons


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
