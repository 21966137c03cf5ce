"""The functions through which a batch reaches the world: Usedesk, the result file, Airflow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from airflow_provider_usedesk.api.responses import CreatedTicket
from airflow_provider_usedesk.batch.loader import CheckRow
from airflow_provider_usedesk.batch.result_file import ResultWriter
from airflow_provider_usedesk.batch.row_store import CheckedRow
from airflow_provider_usedesk.batch.summary import Summary
from airflow_provider_usedesk.idempotency.decision import SearchResult


@dataclass(frozen=True)
class UnknownOutcome:
    """
    A row that may have been sent.

    :param row: the row, as it is now
    :param since: before this moment it was not sent, UTC
    :param until: after this moment it was not sent, UTC
    """

    row: CheckedRow
    since: datetime
    until: datetime


class LookUpRows(Protocol):
    """Searches Usedesk for the tickets of rows."""

    def __call__(
        self, outcomes: Sequence[UnknownOutcome], has_ticket: Callable[[int], bool]
    ) -> Iterable[tuple[int, SearchResult[CreatedTicket]]]:
        """
        Yield the result for each row, by its number.

        :param outcomes: the rows
        :param has_ticket: returns whether a ticket, by its id, belongs to another row
        """
        ...


@dataclass(frozen=True)
class BatchIO:
    """
    The functions through which a batch reaches Usedesk, the result file and Airflow.

    :param check: checks the parameters of a row
    :param send: sends a row
    :param look_up: searches Usedesk for the tickets of rows
    :param results: writes the outcome of each row
    :param report: reports the progress; default: nowhere
    :param count_requests: returns the number of requests so far
    """

    check: CheckRow
    send: Callable[[CheckedRow], CreatedTicket]
    look_up: LookUpRows
    results: ResultWriter
    report: Callable[[Summary], None] = lambda summary: None
    count_requests: Callable[[], int] = lambda: 0
