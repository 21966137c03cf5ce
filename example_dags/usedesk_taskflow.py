"""
Build a ticket in Python from upstream data, comment on it, and assign it to an agent.

Trigger the Dag. The function ``report`` returns the arguments of the ticket: subject, message and priority
depend on the payments.
"""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import Param, dag, task
except ImportError:  # Airflow 2.11
    from airflow.decorators import dag, task
    from airflow.models.param import Param

from airflow_provider_usedesk.operators.comment import CreateCommentOperator
from airflow_provider_usedesk.operators.ticket import UpdateTicketOperator


@dag(
    description="Build a ticket with TaskFlow, comment on it and assign it",
    schedule="0 7 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["usedesk", "example"],
    doc_md=__doc__,
    params={
        "channel": Param(683, type="integer", title="Channel", description="Id of the channel of the ticket"),
        "agent": Param(
            2157, type="integer", title="Agent", description="Id of the agent to whom the ticket is assigned"
        ),
    },
)
def usedesk_taskflow():
    # Airflow logs what a task returns, and this names clients.
    @task(show_return_value_in_logs=False)
    def find_failed_payments() -> list[dict[str, str]]:
        return [
            {"order": "A-17", "client": "Anna", "reason": "card expired"},
            {"order": "A-23", "client": "Boris", "reason": "limit {{ exceeded }}"},
        ]

    @task.usedesk_ticket(channel_id="{{ params.channel }}", tag=["payments"], private_comment=True)
    def report(payments: list[dict[str, str]], ds: str | None = None) -> dict[str, object]:
        rows = "".join(f"<li>{one['order']}, {one['client']}: {one['reason']}</li>" for one in payments)
        return {
            # A manual run may have no logical date, and then no ds.
            "subject": f"{len(payments)} payments failed" + (f" on {ds}" if ds else ""),
            "message": f"<ul>{rows}</ul>",
            "priority": "urgent" if len(payments) > 1 else "low",
        }

    ticket = report(find_failed_payments())
    comment = CreateCommentOperator(
        task_id="comment",
        ticket_id=ticket,
        type="private",
        message="Found by run {{ run_id }}.",
    )
    assign = UpdateTicketOperator(
        task_id="assign",
        ticket_id=ticket,
        assignee_id="{{ params.agent }}",
        status="open",
    )
    comment >> assign


usedesk_taskflow()
