"""Fault injection: errors ordered in advance for a number of requests."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

When = Literal["before", "after"]
# As HTTP defines it.
HEADER_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
Action = Literal["close", "delay", "answer", "half_answer"]


@dataclass(frozen=True)
class Fault:
    """
    One injected error.

    :param action: close the connection, delay, send another response, or send half of the true response
    :param when: ``before`` the request is read and handled, or ``after`` (the ticket exists)
    :param seconds: length of the delay, 0 to 3600
    :param status: HTTP status of the other response, 200 to 599
    :param body: its body
    :param content_type: its content type
    :param headers: its other headers
    :raises ValueError: for a value outside of these limits, half of a surrogate pair in the body, or a header
        that HTTP does not allow
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
            raise ValueError("when must be before or after.")
        if type(self.seconds) not in (int, float) or not 0 <= self.seconds <= 3600:
            raise ValueError("seconds must be a number from 0 to 3600.")
        if type(self.status) is not int or not 200 <= self.status <= 599:
            raise ValueError("status must be an integer from 200 to 599.")
        self.body.encode()
        _check_headers({"Content-Type": self.content_type, **self.headers})


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not re.fullmatch(HEADER_NAME, name) or name.lower() in ("content-length", "transfer-encoding"):
            raise ValueError("A header must have a valid name, not Content-Length or Transfer-Encoding.")
        if not re.fullmatch(r"[\t\x20-\x7e]*", value):
            raise ValueError("A header must not contain a line break, or characters that are not ASCII.")


def close(when: When = "before") -> Fault:
    """Close the connection without a response, before the request is read or after the ticket is created."""
    return Fault("close", when)


def delay(seconds: float, when: When = "before") -> Fault:
    """Wait before the request is handled, or before the response is sent."""
    return Fault("delay", when, seconds=seconds)


def answer(
    status: int = 200,
    body: Any = "",
    *,
    when: When = "before",
    content_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> Fault:
    """
    Send another response.

    :param status: HTTP status
    :param body: a string, or a value that is sent as JSON
    :param when: ``before`` the request is handled (and instead of it), or ``after``
    :param content_type: the content type
    :param headers: other headers
    """
    text = body if isinstance(body, str) else json.dumps(body)
    return Fault("answer", when, status=status, body=text, content_type=content_type, headers=headers or {})


def html(status: int = 502, when: When = "before") -> Fault:
    """Send the HTML page of a proxy as the response."""
    page = f"<!doctype html><title>{status}</title><h1>{status} nginx</h1>"
    return answer(status, page, when=when, content_type="text/html; charset=utf-8")


def rate_limited(retry_after: float | None = None, *, code_121: bool = False) -> Fault:
    """
    Refuse the request because of the rate limit.

    :param retry_after: seconds in the header ``Retry-After``; None for no header
    :param code_121: respond with code 121 and HTTP 200 instead of HTTP 429
    """
    headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
    body = {"code": 121, "error": "request limit exceeded"}
    return answer(200 if code_121 else 429, body, headers=headers)


def half_answer() -> Fault:
    """Create the ticket, send half of the response, and close the connection."""
    return Fault("half_answer", "after")


@dataclass
class _QueuedFault:
    fault: Fault
    times: int
    method: str | None


class FaultQueue:
    """The faults that are still to happen, in the order in which they were added."""

    def __init__(self) -> None:
        self._queue: list[_QueuedFault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault, times: int, method: str | None) -> None:
        with self._lock:
            self._queue.append(_QueuedFault(fault, times, method))

    def take(self, method: str) -> Fault | None:
        """Return the first fault for a request to this method, and reduce its number of times by one."""
        with self._lock:
            for queued in self._queue:
                if queued.method in (None, method):
                    queued.times -= 1
                    self._queue = [other for other in self._queue if other.times > 0]
                    return queued.fault
        return None

    def as_json(self) -> list[dict[str, Any]]:
        with self._lock:
            return [{**vars(one.fault), "times": one.times, "method": one.method} for one in self._queue]

    def clear(self) -> None:
        with self._lock:
            self._queue.clear()
