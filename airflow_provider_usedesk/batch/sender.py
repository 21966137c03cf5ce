"""The sender of a batch: checks rows, sends them, and looks them up in Usedesk."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Event
from typing import Any

from airflow_provider_usedesk.api import values
from airflow_provider_usedesk.api.attachments import Attachment, OpenUrl, file_sources
from airflow_provider_usedesk.api.client import UsedeskClient
from airflow_provider_usedesk.api.request import Request, attachments
from airflow_provider_usedesk.api.responses import CreatedTicket, as_id
from airflow_provider_usedesk.api.ticket import MessageProfile
from airflow_provider_usedesk.batch.batch_io import UnknownOutcome
from airflow_provider_usedesk.batch.digests import as_hex, digest
from airflow_provider_usedesk.batch.row_params import InvalidRow
from airflow_provider_usedesk.batch.row_store import CheckedRow
from airflow_provider_usedesk.batch.send_lease import SendLease
from airflow_provider_usedesk.delivery.confirmation import NotConfirmed
from airflow_provider_usedesk.idempotency.decision import Ambiguous, SearchResult
from airflow_provider_usedesk.idempotency.find_ticket import ReadBudget, TicketSearch
from airflow_provider_usedesk.idempotency.likely_tickets import LikelyTickets
from airflow_provider_usedesk.idempotency.ticket_match import has_ids, match_ids

log = logging.getLogger(__name__)

SHARED_ID = Ambiguous("another row of unknown outcome has the same additional_id")


@dataclass(frozen=True)
class RowCheck:
    """
    Checks the rows of a batch, and gives each its idempotency key; makes no request.

    :param client: the client of the API
    :param profile: what a message requires
    :param key: returns the idempotency key of a row, by its id
    :param files: the files that all rows share
    :param open_url: returns a path object for a URL
    """

    client: UsedeskClient
    profile: MessageProfile
    key: Callable[[str], str]
    files: Any
    open_url: OpenUrl

    def __call__(self, row_key: str, params: dict[str, Any]) -> tuple[Mapping[str, Any], Sequence[str]]:
        """
        Check the parameters of a row.

        :param row_key: key of the row
        :param params: its parameters
        :return: the fields of its request, and its own files
        :raises UsedeskInvalidRequest: naming every invalid argument
        :raises InvalidRow: if its files are neither paths nor URLs
        """
        given = params.get("additional_id")
        own_id = "" if values.is_empty(given) else values.name_text(given)
        keyed = {**params, "additional_id": own_id or self.key(as_hex(digest(row_key)))}
        if (files := params.get("files")) is self.files:
            return self.client.checked(keyed, self.profile).fields, []
        keyed["files"] = own_files = _paths(files)
        return self.client.checked(keyed, self.profile).fields, own_files

    def attachments(self, row: CheckedRow) -> tuple[Attachment, ...]:
        """
        Return the files of a row, or else those that all rows share.

        :param row: the row
        :raises UsedeskInvalidRequest: naming every file that is not there
        """
        return attachments(row.files or self.files, self.open_url)


@dataclass(frozen=True)
class MessageSender:
    """
    Sends the rows of a batch to Usedesk.

    :param check: checks the rows; its client sends them
    :param lease: the permission to send
    :param consistency_delay: seconds after the end of a request until Usedesk lists its ticket; default: 120
    :param channel_id: the channel that all rows share; default: None
    :param warns_without_confirmation: whether a message that is not confirmed counts as sent; default: false
    """

    check: RowCheck
    lease: SendLease
    consistency_delay: float = 120.0
    channel_id: Any = None
    warns_without_confirmation: bool = False
    _warned: Event = field(default_factory=Event, compare=False)

    @property
    def client(self) -> UsedeskClient:
        return self.check.client

    def send(self, row: CheckedRow) -> CreatedTicket:
        """
        Send a row (`create/ticket <https://api.usedocs.com/article/51378>`__).

        :param row: the row
        :raises UsedeskError: as :meth:`~airflow_provider_usedesk.api.client.UsedeskClient.send_checked` does
        :raises SendAborted: if the lease is closed before the request
        :raises NotConfirmed: if no messenger confirms the message
        """
        created = self.client.send_checked(Request(row.fields, self.check.attachments(row)))
        if not created.is_confirmed and self.check.profile.expects_confirmation(row.fields):
            self._report_no_confirmation(created, row.fields.get("channel_id"))
        return created

    def look_up(
        self, outcomes: Sequence[UnknownOutcome], has_ticket: Callable[[int], bool]
    ) -> Iterator[tuple[int, SearchResult[CreatedTicket]]]:
        """
        Search Usedesk for the tickets of rows, and yield the result for each row, by its number.

        :param outcomes: the rows
        :param has_ticket: returns whether a ticket, by its id, belongs to another row
        :raises SendAborted: if the lease is closed
        """
        rows_with_id = Counter(outcome.row.fields["additional_id"] for outcome in outcomes)
        found = self._search(outcomes, has_ticket)
        for row in (outcome.row for outcome in outcomes):
            own_id = row.fields["additional_id"]
            # Of two rows with one id, it is unknown whose ticket it is.
            yield row.number, found[own_id] if rows_with_id[own_id] == 1 else SHARED_ID

    def _report_no_confirmation(self, created: CreatedTicket, channel_id: Any) -> None:
        is_shared_channel = channel_id is None or str(channel_id) == str(self.channel_id).strip()
        error = NotConfirmed.of(created, channel_id, is_shared_channel=is_shared_channel)
        if not self.warns_without_confirmation:
            raise error
        if not self._warned.is_set():
            self._warned.set()
            log.warning("%s This is logged once; other rows may have no confirmation, too.", error)

    def _search(
        self, outcomes: Sequence[UnknownOutcome], has_ticket: Callable[[int], bool]
    ) -> Mapping[str, SearchResult[CreatedTicket]]:
        if not outcomes:
            return {}
        rows = [outcome.row for outcome in outcomes]
        own_ids = [row.fields["additional_id"] for row in rows]
        search = TicketSearch(
            self.client,
            LikelyTickets.of((row.fields.get("subject"), as_id(row.fields.get("client_id"))) for row in rows),
            is_enough=has_ids(own_ids),
            is_known=has_ticket,
            budget=ReadBudget.for_batch(len(rows)),
            sleep=self.lease.pause,
        )
        delay = timedelta(seconds=self.consistency_delay)
        seen = search(
            min(outcome.since for outcome in outcomes), max(outcome.until for outcome in outcomes) + delay
        )
        return match_ids(seen, own_ids)


def _paths(files: Any) -> list[str]:
    if values.is_empty(files):
        return []
    several = file_sources(files)
    paths = [files] if several is None else several
    if not all(isinstance(path, str) for path in paths):
        raise InvalidRow(["files: those of a row must be paths or URLs"])
    return paths
