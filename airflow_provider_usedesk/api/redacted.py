"""The parameters whose values are neither logged nor stored."""

from __future__ import annotations

REDACTED = (
    "subject",
    "message",
    "client_name",
    "client_email",
    "client_phone",
    "client_country",
    "client_city",
    "client_address",
    "new_address",
    "username",
    "field_value",
    "custom_fields",
    "lists",
    "template_variables",
    "files",
    "cc",
    "bcc",
    "query",
    "fields",
)
"""Parameters of any method that can contain personal data or message text."""

CLIENT_CARD = ("name", "emails", "phone", "messengers", "sites", "note", "position", "avatar")
"""Parameters of the methods that create and change clients, with the same meaning."""

REDACTED_IN_ERRORS = (*REDACTED, *CLIENT_CARD, "text", "email", "password")
"""Parameters whose values no error shows: also those of agents and chats."""
