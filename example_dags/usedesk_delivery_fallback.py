"""
Send a WhatsApp template, wait for its delivery, and send through Viber if a report says not delivered.

Trigger the Dag. ``whatsapp`` waits for the delivery report, without a worker. If the report says delivered,
``viber`` is skipped. If it says not delivered, ``viber`` is sent. If ``whatsapp`` fails without a report, as
at its timeout, the message may still arrive: ``not_delivered`` fails, and ``viber`` is not sent.
"""

from __future__ import annotations

from datetime import datetime, timedelta

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2.11
    from airflow.decorators import dag, task

from airflow_provider_usedesk.operators.message import SendViberMessageOperator, SendWhatsAppTemplateOperator


@dag(
    description="Send through Viber what WhatsApp does not deliver",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    tags=["usedesk", "example"],
    doc_md=__doc__,
)
def usedesk_delivery_fallback():
    # Airflow logs what a task returns, and this names clients.
    @task(show_return_value_in_logs=False)
    def find_client() -> dict[str, str]:
        return {"name": "John", "phone": "+7 951 123-45-67"}

    client = find_client()

    whatsapp = SendWhatsAppTemplateOperator(
        task_id="whatsapp",
        channel_id=123,
        client_phone=client["phone"],
        template_id=8094,
        template_variables=[client["name"], "18:00", "London"],
        user_id=2156,
        wait_for_delivery=True,
        deferrable=True,
        delivery_timeout=timedelta(hours=1),
    )

    @task(trigger_rule="all_failed")
    def not_delivered(ti=None) -> None:
        if ti.xcom_pull("whatsapp", key="message_status") != "not delivered":
            raise RuntimeError("No report says so. The message may still arrive: look at its ticket.")

    viber = SendViberMessageOperator(
        task_id="viber",
        channel_id=20060,
        client_phone=client["phone"],
        subject="Your appointment",
        message="We are waiting for you at 18:00 in London.",
    )

    whatsapp >> not_delivered() >> viber


usedesk_delivery_fallback()
