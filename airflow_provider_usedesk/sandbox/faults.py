"""What can be made to go wrong: told in advance, for a number of requests."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

When = Literal["before", "after"]
Action = Literal["close", "delay", "answer", "half_answer"]


@dataclass(frozen=True)
class Fault:
    """
    Describe one thing that goes wrong.

    :param action: close the connection, delay, give another answer, or give half of the true one
    :param when: ``before`` the request is read and handled, or ``after`` (the ticket is made)
    :param seconds: how long to delay
    :param status: HTTP status of the other answer
    :param body: its body
    :param content_type: its content type
    :param headers: its other headers
    """

    action: Action
    when: When = "before"
    seconds: float = 0.0
    status: int = 200
    body: str = ""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.when not in ("before", "after"):
            raise ValueError("when must be before or after")
        if type(self.seconds) not in (int, float) or not 0 <= self.seconds <= 3600:
            raise ValueError("seconds must be a number from 0 to 3600")
        if type(self.status) is not int or not 200 <= self.status <= 599:
            raise ValueError("status must be a number from 200 to 599")
        if re.search(r"[\r\n]", "".join((self.content_type, *self.headers, *self.headers.values()))):
            raise ValueError("a header cannot hold a line break")


def close(when: When = "before") -> Fault:
    """Close the connection without an answer, before reading the request or after the ticket is made."""
    return Fault("close", when)


def delay(seconds: float, when: When = "before") -> Fault:
    """Wait before handling the request, or before answering it."""
    return Fault("delay", when, seconds=seconds)


def answer(
    status: int = 200,
    body: Any = "",
    *,
    when: When = "before",
    content_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> Fault:
    """Give another answer: a body that is not a text is sent as JSON."""
    text = body if isinstance(body, str) else json.dumps(body)
    return Fault("answer", when, status=status, body=text, content_type=content_type, headers=headers or {})


def html(status: int = 502, when: When = "before") -> Fault:
    """Answer with the HTML page of a proxy."""
    page = f"<!doctype html><title>{status}</title><h1>{status} nginx</h1>"
    return answer(status, page, when=when, content_type="text/html; charset=utf-8")


def rate_limited(retry_after: float | None = None, *, code_121: bool = False) -> Fault:
    """Refuse for too many requests: HTTP 429, or code 121 in a 200."""
    headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
    body = {"code": 121, "error": "request limit exceeded"}
    return answer(200 if code_121 else 429, body, headers=headers)


def half_answer() -> Fault:
    """Make the ticket, send half of the answer, and close the connection."""
    return Fault("half_answer", "after")


@dataclass
class _Armed:
    fault: Fault
    times: int
    method: str | None


class FaultQueue:
    """Hold the faults that are still to happen, in the order in which they were told."""

    def __init__(self) -> None:
        self._armed: list[_Armed] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault, times: int, method: str | None) -> None:
        with self._lock:
            self._armed.append(_Armed(fault, times, method))

    def take(self, method: str) -> Fault | None:
        """Return the fault for a request to this method, if there is one, and count it."""
        with self._lock:
            for armed in self._armed:
                if armed.method in (None, method):
                    armed.times -= 1
                    self._armed = [other for other in self._armed if other.times > 0]
                    return armed.fault
        return None

    def waiting(self) -> list[dict[str, Any]]:
        with self._lock:
            return [{**vars(one.fault), "times": one.times, "method": one.method} for one in self._armed]

    def clear(self) -> None:
        with self._lock:
            self._armed.clear()
