"""
Send appointment reminders by WhatsApp at nine on every working day.

Trigger the Dag. It sends one message for each appointment, with one mapped task each. For long lists see
``usedesk_reminders_batch``.
"""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import Param, dag, task
except ImportError:  # Airflow 2.11
    from airflow.decorators import dag, task
    from airflow.models.param import Param

from airflow_provider_usedesk.operators.message import SendWhatsAppTemplateOperator


def reminder(visit: str, phone: str, variables: list[str]) -> dict[str, object]:
    # The key names the message: a retry or a clear recognizes it, even if the list has changed.
    return {"message_key": visit, "client_phone": phone, "template_variables": variables}


@dag(
    description="Send a WhatsApp template for each appointment",
    schedule="0 9 * * MON-FRI",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["usedesk", "example"],
    doc_md=__doc__,
    params={
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
def usedesk_whatsapp_reminders():
    # Airflow logs what a task returns, and this names clients.
    @task(show_return_value_in_logs=False)
    def appointments_of_today() -> list[dict[str, object]]:
        return [
            reminder("visit-1", "79511234567", ["John", "18:00", "London"]),
            reminder("visit-2", "79511234568", ["Anna", "18:30", "Riga"]),
            reminder("visit-3", "79511234569", ["Boris", "19:00", "Minsk"]),
        ]

    SendWhatsAppTemplateOperator.partial(
        task_id="remind",
        channel_id="{{ params.whatsapp_channel }}",
        template_id="{{ params.template_id }}",
        tag="reminder",
        max_active_tis_per_dag=4,
    ).expand_kwargs(appointments_of_today())


usedesk_whatsapp_reminders()
