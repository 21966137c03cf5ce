"""Send a message through each messenger of Usedesk."""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2.11
    from airflow.decorators import dag, task

from airflow_provider_usedesk.operators.message import (
    SendTelegramMessageOperator,
    SendViberMessageOperator,
    SendWhatsAppMessageOperator,
    SendWhatsAppTemplateOperator,
)


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    tags=["usedesk"],
    params={
        "agent": 2156,
        "whatsapp_channel": 20054,
        "infobip_channel": 20055,
        "viber_channel": 20060,
        "telegram_channel": 20070,
    },
)
def usedesk_channel_messages():
    # From a task, not from a Dag param: OpenLineage and the UI show the configuration of a run. Airflow logs
    # what a task returns, and this names a client.
    @task(show_return_value_in_logs=False)
    def find_client() -> dict[str, str]:
        return {"name": "Valeria", "phone": "79254697403", "telegram": "@ivanov"}

    client = find_client()

    SendWhatsAppMessageOperator(
        task_id="whatsapp_message",
        channel_id="{{ params.whatsapp_channel }}",
        user_id="{{ params.agent }}",
        client_phone=client["phone"],
        subject="Your order",
        message="Your order is ready. See you today!",
    )
    SendWhatsAppTemplateOperator(
        task_id="whatsapp_template_of_infobip",
        channel_id="{{ params.infobip_channel }}",
        client_phone=client["phone"],
        template_name="Main",
        template_variables=[client["name"]],
    )
    SendViberMessageOperator(
        task_id="viber_message",
        channel_id="{{ params.viber_channel }}",
        client_phone=client["phone"],
        subject="Your order",
        message="Your order is ready. See you today!",
    )
    SendTelegramMessageOperator(
        task_id="telegram_message",
        channel_id="{{ params.telegram_channel }}",
        username=client["telegram"],
        subject="Your order",
        message="Your order is ready. See you today!",
    )


usedesk_channel_messages()
