"""The state of a running sandbox: its settings, its data and its counters, safe for any thread."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_usedesk.sandbox.address import LOOPBACK
from airflow_provider_usedesk.sandbox.call import Call, Refusal
from airflow_provider_usedesk.sandbox.company import Company, Ticket
from airflow_provider_usedesk.sandbox.faults import Fault, FaultQueue
from airflow_provider_usedesk.sandbox.message_delivery import Report, as_received, with_report
from airflow_provider_usedesk.sandbox.methods import METHODS, REQUIRED_VERB
from airflow_provider_usedesk.sandbox.request_log import RequestLog
from airflow_provider_usedesk.sandbox.state_file import StateFile
from airflow_provider_usedesk.sandbox.update_ticket import checked_changes, with_changes
from airflow_provider_usedesk.sandbox.webhook_sender import SentWebhook, WebhookSender
from airflow_provider_usedesk.sandbox.webhooks import (
    DELIVERED,
    Webhook,
    Webhooks,
    checked_redirect_url,
    delivery_report,
    ping,
    webhooks_of,
)


@dataclass(frozen=True)
class Options:
    """
    The settings of a sandbox.

    :param token: the valid API token
    :param listing_lag: seconds for which ``tickets`` does not list a new ticket
    :param offset_is: unit of ``offset``, ``page`` or ``row``
    :param filters_fields: whether ``tickets`` filters by custom fields, or ignores ``fields``
    :param additional_id: returns what ``ticket`` shows of an ``additional_id``
    :param shapes: form of responses and webhooks: ``pages``, as the method pages show them, or ``clients``,
        as public clients read them
    :param lenient: whether to accept what public clients send although the pages do not allow it
    :param hosts: names by which the server can be addressed
    :param airflow_url: URL of Airflow; None for no links
    :raises ValueError: for another form of responses
    """

    token: str = field(default="sandbox-token", repr=False)
    listing_lag: float = 2.0
    offset_is: str = "page"
    filters_fields: bool = True
    additional_id: Callable[[str], Any] = str
    shapes: str = "pages"
    lenient: bool = False
    hosts: tuple[str, ...] = LOOPBACK
    airflow_url: str | None = None

    def __post_init__(self) -> None:
        if self.shapes not in ("pages", "clients"):
            raise ValueError("shapes must be pages or clients.")


class State:
    """
    All that changes while a sandbox runs.

    :param options: the settings
    :param clock: returns the time in seconds since 1970
    :param file: keeps the data; None (default) for memory only
    """

    def __init__(self, options: Options, clock: Callable[[], float], file: StateFile | None = None) -> None:
        self.options = options
        self.faults = FaultQueue()
        self.log = RequestLog(clock)
        self.webhooks = Webhooks()
        self._clock = clock
        self._file = file
        self._company = (file.load() if file else None) or Company()
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._sender = WebhookSender()
        self._redirect_url: str | None = None

    def count_request(self, method: str) -> None:
        with self._lock:
            self._counts[method] += 1

    def requests(self, method: str | None = None) -> int:
        with self._lock:
            return self._counts.total() if method is None else self._counts[method]

    def fail(self, fault: Fault, times: int = 1, method: str | None = None) -> None:
        if method not in (None, *METHODS):
            raise ValueError(f"method must be one of {', '.join(METHODS)}.")
        if type(times) is not int or times < 1:
            raise ValueError("times must be an integer of at least 1.")
        self.faults.add(fault, times, method)

    def handle(self, method: str, given: Mapping[str, Any]) -> tuple[int, Any]:
        """Execute one call; return the HTTP status and the content of the response."""
        params = dict(given)
        if params.pop("api_token", None) != self.options.token:
            return 200, Refusal("invalid token", 112).as_json()
        with self._lock:
            try:
                content = METHODS[method](self._call(params))
            except Refusal as refusal:
                self._company.unsent_changes.clear()
                return refusal.status, refusal.as_json()
            self._send_changes()
            if REQUIRED_VERB.get(method) == "POST":
                self._changed()
            return 200, content

    def tickets(self) -> tuple[Ticket, ...]:
        with self._lock:
            return tuple(self._company.tickets.values())

    def ticket(self, ticket_id: int) -> Ticket:
        with self._lock:
            return self._company.tickets[ticket_id]

    def update(self, ticket_id: int, changes: Mapping[str, Any]) -> Ticket:
        """Change a ticket as an agent does; return the changed ticket."""
        with self._lock:
            ticket = self._company.tickets[ticket_id]
            changed = with_changes(ticket, self.now(), checked_changes(self._company, ticket, changes))
            changed = self._company.save(changed)
            self._send_changes()
            self._changed()
            return changed

    @property
    def redirect_url(self) -> str | None:
        return self._redirect_url

    @redirect_url.setter
    def redirect_url(self, url: str | None) -> None:
        self._redirect_url = checked_redirect_url(url)
        self.send(ping())

    def send(self, webhook: Webhook) -> None:
        """Send a webhook to the Redirect URL, if there is one."""
        if self._redirect_url is not None:
            self._sender.send(self._redirect_url, webhook, self.webhooks)

    def send_report(self, ticket_id: int, status: str, comment_id: int | None = None) -> None:
        """Send a delivery report for a comment, by default for the last one."""
        with self._lock:
            ticket, now = self._company.tickets[ticket_id], self.now()
            reported = comment_id or ticket.comments[-1].id
            self._company.tickets[ticket_id] = with_report(ticket, reported, status, now)
            self._add_report(reported, status, now)
            self._changed()
        self.send(delivery_report(ticket, reported, status))

    def write_as_client(self, params: Mapping[str, Any], ticket_id: int | None = None) -> Ticket:
        """
        Write as a client does: not through the API of the company, so that no messenger gets it.

        :param params: parameters of ``create/ticket`` or, with a ticket, of ``create/comment``
        :param ticket_id: the ticket on which the client replies; None for a new one
        :return: the ticket
        :raises Refusal: if the API would refuse it
        """
        method = "create/ticket" if ticket_id is None else "create/comment"
        given = {**params, "from": "client", "type": None if ticket_id is None else "public"}
        with self._lock:
            METHODS[method](self._call({**given, "ticket_id": ticket_id}))
            before, written = self._company.unsent_changes.pop()
            ticket = as_received(written)
            self._company.tickets[ticket.ticket_id] = ticket
            self._company.unsent_changes.append((before, ticket))
            self._send_changes()
            self._changed()
            return ticket

    def delete(self, ticket_id: int | None = None) -> None:
        """
        Delete a ticket, or all.

        :param ticket_id: the ticket; None for all
        :raises KeyError: if there is no such ticket
        """
        with self._lock:
            for number in [ticket_id] if ticket_id is not None else list(self._company.tickets):
                self._company.delete(number)
            self._changed()

    def resend(self, number: int) -> None:
        """
        Send a webhook again.

        :param number: its sequence number
        :raises KeyError: if it is not in the log
        """
        sent = next((one for one in self._sender.results() if one.number == number), None)
        if sent is None:
            raise KeyError(number)
        self.send(Webhook(sent.kind, sent.ticket_id, sent.body))

    def send_body(self, body: dict[str, Any]) -> None:
        self.send(Webhook("by hand", None, body))

    def webhooks_sent(self) -> tuple[SentWebhook, ...]:
        return self._sender.results()

    def wait_for_webhooks(self, timeout: float) -> None:
        self._sender.wait(timeout)

    def start(self) -> None:
        if self._file is not None:
            self._file.start(self.company)

    def stop(self) -> None:
        self._sender.stop()
        if self._file is not None:
            self._file.stop()

    def company(self) -> Company:
        """Return the data for display, a copy."""
        with self._lock:
            return self._company.copy()

    def reset(self) -> None:
        """Delete all tickets, clients, faults, counts and webhooks."""
        self.faults.clear()
        self.log.clear()
        self._sender.clear()
        with self._lock:
            self._company = Company()
            self._counts.clear()
            self._changed()

    def _call(self, params: Mapping[str, Any]) -> Call:
        now = self.now()
        is_delivered = self.webhooks.delivery_status == DELIVERED
        return Call(
            company=self._company,
            params=params,
            now=now,
            listing_lag=timedelta(seconds=self.options.listing_lag),
            offset_is=self.options.offset_is,
            filters_fields=self.options.filters_fields,
            additional_id=self.options.additional_id,
            delivered_at=now + timedelta(seconds=self.webhooks.delay) if is_delivered else None,
            shapes=self.options.shapes,
            is_lenient=self.options.lenient,
        )

    def _send_changes(self) -> None:
        """Send the webhooks for the tickets that were saved since the last call."""
        changes, self._company.unsent_changes = self._company.unsent_changes, []
        for before, after in changes:
            for webhook in webhooks_of(self._company, before, after, self.webhooks, self.options.shapes):
                self.send(webhook)
            for comment in after.comments[len(before.comments) if before else 0 :]:
                if comment.is_accepted and self.webhooks.delivery_status is not None:
                    due = self.now() + timedelta(seconds=self.webhooks.delay)
                    self._add_report(comment.id, self.webhooks.delivery_status, due)

    def _add_report(self, comment_id: int, status: str, at: datetime) -> None:
        known = self._company.reports.get(comment_id, ())
        report = Report(status, at, is_sent=self._redirect_url is not None)
        self._company.reports[comment_id] = (*known, report)

    def _changed(self) -> None:
        """Have the data saved, if a file was given."""
        if self._file is not None:
            self._file.changed()

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)
