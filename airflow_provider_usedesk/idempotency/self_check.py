"""The self-check: whether an account does what the delivery contract expects of Usedesk."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Protocol, Unpack

from airflow_provider_usedesk.api.errors import UsedeskError
from airflow_provider_usedesk.api.parameters import CreateTicketParameters
from airflow_provider_usedesk.api.records import TicketDetails, TicketRow
from airflow_provider_usedesk.api.responses import CreatedTicket
from airflow_provider_usedesk.api.ticket import with_custom_field
from airflow_provider_usedesk.hooks.delivery_settings import DeliverySettings
from airflow_provider_usedesk.idempotency.decision import Ambiguous, Found, LookUp
from airflow_provider_usedesk.idempotency.find_by_field import KeyField
from airflow_provider_usedesk.idempotency.find_ticket import Reader, TicketSearch
from airflow_provider_usedesk.idempotency.keys import (
    MAX_LENGTH,
    IdempotencyKey,
    content_digest,
    parse_key,
    recipient_digest,
    task_base,
)
from airflow_provider_usedesk.idempotency.likely_tickets import LikelyTickets
from airflow_provider_usedesk.idempotency.matching import as_utc
from airflow_provider_usedesk.idempotency.send_once import new_nonce
from airflow_provider_usedesk.idempotency.ticket_match import has_key, match_key

SUBJECT = "Airflow self-check"
MESSAGE = "The self-check of the Airflow provider for Usedesk created this ticket. It can be deleted."

EXACT_CLOCK = timedelta(seconds=5)
"""Clocks that differ less agree."""
PAGES = 3
"""Pages of the list in which the newest ticket must be."""


class Client(Reader, Protocol):
    """The part of the client that the self-check uses."""

    def create_ticket(self, **params: Unpack[CreateTicketParameters]) -> CreatedTicket: ...


@dataclass(frozen=True)
class CheckReport:
    """
    The result of a self-check.

    :param ticket_id: the ticket that it created
    :param findings: what it found, a sentence each
    :param problems: those of the findings with which the delivery contract does not work as configured
    """

    ticket_id: int
    findings: tuple[str, ...]
    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the delivery contract works as configured."""
        return not self.problems

    def as_dict(self) -> dict[str, Any]:
        """Return the report with lists, for XCom."""
        values = {name: list(value) if name != "ticket_id" else value for name, value in asdict(self).items()}
        return {"ok": self.ok, **values}


@dataclass(frozen=True)
class Finding:
    """
    What the self-check found.

    :param text: a sentence
    :param ok: whether the delivery contract works with it; default: true
    """

    text: str
    ok: bool = True


