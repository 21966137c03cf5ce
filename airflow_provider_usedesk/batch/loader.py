"""The loader of a batch: reads the recipients, checks them, and puts those to send into the row store."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Literal

from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest
from airflow_provider_usedesk.batch.checkpoint import Checkpoint
from airflow_provider_usedesk.batch.digests import digest
from airflow_provider_usedesk.batch.options import Limit, as_number
from airflow_provider_usedesk.batch.row import Row, UnreadableRow, place
from airflow_provider_usedesk.batch.row_params import InvalidRow, RowParams
from airflow_provider_usedesk.batch.row_source import RowSource
from airflow_provider_usedesk.batch.row_store import CheckedRow, EarlierRow, FinishedRow, RowStore
from airflow_provider_usedesk.batch.summary import MAX_REASONS, Outcome, OutcomeRecorder

log = logging.getLogger(__name__)

CheckRow = Callable[[str, dict[str, Any]], tuple[Mapping[str, Any], Sequence[str]]]
"""Checks the parameters of the row with a key; returns the fields of its request, and its own files."""


class TooManyBadRows(UsedeskInvalidRequest):
    """Too many rows are not valid; no row was sent."""


class RowLoader:
    """
    Reads the recipients, checks them, and puts those that are to be sent into the row store.

    :param rows: the recipients
    :param row_params: makes the parameters of a row
    :param check: checks the parameters of a row
    :param recorder: records the outcomes of rows that are not to be sent
    :param store: the row store
    :param checkpoint: stores the number and the hash of the recipients
    :param on_duplicate: whether to ``skip`` a row that is the same as an earlier one, or to refuse it
        (``fail``); default: skip
    """

    def __init__(
        self,
        rows: Iterable[Row | UnreadableRow],
        row_params: RowParams,
        check: CheckRow,
        recorder: OutcomeRecorder,
        store: RowStore,
        checkpoint: Checkpoint,
        on_duplicate: Literal["skip", "fail"] = "skip",
    ) -> None:
        self._source = RowSource(rows)
        self._row_params = row_params
        self._check = check
        self._recorder = recorder
        self._store = store
        self._checkpoint = checkpoint
        self._on_duplicate = on_duplicate
        self._duplicates: list[str] = []
        self._has_ambiguous_keys = False
        self.rows_read = 0
        self._rows_to_send = 0
        self._is_sending = False
        self._was_checked = False
        self.is_complete = False
        self.recipients_changed = False

    @property
    def total(self) -> int | None:
        """Number of rows; None until all were read."""
        return self._source.rows_read if self.is_complete or self._was_checked else None

    @property
    def rows_to_send(self) -> int:
        """Number of rows that are or were to be sent by this attempt, of those that were read."""
        unread = self._source.rows_read - self.rows_read
        # Rows of an earlier list may be finished, too, so that this is the least number.
        return self._rows_to_send + max(unread - self._store.removed, 0)

    def skip_check(self, max_bad_rows: Limit, is_stopped: Callable[[], bool]) -> bool:
        """
        Skip the check of all rows before the first is sent, if an earlier attempt has checked the same rows.

        Each row is still checked before it is sent.

        :param max_bad_rows: how many rows may be invalid
        :param is_stopped: returns whether to stop after the current row
        :return: whether it was skipped
        """
        earlier = self._checkpoint.recipients
        if earlier and earlier.checked and earlier.checked == self._row_params.fingerprint(max_bad_rows):
            is_complete = self._source.read_ahead(is_stopped)
            self._was_checked = is_complete and self._source.recipients == replace(earlier, checked=None)
        return self._was_checked

    def load(self, limit: int | None = None, is_stopped: Callable[[], bool] = lambda: False) -> None:
        """
        Load the next rows.

        :param limit: number of rows; default: None, all, before any of them is sent
        :param is_stopped: returns whether to stop after the current row
        """
        self._is_sending = limit is not None
        last = self.rows_read + limit if limit else None
        for row in islice(self._source, limit):
            self.rows_read += 1
            if isinstance(row, UnreadableRow):
                self._recorder.record(Outcome.BAD, row.number, "", reason=row.reason, line=row.line)
            else:
                self._add(row)
            if is_stopped() or self.rows_read == last:
                return
        self.is_complete = True
        self._warn_of_duplicates()
        self._compare_with_earlier_attempt()

    def check_bad_rows(self, limit: Limit) -> None:
        """
        Check that not too many rows are invalid, and store that these rows were checked.

        :param limit: how many may be
        :raises TooManyBadRows: if more are
        """
        if not self.is_complete:
            return
        bad, reasons = self._recorder.counts[Outcome.BAD], self._recorder.reasons
        if bad > as_number(limit, self.rows_read):
            more = [f"and {bad - len(reasons)} more rows"] if bad > len(reasons) else []
            raise TooManyBadRows([f"{bad} of {self.rows_read} rows are not valid", *reasons, *more])
        if not self._has_ambiguous_keys:
            checked = self._row_params.fingerprint(limit)
            self._checkpoint.write_recipients(replace(self._source.recipients, checked=checked))

    def _add(self, row: Row) -> None:
        key = ""
        try:
            key = self._row_params.key(row.columns, row.names)
            # By its key alone, so that an attempt that resumes soon sends.
            if finished := self._store.skip_finished(digest(key), row):
                self._record_finished(row.number, key, finished)
                return
            checked = self._checked(row, key)
        except (InvalidRow, UsedeskInvalidRequest) as error:
            reason = "; ".join(error.validation_errors)
            self._recorder.record(Outcome.BAD, row.number, key, reason=reason, line=row.line)
            return
        self._register(checked)

    def _checked(self, row: Row, key: str) -> CheckedRow:
        fields, files = self._check(key, self._row_params.parameters(row.columns, row.names))
        return CheckedRow(row.number, key, fields, files, row.line)

    def _register(self, row: CheckedRow) -> None:
        earlier = self._store.register_key(row)
        if earlier is None:
            self._store.add(row)
            self._rows_to_send += 1
        elif isinstance(earlier, FinishedRow):
            self._record_finished(row.number, row.key, earlier)
        elif not (earlier.is_same or self._is_same_unchecked(row)):
            self._refuse_both(row, earlier)
        elif self._on_duplicate == "fail":
            self._refuse(row, f"is the same as {_place(earlier)}")
        else:
            if len(self._duplicates) < MAX_REASONS:
                self._duplicates.append(f"{_place(row)} is the same as {_place(earlier)}")
            reason = f"the same as {_place(earlier)}"
            self._recorder.record(Outcome.DUPLICATE, row.number, row.key, reason=reason)

    def _is_same_unchecked(self, row: CheckedRow) -> bool:
        """Return whether a row has the content of the one with its key that was skipped without a check."""
        unchecked = self._store.unchecked(row.digest)
        if unchecked is None:
            return False
        try:
            content = self._checked(unchecked, row.key).content
        except (InvalidRow, UsedeskInvalidRequest):
            return False
        self._store.set_content(row.digest, content)
        return content == row.content

    def _refuse_both(self, row: CheckedRow, earlier: EarlierRow) -> None:
        """Refuse rows with one key and different contents: a later attempt could not tell them apart."""
        self._has_ambiguous_keys = True
        self._store.set_content(row.digest, None)
        if not self._is_sending and self._store.remove(earlier.number):
            self._rows_to_send -= 1
            self._refuse(replace(row, number=earlier.number, line=earlier.line), _same_key(row))
        self._refuse(row, _same_key(earlier))

    def _refuse(self, row: CheckedRow, reason: str) -> None:
        self._recorder.record(Outcome.BAD, row.number, row.key, reason=reason, line=row.line)

    def _warn_of_duplicates(self) -> None:
        count, named = self._recorder.counts[Outcome.DUPLICATE], "; ".join(self._duplicates)
        if count:
            more = f"; and {count - len(self._duplicates)} more" if count > len(self._duplicates) else ""
            log.warning("%d rows are not sent because they repeat an earlier row: %s%s.", count, named, more)

    def _record_finished(self, number: int, key: str, row: FinishedRow) -> None:
        # A message that was not delivered stays a failure, as it does for a single message.
        self._rows_to_send += row.not_delivered
        outcome = Outcome.NOT_DELIVERED if row.not_delivered else Outcome.SKIPPED
        self._recorder.record(outcome, number, key, row.ticket_id)

    def _compare_with_earlier_attempt(self) -> None:
        if self._was_checked:
            return
        now, earlier = self._source.recipients, self._checkpoint.recipients
        self._checkpoint.write_recipients(now)
        if earlier is None or replace(earlier, checked=None) == now:
            return
        self.recipients_changed = True
        log.warning(
            "The recipients differ from those of the earlier attempt: %d rows now, %d then. A row is "
            "identified by its key: %d rows were sent and are not sent again; %d rows that were sent are no "
            "longer among the recipients.",
            now.rows,
            earlier.rows,
            self._recorder.counts[Outcome.SKIPPED],
            self._store.removed,
        )


def _same_key(row: CheckedRow | EarlierRow) -> str:
    return (
        f"row_key: has the key of {_place(row)}, but another content; each recipient needs a key of its own "
        "(a spreadsheet may have shortened long numbers)"
    )


def _place(row: CheckedRow | EarlierRow) -> str:
    return place(row.number, row.line)
