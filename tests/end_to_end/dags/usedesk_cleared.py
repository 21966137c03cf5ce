"""Tasks that are cleared after they have sent."""

from __future__ import annotations

from datetime import datetime

from airflow_provider_usedesk.operators.ticket import CreateTicketOperator
from tests.support.dags import DAG

with DAG("usedesk_cleared", start_date=datetime(2026, 1, 1), schedule=None, default_args={"retries": 2}):
    CreateTicketOperator(task_id="once", subject="once", message="m")
    CreateTicketOperator(task_id="again", subject="again", message="m", send_again_on_clear=True)
    CreateTicketOperator.partial(task_id="mapped", subject="mapped").expand(message=["a", "b"])
