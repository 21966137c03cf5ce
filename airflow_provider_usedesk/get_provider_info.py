"""The provider info, which Airflow reads when it starts; imports nothing."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Return the provider info, in the form of ``provider_info.schema.json`` of Airflow."""
    return {
        "package-name": "airflow-provider-usedesk",
        "name": "Usedesk",
        "description": "`Usedesk <https://usedesk.com/>`__ helpdesk: tickets, WhatsApp, Viber and Telegram.",
        "integrations": [
            {
                "integration-name": "Usedesk",
                "external-doc-url": "https://api.usedocs.com/",
                "tags": ["service"],
            }
        ],
        "operators": [
            {
                "integration-name": "Usedesk",
                "python-modules": [
                    "airflow_provider_usedesk.operators.batch",
                    "airflow_provider_usedesk.operators.comment",
                    "airflow_provider_usedesk.operators.message",
                    "airflow_provider_usedesk.operators.ticket",
                ],
            }
        ],
        "sensors": [
            {
                "integration-name": "Usedesk",
                "python-modules": [
                    "airflow_provider_usedesk.sensors.message",
                    "airflow_provider_usedesk.sensors.ticket",
                ],
            }
        ],
        "triggers": [
            {
                "integration-name": "Usedesk",
                "python-modules": [
                    "airflow_provider_usedesk.triggers.message",
                    "airflow_provider_usedesk.triggers.quiet_hours",
                    "airflow_provider_usedesk.triggers.ticket",
                    "airflow_provider_usedesk.triggers.ticket_events",
                ],
            }
        ],
        "hooks": [
            {
                "integration-name": "Usedesk",
                "python-modules": ["airflow_provider_usedesk.hooks.usedesk"],
            }
        ],
        "notifications": ["airflow_provider_usedesk.notifications.usedesk.UsedeskNotifier"],
        "task-decorators": [
            {
                "name": "usedesk_ticket",
                "class-name": "airflow_provider_usedesk.decorators.ticket.usedesk_ticket_task",
            }
        ],
        "asset-uris": [{"schemes": ["usedesk"], "handler": "airflow_provider_usedesk.assets.checked_uri"}],
        "extra-links": ["airflow_provider_usedesk.links.ticket.UsedeskTicketLink"],
        "connection-types": [
            {
                "connection-type": "usedesk",
                "hook-class-name": "airflow_provider_usedesk.hooks.usedesk.UsedeskHook",
                "hook-name": "Usedesk",
                "ui-field-behaviour": {
                    "hidden-fields": ["login", "schema", "port", "extra"],
                    "relabeling": {"host": "API base URL", "password": "API token"},
                    "placeholders": {
                        "host": "https://secure.usedesk.com/uapi",
                        "password": "Token of an API channel",
                    },
                },
                "conn-fields": {
                    "web_url": {
                        "label": "Web address",
                        "description": "URL at which agents open tickets, such as "
                        "https://secure.usedesk.com. Needed only if the API base URL is your own host.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "timeout": {
                        "label": "Timeout (seconds)",
                        "description": "How long to wait for a response; 60 if empty.",
                        "schema": {"type": ["integer", "null"], "minimum": 1},
                    },
                    "connect_timeout": {
                        "label": "Connect timeout (seconds)",
                        "description": "How long to wait for a connection; 10 if empty.",
                        "schema": {"type": ["integer", "null"], "minimum": 1},
                    },
                    "max_wait": {
                        "label": "Longest wait (seconds)",
                        "description": "How long one call may wait for a connection or for the rate limit "
                        "before it fails; 120 if empty.",
                        "schema": {"type": ["integer", "null"], "minimum": 0},
                    },
                    "requests_per_minute": {
                        "label": "Requests per minute",
                        "description": "Rate limit of all requests with this token; an old page of Usedesk "
                        "names 150. If empty, there is no limit until Usedesk refuses a request.",
                        "schema": {"type": ["integer", "null"], "minimum": 1},
                    },
                    "redis_conn_id": {
                        "label": "Redis connection id",
                        "description": "Airflow connection of type redis, through which the workers of all "
                        "machines share the rate limit; if empty, each machine has its own.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "verify": {
                        "label": "Verify TLS",
                        "description": "true, false, or the path of a CA file; true if empty.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "proxy": {
                        "label": "Proxy",
                        "description": "URL of a proxy; if empty, the proxy of the environment.",
                        "schema": {"type": ["string", "null"]},
                    },
                    "webhook_secret": {
                        "label": "Webhook secret",
                        "description": "Last part of the URL at which webhooks of Usedesk are received; "
                        "while you change it, the old and the new one with a comma between them.",
                        "schema": {"type": ["string", "null"], "format": "password"},
                    },
                    "application_id": {
                        "label": "Application id",
                        "description": "Id of the API channel; if set, a webhook that names a `secret` "
                        "must name this id or the API token.",
                        "schema": {"type": ["string", "null"]},
                    },
                },
            }
        ],
    }
