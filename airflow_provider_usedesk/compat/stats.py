"""Airflow's metrics: counters and timers in StatsD or OpenTelemetry, as the configuration of Airflow says."""

from __future__ import annotations

import sys
from datetime import timedelta
from functools import cache
from importlib import import_module
from typing import Any

PREFIX = "usedesk"

# The newest first. Tasks configure another module than Airflow's own services; triggers may use both, because
# Airflow configures that of tasks when it reads the arguments of a trigger.
_OF_TASKS = ("airflow.sdk.observability.stats", "airflow.observability.stats", "airflow.stats")
_OF_SERVICES = _OF_TASKS[1:]


def count(name: str, number: int = 1) -> None:
    """
    Add to a counter, in a task or a trigger; do nothing in a program that does not use Airflow.

    :param name: its name without the prefix ``usedesk.``; neither personal data nor a user's text
    :param number: how much to add; 0 adds nothing
    """
    if number and _uses_airflow():
        _stats(_OF_TASKS).incr(f"{PREFIX}.{name}", number)


def count_in_service(name: str) -> None:
    """
    Add 1 to a counter, in the API server.

    :param name: its name without the prefix ``usedesk.``
    """
    _stats(_OF_SERVICES).incr(f"{PREFIX}.{name}")


def add_time(name: str, seconds: float) -> None:
    """
    Add a measured time to a timer, in a task or a trigger; do nothing in a program that does not use Airflow.

    :param name: its name without the prefix ``usedesk.``
    :param seconds: the time
    """
    if _uses_airflow():
        _stats(_OF_TASKS).timing(f"{PREFIX}.{name}", timedelta(seconds=seconds))


def _uses_airflow() -> bool:
    # To load it only for a counter would cost a program a second and 80 MB.
    return "airflow" in sys.modules


@cache
def _stats(modules: tuple[str, ...]) -> Any:
    for path in modules:
        try:
            return import_module(path).Stats
        except (ImportError, AttributeError):
            continue
    raise ImportError(f"Airflow has none of the modules {', '.join(modules)}")
