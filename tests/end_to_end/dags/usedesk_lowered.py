"""A task whose retries are lowered between two attempts: a test changes this file."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow_provider_usedesk.operators.ticket import CreateTicketOperator
from tests.support.dags import DAG

RETRIES = 3

with DAG("usedesk_lowered", start_date=datetime(2026, 1, 1), schedule=None):
    CreateTicketOperator(
        task_id="send",
        usedesk_conn_id="usedesk_lowered",
        subject="Reminder",
        message="m",
        client_phone="79250000001",
        send_again_on_clear=True,
        retries=RETRIES,
        retry_delay=timedelta(seconds=20),
    )
