"""What a batch has to do: its rows read, checked, and put on the row_store."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from itertools import islice
from typing import Any

from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest
from airflow_provider_usedesk.batch.checkpoint import Checkpoint, Seen
from airflow_provider_usedesk.batch.options import as_number
from airflow_provider_usedesk.batch.row_params import InvalidRow, RowParams
from airflow_provider_usedesk.batch.row_store import Done, RowStore, Sendable
from airflow_provider_usedesk.batch.rows import Row, Unreadable
from airflow_provider_usedesk.batch.summary import Outcome, Tally

log = logging.getLogger(__name__)

Check = Callable[[str, dict[str, Any]], tuple[Mapping[str, Any], Sequence[str]]]


class TooManyBadRows(UsedeskInvalidRequest):
    """Report that nothing was sent, for too many rows are not valid."""


class RowLoader:
    """
    Read the recipients, check them, and put those that are to be sent on the row_store.

    :param rows: the recipients
    :param arguments: makes the parameters of a row
    :param check: checks the parameters of the row with a key: what Usedesk gets, and files of its own
    :param tally: where the rows are noted that are not to be sent
    """

    def __init__(
        self, rows: Iterable[Row | Unreadable], arguments: RowParams, check: Check, tally: Tally
    ) -> None:
        self._rows = iter(rows)
        self._arguments = arguments
        self._check = check
        self._tally = tally
        self._fingerprint = sha256()
        self.read = 0
        self.to_send = 0
        self.is_read = False
        self.is_changed = False

    def go_on(
        self,
        row_store: RowStore,
        checkpoint: Checkpoint,
        limit: int | None = None,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Read on, all rows or some of them."""
        last = self.read + limit if limit else None
        for row in islice(self._rows, limit):
            self.read += 1
            if isinstance(row, Unreadable):
                self._fingerprint.update(b"?")
                self._tally.note(Outcome.BAD, row.number, "", reason=row.reason)
            else:
                self._add(row, row_store)
            if is_stopped() or self.read == last:
                return
        self.is_read = True
        self._compare_with_earlier(row_store, checkpoint)

    def check_bad_rows(self, most: float) -> None:
        """
        See that the rows have no more validation errors than allowed.

        :param most: how many rows may have some, as a number or a share
        :raises TooManyBadRows: when more have
        """
        bad, reasons = self._tally.counts[Outcome.BAD], self._tally.reasons
        if self.is_read and bad > as_number(most, self.read):
            more = [f"and {bad - len(reasons)} more rows"] if bad > len(reasons) else []
            raise TooManyBadRows([f"{bad} of {self.read} rows are not valid", *reasons, *more])

    def _add(self, row: Row, row_store: RowStore) -> None:
        self._fingerprint.update(_as_bytes(row.columns))
        key = ""
        try:
            key = self._arguments.key(row.columns)
            fields, files = self._check(key, self._arguments.parameters(row.columns))
        except (InvalidRow, UsedeskInvalidRequest) as error:
            self._tally.note(Outcome.BAD, row.number, key, reason="; ".join(error.validation_errors))
            return
        claimed = row_store.claim(key, row.number)
        if isinstance(claimed, Done):
            self._note_done_before(row.number, key, claimed)
        elif claimed is not None:
            self._tally.note(Outcome.DUPLICATE, row.number, key, reason=f"the same key as row {claimed}")
        else:
            row_store.add(Sendable(row.number, key, fields, files))
            self.to_send += 1

    def _note_done_before(self, number: int, key: str, done: Done) -> None:
        # What was not delivered stays a failure, as it does for a single message.
        self.to_send += done.not_delivered
        outcome = Outcome.NOT_DELIVERED if done.not_delivered else Outcome.SKIPPED
        self._tally.note(outcome, number, key, done.ticket_id)

    def _compare_with_earlier(self, row_store: RowStore, checkpoint: Checkpoint) -> None:
        seen, before = Seen(self.read, self._fingerprint.hexdigest()), checkpoint.seen
        checkpoint.write_seen(seen)
        if before is None or before == seen:
            return
        self.is_changed = True
        log.warning(
            "The recipients are not those of the earlier try: %d rows now, %d then. Rows are known by their "
            "keys: %d of them were sent and are not sent again; %d that were sent are no longer among them.",
            seen.rows,
            before.rows,
            self._tally.counts[Outcome.SKIPPED],
            row_store.count_missing(),
        )


def _as_bytes(columns: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(columns, default=str, sort_keys=True).encode()
    except (TypeError, ValueError, RecursionError):
        # A function may yield what JSON cannot hold; what is sent of it is checked elsewhere.
        return json.dumps(sorted(columns)).encode()
