"""
Open a ticket with a value from an upstream task, send a WhatsApp template, and use both ticket ids.

Trigger the Dag. ``find_overdue_invoice`` stands for your query. The ids of both tickets are in XCom, and each
task links to its ticket.
"""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import Param, dag, task
except ImportError:  # Airflow 2.11
    from airflow.decorators import dag, task
    from airflow.models.param import Param

from airflow_provider_usedesk.operators.message import SendWhatsAppTemplateOperator
from airflow_provider_usedesk.operators.ticket import CreateTicketOperator


@dag(
    description="Open a ticket and send a WhatsApp template",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    tags=["usedesk", "example"],
    doc_md=__doc__,
    params={
        "email_channel": Param(
            683, type="integer", title="E-mail channel", description="Id of the channel of the ticket"
        ),
        "whatsapp_channel": Param(
            123, type="integer", title="WhatsApp channel", description="Id of the channel of the template"
        ),
        "template_id": Param(
            8094,
            type="integer",
            title="Template",
            description="Id of a WhatsApp Business template with three variables",
        ),
    },
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
