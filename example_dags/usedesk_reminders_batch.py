"""
Send thousands of appointment reminders in one task.

The requests respect the rate limit of the connection (``requests_per_minute``). A retry resumes the batch.
Nobody is reminded twice, and no reminders are sent at night, or hours late because the Dag was paused.

Trigger the Dag. In ``make up`` it sends at any hour. Elsewhere it waits at night until the morning, unless
``USEDESK_QUIET_HOURS`` is empty. Select *Rehearse* to write all requests to a file in
``USEDESK_RESULTS_PATH``, and to send none.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

try:
    from airflow.sdk import DAG, Param
except ImportError:  # Airflow 2.11
    from airflow import DAG
    from airflow.models.param import Param

from airflow_provider_usedesk.operators.batch import SendWhatsAppTemplateBatchOperator

RESULTS = os.environ.get("USEDESK_RESULTS_PATH")
"""Folder or URL for the result files, which contain personal data."""
QUIET_HOURS = os.environ.get("USEDESK_QUIET_HOURS", "22:00-08:00") or None
"""When no client is written to; empty to send at any hour."""


def appointments(data_interval_end: Any = None) -> Iterator[dict[str, Any]]:
    """Yield the appointments row by row, as a database query would."""
    for number in range(int(os.environ.get("USEDESK_APPOINTMENTS", "20"))):
        yield {
            "appointment": f"{data_interval_end:%Y-%m-%d}/{number}" if data_interval_end else str(number),
            "client_phone": f"+7 900 {number:07d}",
            "name": f"Client {number}",
            "time": f"{9 + number % 9}:30",
        }


with DAG(
    "usedesk_reminders_batch",
    description="Send appointment reminders",
    start_date=datetime(2026, 1, 1),
    schedule="0 12 * * *",
    catchup=False,
    tags=["usedesk", "example"],
    doc_md=__doc__,
    params={
        "dry_run": Param(False, type="boolean", title="Rehearse", description="Write all requests, send none")
    },
):
    SendWhatsAppTemplateBatchOperator(
        task_id="remind",
        recipients=appointments,
        row_key="appointment",
        channel_id=123,
        template_id=8094,
        row_template={"template_variables": ["{{ row.name }}", "{{ row.time }}", "London"]},
        max_bad_rows="1%",
        quiet_hours=QUIET_HOURS,
        timezone=os.environ.get("USEDESK_TIMEZONE", "Europe/London") if QUIET_HOURS else None,
        deferrable=True,
        # When the Dag is unpaused, Airflow starts a run for the last interval.
        max_lateness=timedelta(hours=2),
        dry_run="{{ params.dry_run }}",
        results_path=f"{RESULTS}/{{{{ run_id }}}}.jsonl" if RESULTS else None,
        # Before Airflow 3.3 the checkpoint needs a folder that all workers share.
        checkpoint_path=os.environ.get("USEDESK_CHECKPOINT_PATH"),
        retries=3,
        retry_delay=timedelta(minutes=5),
    )