def check_delivery_contract(
    client: Client,
    settings: DeliverySettings,
    *,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> CheckReport:
    """
    Create a private ticket, find it as the operators do, and report what differs from the documentation.

    :param client: the client
    :param settings: the settings of the connection for the delivery contract
    :param sleep: waits for a number of seconds
    :param now: returns the current time, UTC
    :raises UsedeskError: when the ticket cannot be created, or Usedesk cannot be read
    """
    params: dict[str, Any] = {"subject": SUBJECT, "message": MESSAGE, "private_comment": True}
    key = IdempotencyKey(
        base=task_base(settings.key_prefix, SUBJECT, secrets.token_hex(8), SUBJECT, SUBJECT),
        recipient=recipient_digest(params),
        content=content_digest(params),
        nonce=new_nonce(),
    )
    text, began = text_of(key), now()
    params["additional_id"] = text
    if settings.key_field_id is not None:
        params = with_custom_field(params, settings.key_field_id, key.field_text)
    ticket_id = client.create_ticket(**params).ticket_id
    details = client.ticket(ticket_id)
    check = _Check(client, settings, key, ticket_id, began, now(), sleep, now)
    findings = [id_finding(text, details.additional_id), *check.findings(details)]
    problems = tuple(finding.text for finding in findings if not finding.ok)
    return CheckReport(ticket_id, tuple(finding.text for finding in findings), problems)


def text_of(key: IdempotencyKey) -> str:
    """
    Return a key as the longest text, with capital letters, and a space at its end.

    :param key: the key
    """
    whole = str(replace(key, label=f"{SUBJECT} ".upper().ljust(MAX_LENGTH, "X")))
    return f"{whole[:-1]} "


def id_finding(sent: str, shown: str | None) -> Finding:
    """
    Return what happened to an ``additional_id``.

    :param sent: what was sent: a key, with capital letters and a space at its end
    :param shown: what Usedesk shows
    """
    if shown is None:
        return Finding("Usedesk does not show the additional_id of the new ticket.", ok=False)
    if shown == sent:
        return Finding("Usedesk shows additional_id unchanged.")
    lowered, trimmed = sent.strip().casefold(), shown.strip().casefold()
    if not trimmed or not lowered.startswith(trimmed):
        kind = "as a number" if trimmed.isdigit() else "as another text"
        return Finding(f"Usedesk shows additional_id {kind}.", ok=False)
    changes = [
        "trimmed" if trimmed == lowered and not shown.endswith(" ") else "",
        "lower-cased" if shown == shown.lower() and not sent.startswith(shown) else "",
        f"cut after {len(shown)} characters" if trimmed != lowered else "",
    ]
    how = " and ".join(change for change in changes if change) or "with other capital letters"
    if parse_key(shown) == parse_key(sent):
        return Finding(f"Usedesk shows additional_id {how}. Keys survive this.")
    return Finding(f"Usedesk shows additional_id {how}. Keys do not survive this.", ok=False)


def clock_finding(created_at: str | None, began: datetime, ended: datetime) -> Finding:
    """
    Return how the clock of Usedesk differs from ours.

    :param created_at: when the ticket was created, as the list shows it
    :param began: before the ticket was created, UTC
    :param ended: after that, UTC
    """
    created = as_utc(created_at)
    if created is None:
        return Finding("The list shows no time of creation, so a search cannot tell which tickets are older.")
    difference = created - (began + (ended - began) / 2)
    if abs(difference) <= EXACT_CLOCK:
        return Finding("The times of Usedesk are UTC, and its clock agrees with that of Airflow.")
    direction = "ahead of" if difference > timedelta() else "behind"
    shown = timedelta(seconds=round(abs(difference).total_seconds()))
    return Finding(
        f"Read as UTC, the times of Usedesk are {shown} {direction} the clock of Airflow. Searches allow for "
        "this."
    )


@dataclass(frozen=True)
class _Check:
    client: Client
    settings: DeliverySettings
    key: IdempotencyKey
    ticket_id: int
    began: datetime
    ended: datetime
    sleep: Callable[[float], None]
    now: Callable[[], datetime]

    def findings(self, details: TicketDetails) -> Iterator[Finding]:
        row = self._wait_for_row(self._newest_pages)
        delay = f"{self.settings.consistency_delay:g} seconds"
        if row is None:
            yield Finding(
                f"The list of tickets does not show the new ticket within the consistency delay of {delay}.",
                ok=False,
            )
            return
        waited = math.ceil((self.now() - self.ended).total_seconds())
        yield Finding(
            f"The list of tickets shows a new ticket after at most {waited} seconds. The consistency delay "
            f"is {delay}."
        )
        yield clock_finding(row.created_at, self.began, self.ended)
        yield from self._page_findings()
        yield self._search_finding()
        yield from self._field_findings(details)

    def _newest_pages(self) -> Iterator[list[TicketRow]]:
        return self.client.ticket_pages(until_empty=True, sort="id", order="desc")

    def _wait_for_row(self, pages: Callable[[], Iterator[list[TicketRow]]]) -> TicketRow | None:
        """Return the row of the new ticket; None if it is not there within the consistency delay."""
        while True:
            for page in islice(pages(), PAGES):
                if found := [row for row in page if row.id == self.ticket_id]:
                    return found[0]
            passed = (self.now() - self.ended).total_seconds()
            if passed >= self.settings.consistency_delay:
                return None
            self.sleep(min(max(1.0, passed / 4), self.settings.consistency_delay - passed))

    def _page_findings(self) -> Iterator[Finding]:
        pages = self._newest_pages()
        ids = [row.id for row in next(pages, [])]
        if ids != sorted(ids, reverse=True):
            yield Finding("The list of tickets is not sorted, although the newest are asked for.", ok=False)
        if next(pages, None):
            yield Finding(f"A page of the list has {len(ids)} tickets.")
        else:
            yield Finding("The list has one page, so the size of a page is not known.")

    def _search_finding(self) -> Finding:
        step = LookUp("key", self.key, self.began, self.now())
        search = TicketSearch(
            self.client,
            LikelyTickets.of([(SUBJECT, None)]),
            has_key(step),
            sleep=self.sleep,
            now=self.now,
        )
        result = match_key(search(step.since, step.consistent_at), step)
        if isinstance(result, Found) and result.response.ticket_id == self.ticket_id:
            return Finding("The search of the operators finds the ticket.")
        reason = f": {result.reason}" if isinstance(result, Ambiguous) else ""
        return Finding(f"The search of the operators does not find the ticket{reason}.", ok=False)

    def _field_findings(self, details: TicketDetails) -> Iterator[Finding]:
        field_id = self.settings.key_field_id
        if field_id is None:
            yield Finding("The connection has no Key field id, so searches read the list of tickets.")
            return
        if details.custom_fields.get(field_id) != self.key.field_text:
            yield Finding(
                f"The custom field {field_id} does not show the key. It must be a text field of tickets.",
                ok=False,
            )
            return
        field = KeyField(self.client, field_id)
        try:
            yield self._filter_finding(field)
            yield _control_finding(field)
        except UsedeskError as error:
            yield Finding(f"Tickets cannot be filtered by the custom field {field_id}: {error}", ok=False)

    def _filter_finding(self, field: KeyField) -> Finding:
        value = self.key.field_text
        row = self._wait_for_row(lambda: field.pages(value, "desc"))
        others = next(field.pages(f"{value}.none", "desc"), [])
        if row is not None and field.shows(row, value) and not others:
            return Finding(f"The filter by the custom field {field.field_id} finds just the ticket.")
        why = "returns other tickets" if others else "does not return the ticket with its custom fields"
        return Finding(
            f"The filter by the custom field {field.field_id} {why}. Searches read the list instead.",
            ok=False,
        )


def _control_finding(field: KeyField) -> Finding:
    control = field.control()
    if control is not None and field.finds(control):
        return Finding("The control of the filter works: the oldest ticket with a key in the field is found.")
    return Finding(
        "The control of the filter does not work, so an empty result proves nothing. Searches read the list "
        "instead.",
        ok=False,
    )
