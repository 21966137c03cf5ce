"""
The webhooks that Usedesk sends to a Redirect URL, and when it sends them.

Sources: `create/ticket <https://api.usedocs.com/article/51378>`__ and
`webhooks <https://api.usedocs.com/article/51405>`__.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import urlsplit

from airflow_provider_usedesk.sandbox.call import time_text
from airflow_provider_usedesk.sandbox.company import COMPANY_ID, Client, Comment, Company, Ticket
from airflow_provider_usedesk.sandbox.shapes import as_strings, change_json, file_json, file_link

Encoding = Literal["json", "form"]
DELIVERED = "DELIVERED"
SECRET = "sandbox-secret"  # noqa: S105 (the same in every sandbox)


@dataclass(frozen=True)
class Webhooks:
    """
    How the sandbox sends webhooks.

    :param delivery_status: status in a delivery report; None for no reports
    :param delay: seconds until a delivery report is sent, 0 to 3600
    :param encoding: ``json``, or ``form`` as without the check box "JSON request"
    :param repeats: number of times that each webhook is sent, 1 to 100, although it was accepted
    :param tries: number of attempts until the receiver responds with 2xx, 1 to 100; the number that Usedesk
        uses is unknown
    :param retry_seconds: seconds between two attempts, 0 to 3600
    :raises ValueError: for values outside of these limits, naming all of them
    """

    delivery_status: str | None = DELIVERED
    delay: float = 0.0
    encoding: Encoding = "json"
    repeats: int = 1
    tries: int = 3
    retry_seconds: float = 1.0

    def __post_init__(self) -> None:
        errors = []
        if self.encoding not in ("json", "form"):
            errors.append("encoding must be json or form")
        for name in ("delay", "retry_seconds"):
            if type(getattr(self, name)) not in (int, float) or not 0 <= getattr(self, name) <= 3600:
                errors.append(f"{name} must be a number of seconds from 0 to 3600")
        for name in ("repeats", "tries"):
            if type(getattr(self, name)) is not int or not 1 <= getattr(self, name) <= 100:
                errors.append(f"{name} must be an integer from 1 to 100")
        if errors:
            raise ValueError(f"{'; '.join(errors)}.")


@dataclass(frozen=True)
class Webhook:
    """
    A webhook to send.

    :param kind: its subject, such as ``delivery``
    :param ticket_id: the ticket; None where there is none
    :param body: the content
    :param delay: seconds until it is sent
    """

    kind: str
    ticket_id: int | None
    body: dict[str, Any]
    delay: float = 0.0


def checked_redirect_url(url: str | None) -> str | None:
    """
    Check the URL to which webhooks are sent.

    :param url: the URL; None or an empty string for none
    :raises ValueError: if it is not an http or https URL
    """
    address = (url or "").strip()
    if not address:
        return None
    try:
        parts = urlsplit(address)
        is_valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_valid = False
    if not is_valid or any(character.isspace() for character in address):
        raise ValueError("The Redirect URL must be an http or https URL.")
    return address


def redacted_redirect_url(url: str) -> str:
    """Replace the last part of the path, which is a secret."""
    head, slash, _ = url.rstrip("/").rpartition("/")
    return f"{head}{slash}***"


def ping() -> Webhook:
    """Build the webhook that Usedesk sends when a channel is saved; only its key ``ping`` is known."""
    return Webhook("ping", None, {"ping": "ping"})


def delivery_report(ticket: Ticket, comment_id: int | None, status: str, delay: float = 0.0) -> Webhook:
    content = {
        "delivery_status": status,
        "comment_id": comment_id,
        "extras": {"ticket_id": ticket.ticket_id},
    }
    return Webhook("delivery", ticket.ticket_id, {"message_status": content}, delay)


def webhooks_of(
    company: Company, before: Ticket | None, after: Ticket, settings: Webhooks, shapes: str = "pages"
) -> Iterator[Webhook]:
    """Yield the webhooks that a new or changed ticket causes; the pages show ids as strings."""
    for webhook in _ticket_webhooks(company, before, after, shapes):
        yield replace(webhook, body=as_strings(webhook.body)) if shapes == "pages" else webhook
    for comment in after.comments[len(before.comments) if before else 0 :]:
        if comment.is_accepted and settings.delivery_status is not None:
            yield delivery_report(after, comment.id, settings.delivery_status, settings.delay)


def _ticket_webhooks(
    company: Company, before: Ticket | None, after: Ticket, shapes: str
) -> Iterator[Webhook]:
    if before is None:
        yield _ticket_webhook(company, after, shapes)
        return
    for change in after.changes[len(before.changes) :]:
        yield _agent_webhook(company, "change", "trigger", change_json(after, change), after)
    for comment in after.comments[len(before.comments) :]:
        yield _agent_webhook(company, "comment", "comment", _comment_json(after, comment), after)


def _ticket_webhook(company: Company, ticket: Ticket, shapes: str) -> Webhook:
    client = company.clients[ticket.client_id]
    content = {
        "id": ticket.ticket_id,
        "status_id": ticket.status,
        "subject": ticket.subject,
        "client_id": ticket.client_id,
        "assignee_id": ticket.assignee_id,
        "group": ticket.group_id or (0 if shapes == "pages" else None),
        "last_updated_at": time_text(ticket.last_updated_at),
        "channel_id": ticket.channel_id,
        "email": next(iter(client.emails), None),
        "published_at": time_text(ticket.created_at),
        "company_id": COMPANY_ID,
        "additional_id": ticket.additional_id,
        "message": ticket.message,
        "files": [file_json(file) for file in ticket.files],
    }
    fields = _custom_fields(company, ticket)
    body = {"secret": SECRET, "ticket": content, "client": _client_json(client)}
    # Public clients read the custom fields beside the ticket, the page shows them in it.
    (content if shapes == "pages" else body).update(fields)
    return Webhook("ticket", ticket.ticket_id, body)


def _comment_json(ticket: Ticket, comment: Comment) -> dict[str, Any]:
    files = [file_json(file) for file in comment.files]
    return {
        "id": comment.id,
        "message": comment.message,
        "from": comment.author,
        "type": "private" if comment.is_private else "public",
        "user_id": comment.user_id,
        "client_id": ticket.client_id,
        "ticket_id": ticket.ticket_id,
        "is_first": 0,
        "delivered": 0,
        "readed": 0,
        "published_at": time_text(comment.published_at),
        "file": files[0]["file"] if files else None,
        "files": files,
    }


def _agent_webhook(company: Company, kind: str, key: str, content: dict[str, Any], ticket: Ticket) -> Webhook:
    body = {
        "secret": SECRET,
        key: content,
        **_custom_fields(company, ticket),
        "client": _client_json(company.clients[ticket.client_id]),
        "assignee_id": ticket.assignee_id,
    }
    return Webhook(kind, ticket.ticket_id, body)


def _custom_fields(company: Company, ticket: Ticket) -> dict[str, Any]:
    """Return the member with the custom fields; none without a value."""
    fields = [
        {"id": number, "name": company.field_name(number), "value": value}
        for number, value in ticket.custom_fields.items()
    ]
    return {"custom_fields": fields} if fields else {}


def _client_json(client: Client) -> dict[str, Any]:
    return {
        "id": client.id,
        "name": client.name,
        "avatar": file_link(client.avatar) if client.avatar else None,
        "note": client.note or None,
        "emails": [{"email": email} for email in client.emails],
        "phones": [{"phone": phone} for phone in client.phones],
        "additional_ids": [],
    }
