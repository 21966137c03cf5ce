"""A local Usedesk for the development of Dags: a server, an inbox page and fault injection."""

from airflow_provider_usedesk.sandbox.faults import (
    Fault,
    answer,
    close,
    delay,
    half_answer,
    html,
    rate_limited,
)
from airflow_provider_usedesk.sandbox.server import Sandbox
from airflow_provider_usedesk.sandbox.webhooks import Webhooks

__all__ = ["Fault", "Sandbox", "Webhooks", "answer", "close", "delay", "half_answer", "html", "rate_limited"]
