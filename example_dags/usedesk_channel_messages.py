"""
Send a message through each messenger of Usedesk.

Trigger the Dag. It opens four tickets: a WhatsApp message, a WhatsApp template, a Viber message and a
Telegram message. The params name the channels.
"""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import Param, dag, task
except ImportError:  # Airflow 2.11
    from airflow.decorators import dag, task
    from airflow.models.param import Param

from airflow_provider_usedesk.operators.message import (
    SendTelegramMessageOperator,
    SendViberMessageOperator,
    SendWhatsAppMessageOperator,
    SendWhatsAppTemplateOperator,
)


@dag(
    description="Send through WhatsApp, Viber and Telegram",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    tags=["usedesk", "example"],
    doc_md=__doc__,
    params={
        "agent": Param(
            2156, type="integer", title="Agent", description="Id of the agent who writes the WhatsApp message"
        ),
        "whatsapp_channel": Param(
            20054, type="integer", title="WhatsApp channel", description="Id of a channel for messages"
        ),
        "infobip_channel": Param(
            20055,
            type="integer",
            title="WhatsApp channel of infobip",
            description="Id of a channel whose templates have names",
        ),
        "viber_channel": Param(
            20060, type="integer", title="Viber channel", description="Id of a c2d channel"
        ),
        "telegram_channel": Param(
            20070,
            type="integer",
            title="Telegram channel",
            description="Id of a channel of Telegram personal (pact)",
        ),
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
