"""Faults that are ordered over HTTP: as JSON, or with the form of the inbox."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_usedesk.sandbox import faults
from airflow_provider_usedesk.sandbox.state import State

FAULTS: Mapping[str, Callable[..., faults.Fault]] = {
    "close": faults.close,
    "delay": faults.delay,
    "answer": faults.answer,
    "html": faults.html,
    "rate_limited": faults.rate_limited,
    "half_answer": faults.half_answer,
}
NUMBERS: Mapping[str, Callable[[str], float]] = {
    "times": int,
    "status": int,
    "seconds": float,
    "retry_after": float,
}


def order_fault(state: State, order: Mapping[str, Any]) -> None:
    """
    Inject a fault into the next requests.

    :param state: the sandbox
    :param order: ``fault``, ``times`` (default 1), ``method`` (default: all), and the parameters of the fault
    :raises ValueError: for an unknown fault, parameter or value
    """
    arguments = {name: value for name, value in order.items() if name not in ("fault", "times", "method")}
    kind = order.get("fault", "")
    make = FAULTS.get(kind) if isinstance(kind, str) else None
    if make is None:
        raise ValueError(f"fault must be one of {', '.join(FAULTS)}.")
    if unknown := arguments.keys() - inspect.signature(make).parameters.keys():
        raise ValueError(f"The fault {kind} has no {', '.join(sorted(unknown))}.")
    try:
        state.fail(make(**arguments), order.get("times", 1), order.get("method"))
    except TypeError as error:
        raise ValueError(str(error)) from None


def form_order(kind: str, values: Mapping[str, str], **common: str) -> dict[str, Any]:
    """
    Build an order from the fields of the form, which has those of all faults.

    :param kind: the fault
    :param values: its fields; those that the fault does not have are ignored
    :param common: ``times`` and ``method``
    :raises ValueError: if a number is none
    """
    known = inspect.signature(FAULTS[kind]).parameters if kind in FAULTS else {}
    given = {**{name: text for name, text in values.items() if name in known}, **common}
    return {"fault": kind, **{name: _value(name, text) for name, text in given.items() if text.strip()}}


def _value(name: str, text: str) -> Any:
    try:
        return NUMBERS.get(name, str)(text)
    except ValueError:
        raise ValueError(f"{name} must be a number.") from None
