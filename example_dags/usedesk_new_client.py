"""
Keep a client of the shop in Usedesk, and open a ticket for the client.

Trigger the Dag. It creates the client, or finds the one with the same e-mail address, writes a note, and
opens a private ticket. A second run finds the client and opens a second ticket.
"""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2.11
    from airflow.decorators import dag, task

from airflow_provider_usedesk.operators.client import CreateClientOperator, UpdateClientOperator
from airflow_provider_usedesk.operators.ticket import CreateTicketOperator


@dag(
    description="Find or create a client, and open a ticket",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["usedesk", "example"],
    doc_md=__doc__,
)
def usedesk_new_client():
    # Without its result in the log of the task, because it names a client.
    @task(show_return_value_in_logs=False)
    def read_order() -> dict[str, str]:
        # Read the address in the same way from your shop: here it is an invented one.
        return {"number": "2026-117", "email": "buyer-117@example.org"}

    order = read_order()
    client = CreateClientOperator(
        task_id="find_or_create_client",
        name="Buyer of order {{ ti.xcom_pull('read_order')['number'] }}",
        emails=[order["email"]],
        find_existing="email",
    )
    UpdateClientOperator(
        task_id="note_order",
        client_id=client.output,
        note="Order {{ ti.xcom_pull('read_order')['number'] }}",
        status_vip=True,
    )
    CreateTicketOperator(
        task_id="open_ticket",
        client_id=client.output,
        subject="Call about order {{ ti.xcom_pull('read_order')['number'] }}",
        message="Ask when to deliver.",
        private_comment=True,
    )


usedesk_new_client()
