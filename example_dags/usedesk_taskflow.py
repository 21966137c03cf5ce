"""Build a ticket in Python from upstream data, comment on it, and assign it to an agent."""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2.11
    from airflow.decorators import dag, task

from airflow_provider_usedesk.operators.comment import CreateCommentOperator
from airflow_provider_usedesk.operators.ticket import UpdateTicketOperator


@dag(
    schedule="0 7 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["usedesk"],
    params={"channel": 683, "agent": 2157},
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
