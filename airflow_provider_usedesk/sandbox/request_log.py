"""The log of API requests: the last ones, with their results, and one line for each on a logger."""

from __future__ import annotations

import json
import logging
import re
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from airflow_provider_usedesk.sandbox.faults import Fault
from airflow_provider_usedesk.sandbox.raw_request import RawRequest

MAX_REQUESTS = 1000
MAX_REASON = 300
# Polling must not push out the requests that people look for.
READING = frozenset({"ticket", "tickets", "clients", "client", "channels", "groups", "users", "tags"})
READING_PREFIXES = ("ticket/",)

logger = logging.getLogger("airflow_provider_usedesk.sandbox")


@dataclass(frozen=True)
class LoggedRequest:
    """
    An API request with its result.

    :param number: its sequence number, from 1
    :param at: time of the response, UTC
    :param method: the API method, such as ``create/ticket``
    :param status: HTTP status of the response; None if the connection was closed without one
    :param refusal: code and text of the error; None if the request was not refused
    :param fault: the injected fault; None without one
    :param ticket_id: the ticket; None where there is none
    :param raw: the request as it was received, without the token
    :param response: the content of the response
    """

    number: int
    at: datetime
    method: str
    status: int | None
    refusal: str | None
    fault: str | None
    ticket_id: int | None
    raw: RawRequest
    response: Any = None

    @property
    def is_ok(self) -> bool:
        return self.refusal is None and self.fault is None

    @property
    def only_reads(self) -> bool:
        return _only_reads(self.method)

    @property
    def reason(self) -> str:
        """Why it did not succeed; empty if it did."""
        parts = [f"fault: {self.fault}" if self.fault else "", self.refusal or ""]
        return "; ".join(part for part in parts if part)

    def __str__(self) -> str:
        """Return a line without tokens and personal data."""
        status = "no response" if self.status is None else str(self.status)
        ticket = f" ticket {self.ticket_id}" if self.ticket_id else ""
        refusal = f" refused: {self.refusal}" if self.refusal else ""
        fault = f" fault: {self.fault}" if self.fault else ""
        method = re.sub(r"[^\w/.-]", "?", self.method)[:80]
        return f"{self.raw.verb} {method} {status}{ticket}{refusal}{fault}"


class RequestLog:
    """
    The last requests, those that only read apart from the others.

    :param clock: returns the time in seconds since 1970
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._count = 0
        self._reads: deque[LoggedRequest] = deque(maxlen=MAX_REQUESTS)
        self._others: deque[LoggedRequest] = deque(maxlen=MAX_REQUESTS)

    def add(
        self,
        method: str,
        raw: RawRequest,
        params: Mapping[str, Any],
        response: tuple[int | None, Any],
        fault: Fault | None,
    ) -> None:
        """
        Add a request.

        :param method: the API method
        :param raw: the request without the token
        :param params: its parameters
        :param response: HTTP status and content of the response
        :param fault: the injected fault
        """
        status, content = response
        with self._lock:
            self._count += 1
            request = LoggedRequest(
                number=self._count,
                at=datetime.fromtimestamp(self._clock(), UTC),
                method=method,
                status=status,
                refusal=_refusal(content),
                fault=fault_text(fault) if fault else None,
                ticket_id=_ticket_id(params, content),
                raw=raw,
                # The lists are long, and can be read again.
                response=None if _only_reads(method) and _refusal(content) is None else content,
            )
            (self._reads if _only_reads(method) and request.is_ok else self._others).append(request)
        logger.info("%s", request)

    def requests(self) -> tuple[LoggedRequest, ...]:
        """Return the requests, oldest first."""
        with self._lock:
            return tuple(sorted([*self._reads, *self._others], key=lambda one: one.number))

    def clear(self) -> None:
        with self._lock:
            self._reads.clear()
            self._others.clear()


def fault_text(fault: Fault) -> str:
    """Return a description of a fault, such as ``close after``."""
    details = {"delay": f" {fault.seconds:g} s", "answer": f" {fault.status}"}.get(fault.action, "")
    return f"{fault.action.replace('_', ' ')}{details} {fault.when}"


def _only_reads(method: str) -> bool:
    return method in READING or method.startswith(READING_PREFIXES)


def _refusal(content: Any) -> str | None:
    if not isinstance(content, dict) or not ("error" in content or "message" in content):
        return None
    error = content.get("error", content.get("message"))
    text = error if isinstance(error, str) else json.dumps(error, ensure_ascii=False)
    code = content.get("code")
    return (text if code is None else f"{code} {text}")[:MAX_REASON]


def _ticket_id(params: Mapping[str, Any], content: Any) -> int | None:
    found = content.get("ticket_id") if isinstance(content, dict) else None
    text = str(found or params.get("ticket_id", ""))
    return int(text) if re.fullmatch(r"[0-9]{1,10}", text) else None
