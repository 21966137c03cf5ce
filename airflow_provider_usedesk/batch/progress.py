"""The reports of the progress while a batch runs."""

from __future__ import annotations

import logging

from airflow_provider_usedesk.batch.batch_io import BatchIO
from airflow_provider_usedesk.batch.clock import Clock
from airflow_provider_usedesk.batch.run_state import RunState
from airflow_provider_usedesk.batch.summary import progress

log = logging.getLogger(__name__)


class ProgressReporter:
    """
    Logs and reports the progress at an interval, and uploads the result file.

    :param state: the state of the run
    :param io: the functions of the batch
    :param seconds: time between two reports
    :param clock: the clock
    """

    def __init__(self, state: RunState, io: BatchIO, seconds: float, clock: Clock) -> None:
        self._state = state
        self._io = io
        self._seconds = seconds
        self._clock = clock
        self._next = clock.monotonic() + seconds

    def report_if_due(self) -> None:
        """Report, unless the last report is too recent."""
        now = self._clock.monotonic()
        if now < self._next:
            return
        self._next = now + self._seconds
        summary = self._state.summary()
        log.info("%s", progress(summary))
        self._io.report(summary)
        self._io.results.sync()
