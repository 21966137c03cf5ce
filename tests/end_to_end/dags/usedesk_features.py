"""One task for each feature that no other Dag shows: delivery, a stored report, batches."""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from airflow_provider_usedesk.operators.batch import CreateTicketBatchOperator
from airflow_provider_usedesk.operators.message import SendWhatsAppMessageOperator
from airflow_provider_usedesk.sensors.message import MessageDeliverySensor
from tests.support.dags import DAG

ROWS = [{"id": number, "subject": f"Row {number}"} for number in range(1, 21)]
# A ticket that exists in reports only.
REPORTED = 4711


def batch(task_id: str, **options: str | None) -> None:
    CreateTicketBatchOperator(task_id=task_id, recipients=ROWS, row_key="id", message="m", **options)


with DAG(
    "usedesk_features",
    start_date=datetime(2026, 1, 1),
    schedule=None,
    default_args={"retries": 2, "retry_delay": timedelta(seconds=1)},
):
    SendWhatsAppMessageOperator(
        task_id="delivered",
        subject="Delivered",
        message="m",
        channel_id=20054,
        user_id=2156,
        client_phone="79250000009",
        wait_for_delivery=True,
        deferrable=True,
        delivery_timeout=1800,
    )
    MessageDeliverySensor(
        task_id="reported",
        ticket_id=REPORTED,
        source="webhook",
        deferrable=True,
        poke_interval=2,
        timeout=1800,
    )
    batch("batch", checkpoint_path=os.environ.get("USEDESK_CHECKPOINT_PATH"))
    batch("batch_without_folder")
