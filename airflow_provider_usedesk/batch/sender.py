"""The sender of a batch in Usedesk: checked, sent, looked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_usedesk.api import values
from airflow_provider_usedesk.api.attachments import OpenUrl
from airflow_provider_usedesk.api.client import UsedeskClient
from airflow_provider_usedesk.api.request import Request, attachments
from airflow_provider_usedesk.api.responses import CreatedTicket, as_id
from airflow_provider_usedesk.api.ticket import MessageProfile, ticket_request
from airflow_provider_usedesk.batch.row_params import InvalidRow
from airflow_provider_usedesk.batch.row_store import Sendable, name_of
from airflow_provider_usedesk.batch.unknown_outcomes import Doubt, asked_together
from airflow_provider_usedesk.batch.worker_pool import SendLease
from airflow_provider_usedesk.idempotency.decision import Ambiguous, LookUp, SearchResult
from airflow_provider_usedesk.idempotency.find_ticket import ReadBudget, TicketSearch
from airflow_provider_usedesk.idempotency.matching import CONSISTENCY_DELAY
from airflow_provider_usedesk.idempotency.ticket_patterns import COMPARED_FIELDS, WantedTicket

SHARED_ID = Ambiguous("another row in doubt has the same additional_id")


@dataclass(frozen=True)
class MessageSender:
    """
    Send the sender of a batch, each under a key of its own.

    :param client: sends
    :param way: what this way of sending needs
    :param key: the key of the task
    :param files: files that all sender share
    :param open_url: makes a path object of the URL of a file
    :param lease: whether rows may be sent now
    """

    client: UsedeskClient
    way: MessageProfile
    key: Callable[[str], str]
    files: Any
    open_url: OpenUrl
    lease: SendLease

    def checked(self, row_key: str, params: dict[str, Any]) -> tuple[Mapping[str, Any], Sequence[str]]:
        """
        Check the parameters of a row, and return what Usedesk gets and the row's own files.

        :raises UsedeskInvalidRequest: naming every invalid argument
        :raises InvalidRow: when its files are neither paths nor URLs
        """
        own_id = str(params.get("additional_id") or "").strip()
        keyed = {**params, "additional_id": own_id or self.key(f"/{name_of(row_key)}")}
        files = params.get("files")
        own_files = [] if files is self.files else _paths(files)
        return ticket_request(keyed, self.way, self.open_url).fields, own_files

    def send(self, row: Sendable) -> CreatedTicket:
        """Send a row that was checked."""
        files = attachments(row.files or self.files, self.open_url)
        return self.client.send_checked(Request(row.fields, files))

    def look_up(
        self, doubts: Sequence[Doubt], knows_ticket: Callable[[int], bool]
    ) -> Iterator[tuple[int, SearchResult[CreatedTicket]]]:
        """
        LookUp Usedesk which of some rows were sent, and tell it of each by its number.

        :param doubts: the rows
        :param knows_ticket: tells tickets of other rows
        """
        rows_with_id = Counter(doubt.row.fields["additional_id"] for doubt in doubts)
        for group in asked_together(doubts):
            search = TicketSearch(
                self.client,
                [_wanted(doubt) for doubt in group],
                knows_ticket,
                until=max(doubt.until for doubt in group),
                budget=ReadBudget.for_batch(len(group)),
                consistency_delay=CONSISTENCY_DELAY,
                sleep=self.lease.pause,
            )
            found = search(LookUp(group[0].since, is_exact=True))
            for row in (doubt.row for doubt in group):
                own_id = row.fields["additional_id"]
                # Of two rows with one id nobody can tell whose a ticket is.
                yield row.number, found[own_id] if rows_with_id[own_id] == 1 else SHARED_ID


def _wanted(doubt: Doubt) -> WantedTicket:
    fields = doubt.row.fields
    return WantedTicket(
        fields["additional_id"],
        fields.get("subject"),
        as_id(fields.get("client_id")),
        COMPARED_FIELDS if doubt.is_alike else frozenset(),
    )


def _paths(files: Any) -> list[str]:
    if values.is_empty(files):
        return []
    several = values.as_list(files)
    paths = [files] if several is None else several
    if not all(isinstance(path, str) for path in paths):
        raise InvalidRow(["files: those of a row must be paths or URLs"])
    return paths
