"""The provider info, which Airflow reads when it starts; imports nothing."""

from __future__ import annotations

from typing import Any

PACKAGE = "airflow_provider_usedesk"
INTEGRATION = "Usedesk"


def get_provider_info() -> dict[str, Any]:
    """Return the provider info, in the form of ``provider_info.schema.json`` of Airflow."""
    return {
        "package-name": "airflow-provider-usedesk",
        "name": "Usedesk",
        "description": "`Usedesk <https://usedesk.com/>`__ helpdesk: tickets, WhatsApp, Viber and Telegram.",
        "integrations": [
            {
                "integration-name": INTEGRATION,
                "external-doc-url": "https://api.usedocs.com/",
                "tags": ["service"],
            }
        ],
        "operators": _modules(
            "operators", "batch", "chat", "check", "client", "comment", "message", "ticket"
        ),
        "sensors": _modules("sensors", "message", "ticket"),
        "triggers": _modules("triggers", "message", "quiet_hours", "ticket", "ticket_events"),
        "hooks": _modules("hooks", "usedesk"),
        "notifications": [f"{PACKAGE}.notifications.usedesk.UsedeskNotifier"],
        "task-decorators": [
            {"name": "usedesk_ticket", "class-name": f"{PACKAGE}.decorators.ticket.usedesk_ticket_task"}
        ],
        "asset-uris": [{"schemes": ["usedesk"], "handler": f"{PACKAGE}.assets.checked_uri"}],
        "extra-links": [f"{PACKAGE}.links.ticket.UsedeskTicketLink"],
        "connection-types": [_connection_type()],
        "config": {"usedesk": {"description": "Options of the Usedesk provider.", "options": _options()}},
        "cli": [f"{PACKAGE}.cli.commands.usedesk_commands"],
    }


def _modules(room: str, *names: str) -> list[dict[str, Any]]:
    return [
        {"integration-name": INTEGRATION, "python-modules": [f"{PACKAGE}.{room}.{name}" for name in names]}
    ]


def _options() -> dict[str, Any]:
    return {
        "show_values": {
            "description": "Whether Rendered Templates and `airflow tasks render` show the values that are "
            "otherwise hidden: names, phone numbers, e-mail addresses and texts for clients. For "
            "development only: Airflow stores what it shows.",
            "version_added": None,
            "type": "boolean",
            "example": None,
            "default": "False",
        }
    }


def _connection_type() -> dict[str, Any]:
    return {
        "connection-type": "usedesk",
        "hook-class-name": f"{PACKAGE}.hooks.usedesk.UsedeskHook",
        "hook-name": "Usedesk",
        "ui-field-behaviour": {
            "hidden-fields": ["login", "schema", "port", "extra"],
            "relabeling": {"host": "API base URL", "password": "API token"},
            "placeholders": {
                "host": "https://secure.usedesk.com/uapi",
                "password": "Token of an API channel",
            },
        },
        "conn-fields": {**_client_fields(), **_delivery_fields(), **_webhook_fields()},
    }


def _client_fields() -> dict[str, Any]:
    return {
        "web_url": _text(
            "Web address",
            "URL at which agents open tickets, such as https://secure.usedesk.com. Needed only if the API "
            "base URL is your own host.",
        ),
        "timeout": _number("Timeout (seconds)", "Time for a whole response; 60 if empty.", 1),
        "connect_timeout": _number(
            "Connect timeout (seconds)", "How long to wait for a connection; 10 if empty.", 1
        ),
        "max_wait": _number(
            "Longest wait (seconds)",
            "How long one call may wait for a connection or for the rate limit before it fails; 120 if "
            "empty.",
            0,
        ),
        "requests_per_minute": _number(
            "Requests per minute",
            "Rate limit of all requests with this token; an old page of Usedesk names 150. If empty, there "
            "is no limit until Usedesk refuses a request.",
            1,
        ),
        "rate_limit_scope": _text(
            "Rate limit scope",
            "token: the limit is that of this URL and token. host: all connections to the same host share "
            "it; set it in each of them. token if empty.",
        ),
        "redis_conn_id": _text(
            "Redis connection id",
            "Airflow connection of type redis, through which the workers of all machines share the rate "
            "limit; if empty, each machine has its own.",
        ),
        "verify": _text("Verify TLS", "true, false, or the path of a CA file; true if empty."),
        "proxy": _text("Proxy", "URL of a proxy; if empty, the proxy of the environment."),
        "phone_region": _text(
            "Phone region",
            "Country of phone numbers without country code, two letters such as RU; if empty, every number "
            "needs its country code. Needs airflow-provider-usedesk[phone] on the workers.",
        ),
    }


def _delivery_fields() -> dict[str, Any]:
    return {
        "key_prefix": _text(
            "Key prefix",
            "Distinguishes the Airflow installations that share the account, such as production and staging; "
            "airflow if empty. After a change, earlier messages are not recognized.",
        ),
        "key_field_id": _number(
            "Key field id",
            "Id of a text custom field of the account. The idempotency key is written to it, and a ticket "
            "is found with one request; if empty, tickets are read one by one.",
            1,
        ),
        "consistency_delay": _number(
            "Consistency delay (seconds)",
            "After so long, Usedesk has carried out and lists a request without a response; 120 if empty.",
            0,
        ),
    }


def _webhook_fields() -> dict[str, Any]:
    secret = _text(
        "Webhook secret",
        "Last part of the URL at which webhooks of Usedesk are received; while you change it, the old and "
        "the new one with a comma between them.",
    )
    return {
        "webhook_secret": {**secret, "schema": {**secret["schema"], "format": "password"}},
        "application_id": _text(
            "Application id",
            "Id of the API channel; if set, a webhook with a field secret must name this id or the API token "
            "there.",
        ),
    }


def _text(label: str, description: str) -> dict[str, Any]:
    return {"label": label, "description": description, "schema": {"type": ["string", "null"]}}


def _number(label: str, description: str, minimum: int) -> dict[str, Any]:
    schema = {"type": ["integer", "null"], "minimum": minimum}
    return {"label": label, "description": description, "schema": schema}
