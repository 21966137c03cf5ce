"""
Ask a person in Usedesk for an approval, and continue when the ticket is solved.

Trigger the Dag. It opens a ticket and waits up to a day, without a worker. Set the status of the ticket to
Solved, and the last task runs. Delete the ticket, and the Dag fails.
"""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2.11
    from airflow.decorators import dag, task

from airflow_provider_usedesk.operators.ticket import CreateTicketOperator
from airflow_provider_usedesk.sensors.ticket import TicketStatusSensor


@dag(
    description="Wait until a person solves a ticket",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    tags=["usedesk", "example"],
    doc_md=__doc__,
)
def usedesk_approval():
    @task
    def count_refunds() -> int:
        return 17

    @task
    def pay_refunds(count: int, approval: dict[str, object]) -> str:
        return f"{count} refunds paid, ticket {approval['ticket_id']} is {approval['status_name']}"

    count = count_refunds()
    request_approval = CreateTicketOperator(
        task_id="request_approval",
        subject="May {{ ti.xcom_pull('count_refunds') }} refunds be paid?",
        message="<p>Solve this ticket to pay them. Delete it to stop.</p>",
        priority="urgent",
        tag="approval",
    )
    approved = TicketStatusSensor(
        task_id="approved",
        ticket_id=request_approval.output,
        deferrable=True,
        poke_interval=15,
        timeout=24 * 60 * 60,
    )
    count >> request_approval
    pay_refunds(count, approved.output)


usedesk_approval()
