"""The messages of a batch in Usedesk: checked, sent, looked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_usedesk.api.answers import CreatedTicket, as_id
from airflow_provider_usedesk.api.attachments import OpenUrl
from airflow_provider_usedesk.api.client import UsedeskClient
from airflow_provider_usedesk.api.request import Request, attachments
from airflow_provider_usedesk.api.ticket import Rules, ticket_request
from airflow_provider_usedesk.batch.arguments import FaultyRow
from airflow_provider_usedesk.batch.crew import Gate
from airflow_provider_usedesk.batch.ledger import Open
from airflow_provider_usedesk.batch.worklist import Sendable, digest
from airflow_provider_usedesk.send_once import Absent, Ask, Found, Unsure
from airflow_provider_usedesk.ticket_search import TicketsSearch, Wanted

# Seconds after which a request that was under way and a listing that lags are done.
SETTLE = 30.0


@dataclass(frozen=True)
class Messages:
    """
    Send the messages of a batch, each under a key of its own.

    :param client: sends
    :param way: what this way of sending needs
    :param key: the key of the task
    :param files: files that all messages share
    :param open_url: makes a path object of the URL of a file
    :param gate: whether rows may be sent now
    """

    client: UsedeskClient
    way: Rules
    key: Callable[[str], str]
    files: Any
    open_url: OpenUrl
    gate: Gate

    def checked(self, row_key: str, params: dict[str, Any]) -> tuple[Mapping[str, Any], Sequence[str]]:
        """
        Check the parameters of a row, and return what Usedesk gets and the row's own files.

        :raises UsedeskInvalidRequest: naming every faulty argument
        :raises FaultyRow: when its files are neither paths nor URLs
        """
        own_id = str(params.get("additional_id") or "").strip()
        keyed = {**params, "additional_id": own_id or self.key(f"/{digest(row_key) % 2**64:016x}")}
        files = params.get("files")
        own_files = [] if files is self.files else _paths(files)
        return ticket_request(keyed, self.way, self.open_url).fields, own_files

    def send(self, row: Sendable) -> CreatedTicket:
        """Send a row that was checked."""
        files = attachments(row.files or self.files, self.open_url)
        return self.client.send_checked(Request(row.fields, files))

    def look_up(
        self,
        rows: Sequence[Sendable],
        open_rows: Open,
        knows_ticket: Callable[[int], bool],
        fixed: frozenset[str],
    ) -> Mapping[int, Found[CreatedTicket] | Absent | Unsure]:
        """
        Ask Usedesk which of some rows were sent, by their numbers.

        :param rows: the rows
        :param open_rows: when they were sent, if they were
        :param knows_ticket: tells tickets of other rows
        :param fixed: what a ticket of an earlier try certainly has in common with that of this one
        """
        search = TicketsSearch(
            self.client,
            [_wanted(row, fixed) for row in rows],
            knows_ticket,
            until=open_rows.until,
            settle=SETTLE,
            sleep=self.gate.pause,
        )
        found = search(Ask(open_rows.since, is_exact=True))
        return {row.number: found[row.fields["additional_id"]] for row in rows}


def _wanted(row: Sendable, fixed: frozenset[str]) -> Wanted:
    subject = row.fields.get("subject")
    return Wanted(row.fields["additional_id"], subject, as_id(row.fields.get("client_id")), fixed)


def _paths(files: Any) -> list[str]:
    paths = [files] if isinstance(files, str) else list(files or ())
    if not all(isinstance(path, str) for path in paths):
        raise FaultyRow(["files: those of a row must be paths or URLs"])
    return paths
