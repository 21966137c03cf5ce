"""What Airflow loads at the start of its components: the receiver of webhooks, and a listener."""

from __future__ import annotations

from typing import Any

from airflow_provider_usedesk.compat.sdk import AirflowPlugin
from airflow_provider_usedesk.listeners import asset_events


async def receive_webhooks(scope: Any, receive: Any, send: Any) -> None:
    """Hand a request to the receiver; it is loaded with the first one, for all of Airflow loads this."""
    from airflow_provider_usedesk.webhook.plugin_app import receiver

    await receiver(scope, receive, send)


class UsedeskPlugin(AirflowPlugin):
    """Hold what this package adds to Airflow's own processes."""

    name = "usedesk"
    listeners = [asset_events]  # noqa: RUF012 (Airflow declares it for instances)
    fastapi_apps = [  # noqa: RUF012 (Airflow declares it for instances)
        {"app": receive_webhooks, "url_prefix": "/usedesk", "name": "Usedesk webhooks"}
    ]
