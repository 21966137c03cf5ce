"""The writer of the checkpoint while a batch runs."""

from __future__ import annotations

from airflow_provider_usedesk.batch.checkpoint import Checkpoint
from airflow_provider_usedesk.batch.clock import Clock
from airflow_provider_usedesk.batch.row_states import RowStates
from airflow_provider_usedesk.batch.row_store import FinishedRow
from airflow_provider_usedesk.batch.send_lease import TICK


class CheckpointWriter:
    """
    Collects finished rows, and writes them to the checkpoint together with the rows that are open.

    :param checkpoint: the checkpoint, which is loaded
    :param states: the states of the rows
    :param clock: the clock
    """

    def __init__(self, checkpoint: Checkpoint, states: RowStates, clock: Clock) -> None:
        self._checkpoint = checkpoint
        self._states = states
        self._clock = clock
        self._finished: list[FinishedRow] = []
        self._written_at = clock.monotonic()
        self.sending_until = clock.now()
        """When the workers stop to send, UTC."""
        self.rate = 0.0
        """Rows that were finished in a second, between the last two writes."""

    def add(self, row: FinishedRow) -> None:
        """Add a row to the next write."""
        self._finished.append(row)

    def write(self) -> None:
        """
        Write the checkpoint.

        :raises CheckpointTaken: if another attempt of the task has begun
        """
        self._checkpoint.write(self._finished, self._states.open_rows(self.sending_until))
        now = self._clock.monotonic()
        self.rate = len(self._finished) / max(now - self._written_at, TICK)
        self._finished = []
        self._written_at = now

    def write_if_due(self, seconds: float) -> None:
        """
        Write the checkpoint if there are finished rows, and the last write is long enough ago.

        :param seconds: time between two writes
        """
        if self._finished and self._clock.monotonic() - self._written_at >= seconds:
            self.write()
