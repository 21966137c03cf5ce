"""What Usedesk sends to a Redirect URL, and when (EN 51378, EN 51405)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlsplit

from airflow_provider_usedesk.sandbox.world import Client, Comment, Ticket, World

Encoding = Literal["json", "form"]
DELIVERED = "DELIVERED"
# What of a ticket shows in a change, by the name that Usedesk has for it.
TARGETS = {
    "status": "status_id",
    "subject": "subject",
    "assignee_id": "assignee_id",
    "tags": "new_tags",
    "custom_fields": "ticket_field",
    "priority": "priority",
    "type": "type",
    "group_id": "group",
    "client_id": "client_id",
    "lists": "ticket_field",
}


@dataclass(frozen=True)
class Webhooks:
    """
    Say how webhooks are sent.

    :param delivery_status: what a delivery report says; None for no report
    :param delay: seconds until a delivery report is sent
    :param encoding: ``json``, or ``form`` as without the check-box "JSON request"
    :param repeats: how often each webhook is sent, though it was answered
    :param reorder: whether of what waits the newest of each kind is sent first
    :param tries: how often a webhook is sent until it is answered with 2xx; nobody knows what Usedesk does
    :param retry_seconds: how long to wait between two tries
    :param secret: what the field ``secret`` holds; delivery reports have none
    """

    delivery_status: str | None = DELIVERED
    delay: float = 0.0
    encoding: Encoding = "json"
    repeats: int = 1
    reorder: bool = False
    tries: int = 3
    retry_seconds: float = 1.0
    secret: str = field(default="sandbox-secret", repr=False)

    def __post_init__(self) -> None:
        faults = []
        if self.encoding not in ("json", "form"):
            faults.append("encoding must be json or form")
        for name in ("delay", "retry_seconds"):
            if type(getattr(self, name)) not in (int, float) or not 0 <= getattr(self, name) <= 3600:
                faults.append(f"{name} must be a number of seconds from 0 to 3600")
        for name in ("repeats", "tries"):
            if type(getattr(self, name)) is not int or not 1 <= getattr(self, name) <= 100:
                faults.append(f"{name} must be a whole number from 1 to 100")
        if faults:
            raise ValueError("; ".join(faults))


@dataclass(frozen=True)
class Webhook:
    """
    Hold a webhook that is to be sent.

    :param kind: what it is about, such as ``delivery``
    :param ticket_id: the ticket; None where there is none
    :param body: what is sent
    :param delay: seconds until it is sent
    """

    kind: str
    ticket_id: int | None
    body: dict[str, Any]
    delay: float = 0.0


def checked_redirect_url(url: str | None) -> str | None:
    """
    Check where webhooks are to be sent; None or an empty text for nowhere.

    :raises ValueError: when it is no http or https address
    """
    address = (url or "").strip()
    if not address:
        return None
    try:
        parts = urlsplit(address)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address or any(character.isspace() for character in address):
        raise ValueError("the Redirect URL must be an http or https address")
    return address


def shown_redirect_url(url: str) -> str:
    """Show an address without its end, which is a secret."""
    head, slash, _ = url.rstrip("/").rpartition("/")
    return f"{head}{slash}***"


def ping() -> Webhook:
    """Make what Usedesk sends when the channel is saved; only that it has this key is known."""
    return Webhook("ping", None, {"ping": "ping"})


def report(ticket: Ticket, comment_id: int | None, status: str, delay: float = 0.0) -> Webhook:
    """Make a delivery report."""
    content = {
        "delivery_status": status,
        "comment_id": comment_id,
        "extras": {"ticket_id": ticket.ticket_id},
    }
    return Webhook("delivery", ticket.ticket_id, {"message_status": content}, delay)


def webhooks_of(world: World, before: Ticket | None, after: Ticket, settings: Webhooks) -> Iterator[Webhook]:
    """Tell which webhooks a new or a changed ticket causes."""
    client = world.clients[after.client_id]
    if before is None:
        yield _made(after, client, settings.secret)
        new_comments = after.comments
    else:
        new_comments = after.comments[len(before.comments) :]
        changes = [(name, getattr(before, name), getattr(after, name)) for name in TARGETS]
        if changed := [change for change in changes if change[1] != change[2]]:
            yield _changed(world, before, after, changed, settings.secret)
        for comment in new_comments:
            yield _commented(after, comment, client, settings.secret)
    for comment in new_comments:
        if comment.is_taken and settings.delivery_status is not None:
            yield report(after, comment.id, settings.delivery_status, settings.delay)


def _made(ticket: Ticket, client: Client, secret: str) -> Webhook:
    content = {
        "id": ticket.ticket_id,
        "status_id": ticket.status,
        "subject": ticket.subject,
        "client_id": ticket.client_id,
        "assignee_id": ticket.assignee_id,
        "group": ticket.group_id,
        "last_updated_at": _moment(ticket.last_updated_at),
        "channel_id": ticket.channel_id,
        "email": next(iter(client.emails), None),
        "published_at": _moment(ticket.created_at),
        "company_id": 1,
        "additional_id": ticket.additional_id,
        "message": ticket.message,
        "files": [],
        "custom_fields": [
            {"id": key, "name": "", "value": value} for key, value in ticket.custom_fields.items()
        ],
        "custom_blocks": [],
    }
    return Webhook(
        "ticket", ticket.ticket_id, {"secret": secret, "ticket": content, "client": _person(client)}
    )


def _changed(
    world: World, before: Ticket, after: Ticket, changes: list[tuple[str, Any, Any]], secret: str
) -> Webhook:
    rows = [
        {"target": TARGETS[name], "value": _plain(new), "old_value": _plain(old)}
        for name, old, new in changes
    ]
    content = {
        "id": world.next_id(),
        "trigger_id": None,
        "user_id": None,
        "ticket_id": after.ticket_id,
        "data": rows,
        "changed_at": _moment(after.last_updated_at),
        "old_status": before.status,
        "new_status": after.status,
        "company_id": 1,
    }
    person = _person(world.clients[after.client_id])
    body = {"secret": secret, "trigger": content, "client": person, "assignee_id": after.assignee_id}
    return Webhook("change", after.ticket_id, body)


def _commented(ticket: Ticket, comment: Comment, client: Client, secret: str) -> Webhook:
    content = {
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
        "published_at": _moment(comment.published_at),
        "file": None,
        "files": [],
    }
    person = _person(client)
    body = {"secret": secret, "comment": content, "client": person, "assignee_id": ticket.assignee_id}
    return Webhook("comment", ticket.ticket_id, body)


def _person(client: Client) -> dict[str, Any]:
    return {
        "id": client.id,
        "name": client.name,
        "avatar": None,
        "note": None,
        "emails": [{"email": email} for email in client.emails],
        "phones": [{"phone": phone} for phone in client.phones],
        "additional_ids": [],
    }


def _plain(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return ",".join(str(part) for part in value)
    return dict(value) if isinstance(value, dict) else value


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S")
