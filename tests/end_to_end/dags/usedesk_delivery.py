"""Messages whose delivery is waited for in the triggerer, over two connections."""

from __future__ import annotations

from datetime import datetime

from airflow_provider_usedesk.operators.message import SendWhatsAppMessageOperator
from tests.support.dags import dag


@dag(schedule=None, start_date=datetime(2026, 1, 1))
def usedesk_delivery():
    # No Dag is scheduled on what happens over the second one.
    for connection in ("usedesk_default", "usedesk_other"):
        SendWhatsAppMessageOperator(
            task_id=f"send_{connection}",
            usedesk_conn_id=connection,
            subject="s",
            message="m",
            channel_id=20054,
            user_id=2156,
            client_phone="79250000009",
            wait_for_delivery=True,
            deferrable=True,
            delivery_timeout=300,
        )


usedesk_delivery()
