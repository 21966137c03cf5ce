"""What a running sandbox knows: its company, its settings, and what it was asked."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_usedesk.sandbox.call import Call, Refusal
from airflow_provider_usedesk.sandbox.faults import Fault, FaultQueue
from airflow_provider_usedesk.sandbox.methods import METHODS
from airflow_provider_usedesk.sandbox.update_ticket import checked, delivered, touched
from airflow_provider_usedesk.sandbox.webhook_sender import SentWebhook, WebhookSender
from airflow_provider_usedesk.sandbox.webhooks import (
    DELIVERED,
    Webhook,
    Webhooks,
    checked_redirect_url,
    ping,
    report,
    webhooks_of,
)
from airflow_provider_usedesk.sandbox.world import Ticket, World


@dataclass(frozen=True)
class Options:
    """
    Hold the settings of a sandbox.

    :param token: the API token that is known
    :param base_path: path of the API, such as ``/uapi``; empty for none
    :param errors_status: HTTP status of refusals; the real service is known to use 200
    :param listing_lag: seconds until a new ticket appears in ``tickets``
    :param offset_is: whether ``offset`` counts ``page`` or ``row``, wherever there is one
    """

    token: str = field(default="sandbox-token", repr=False)
    base_path: str = "/uapi"
    errors_status: int = 200
    listing_lag: float = 2.0
    offset_is: str = "page"

    @property
    def inbox_path(self) -> str:
        """Path of the inbox, apart from the paths of the API."""
        return "" if self.base_path else "/inbox"


class State:
    """
    Hold all that changes while a sandbox runs; its methods may be called from any thread.

    :param options: the settings
    :param clock: tells the time in seconds since 1970
    """

    def __init__(self, options: Options, clock: Callable[[], float]) -> None:
        self.options = options
        self.faults = FaultQueue()
        self._clock = clock
        self._world = World()
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._sender = WebhookSender()
        self._redirect_url: str | None = None
        self.webhooks = Webhooks()

    def count(self, method: str) -> None:
        with self._lock:
            self._counts[method] += 1

    def requests(self, method: str | None = None) -> int:
        with self._lock:
            return self._counts.total() if method is None else self._counts[method]

    def fail(self, fault: Fault, times: int = 1, method: str | None = None) -> None:
        if method not in (None, *METHODS):
            raise ValueError(f"method must be one of {', '.join(METHODS)}")
        if type(times) is not int or times < 1:
            raise ValueError("times must be a whole number from 1")
        self.faults.add(fault, times, method)

    def handle(self, method: str, given: Mapping[str, Any]) -> tuple[int, Any]:
        """Carry out one call; return the HTTP status and what to answer."""
        params = dict(given)
        if params.pop("api_token", None) != self.options.token:
            return self.options.errors_status, Refusal("invalid token", 112).as_json()
        with self._lock:
            try:
                answer = METHODS[method](self._call(params))
            except Refusal as refusal:
                self._world.kept.clear()
                return self.options.errors_status, refusal.as_json()
            self._tell()
            return 200, answer

    def tickets(self) -> tuple[Ticket, ...]:
        with self._lock:
            return tuple(self._world.tickets.values())

    def ticket(self, ticket_id: int) -> Ticket:
        with self._lock:
            return self._world.tickets[ticket_id]

    def update(self, ticket_id: int, changes: Mapping[str, Any]) -> Ticket:
        """Change a ticket as an agent does; return what it is now."""
        with self._lock:
            ticket = self._world.tickets[ticket_id]
            changed = touched(ticket, self._now(), checked(self._world, ticket, changes))
            self._world.keep(changed)
            self._tell()
            return changed

    @property
    def redirect_url(self) -> str | None:
        return self._redirect_url

    def redirect_to(self, url: str | None) -> None:
        """Send webhooks there from now on; Usedesk sends a first one when this is saved."""
        self._redirect_url = checked_redirect_url(url)
        self.send(ping())

    def send(self, webhook: Webhook) -> None:
        if self._redirect_url is not None:
            self._sender.send(self._redirect_url, webhook, self.webhooks)

    def report(self, ticket_id: int, status: str, comment_id: int | None) -> None:
        """Send a delivery report of a comment, or of the last one."""
        with self._lock:
            ticket = self._world.tickets[ticket_id]
            told = comment_id or ticket.comments[-1].id
            if status == DELIVERED:
                self._world.tickets[ticket_id] = delivered(ticket, told, self._now())
        self.send(report(ticket, told, status))

    def send_by_hand(self, body: dict[str, Any]) -> None:
        self.send(Webhook("by hand", None, body))

    def sent_webhooks(self) -> tuple[SentWebhook, ...]:
        return self._sender.sent()

    def wait_for_webhooks(self, timeout: float) -> None:
        self._sender.wait(timeout)

    def stop(self) -> None:
        self._sender.stop()

    def look(self) -> World:
        """Return the company to be shown; what it holds is never changed in place."""
        return self._world

    def reset(self) -> None:
        """Forget all tickets, clients, faults, counts and webhooks."""
        self.faults.clear()
        self._sender.forget()
        with self._lock:
            self._world = World()
            self._counts.clear()

    def _call(self, params: Mapping[str, Any]) -> Call:
        lag = timedelta(seconds=self.options.listing_lag)
        files_path = f"{self.options.inbox_path}/files"
        now, webhooks = self._now(), self.webhooks
        is_delivered = webhooks.delivery_status == DELIVERED
        delivered_at = now + timedelta(seconds=webhooks.delay) if is_delivered else None
        return Call(self._world, params, now, lag, self.options.offset_is, files_path, delivered_at)

    def _tell(self) -> None:
        """Send what became of the tickets that were kept since."""
        kept, self._world.kept = self._world.kept, []
        for before, after in kept:
            for webhook in webhooks_of(self._world, before, after, self.webhooks):
                self.send(webhook)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)
