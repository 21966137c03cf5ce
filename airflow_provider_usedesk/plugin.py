"""The plugin that Airflow loads in each of its components: the receiver of webhooks and a listener."""

from __future__ import annotations

from typing import Any

from airflow_provider_usedesk.compat.sdk import AirflowPlugin
from airflow_provider_usedesk.listeners import asset_events


async def receive_webhooks(scope: Any, receive: Any, send: Any) -> None:
    """Respond to a request, as an ASGI application; the receiver is loaded with the first request."""
    from airflow_provider_usedesk.webhook.plugin_app import receiver

    await receiver(scope, receive, send)


class UsedeskPlugin(AirflowPlugin):
    """The parts of this package that run in Airflow's own processes."""

    name = "usedesk"
    listeners = [asset_events]  # noqa: RUF012 (Airflow declares it for instances)
    fastapi_apps = [  # noqa: RUF012 (Airflow declares it for instances)
        {"app": receive_webhooks, "url_prefix": "/usedesk", "name": "Usedesk webhooks"}
    ]
