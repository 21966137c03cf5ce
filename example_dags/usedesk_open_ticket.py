"""Open a ticket with a value from an upstream task, send a WhatsApp template, and use both ticket ids."""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2.11
    from airflow.decorators import dag, task

from airflow_provider_usedesk.operators.message import SendWhatsAppTemplateOperator
from airflow_provider_usedesk.operators.ticket import CreateTicketOperator


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    tags=["usedesk"],
    params={"email_channel": 683, "whatsapp_channel": 123, "template_id": 8094},
)
def usedesk_open_ticket():
    # Airflow logs what a task returns, and this names clients.
    @task(show_return_value_in_logs=False, multiple_outputs=True)
    def find_overdue_invoice() -> dict[str, str]:
        return {"number": "2026-117", "client": "John", "phone": "+7 951 123-45-67", "amount": "120.00"}

    @task
    def collect_ids(ticket_id: int, message_ticket_id: int) -> dict[str, int]:
        return {"ticket": ticket_id, "message": message_ticket_id}

    invoice = find_overdue_invoice()
    open_ticket = CreateTicketOperator(
        task_id="open_ticket",
        subject="Invoice {{ ti.xcom_pull('find_overdue_invoice')['number'] }} is overdue",
        message="<p>{{ ti.xcom_pull('find_overdue_invoice')['client'] }} has not paid "
        "{{ ti.xcom_pull('find_overdue_invoice')['amount'] }}.</p>",
        client_name=invoice["client"],
        client_phone=invoice["phone"],
        channel_id="{{ params.email_channel }}",
        priority="urgent",
        tag=["invoice", "overdue"],
    )
    send_template = SendWhatsAppTemplateOperator(
        task_id="send_template",
        channel_id="{{ params.whatsapp_channel }}",
        client_phone=invoice["phone"],
        template_id="{{ params.template_id }}",
        template_variables=[invoice["client"], invoice["number"], invoice["amount"]],
        template_lang="en",
    )
    open_ticket >> send_template
    collect_ids(open_ticket.output, send_template.output)


usedesk_open_ticket()
