"""What a webhook tells: its kind and its ids, and nothing that a person wrote."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from airflow_provider_usedesk.api.responses import as_id, quotable
from airflow_provider_usedesk.assets import Kind

EVENTS = "event/"
"""How the keys begin under which the state store notes what came already."""

MAX_ID = 2**63 - 1
MAX_WORD = 64
MAX_TARGETS = 50
# How our own operators mark their tickets; any other additional_id can be about a person.
OUR_MARK = "airflow/"
MAX_MARK = 255

Content = Mapping[str, Any]
Facts = dict[str, Any]


@dataclass(frozen=True)
class WebhookEvent:
    """
    Hold what of a webhook is handed on.

    :param kind: what it is about
    :param event_id: the same for each repetition of the same webhook
    :param facts: ids, and words of Usedesk and of the messenger's provider
    """

    kind: Kind
    event_id: str
    facts: Facts


def read_event(content: Content) -> WebhookEvent | Literal["ping", "unknown"]:
    """
    Tell what a webhook is about.

    The shapes are those of EN 51378 (delivery report), EN 51405 and EN 51406. Anything else is unknown, and
    so is what lacks the id that it is about.
    """
    if "ping" in content:
        return "ping"
    for mark, read in READERS.items():
        if mark in content:
            return read(content) or "unknown"
    return "unknown"


def extra_of(event: WebhookEvent, conn_id: str, received_at: str) -> Facts:
    """Write what an asset event says in its ``extra``."""
    return {
        "kind": event.kind,
        "event_id": event.event_id,
        "usedesk_conn_id": conn_id,
        "received_at": received_at,
        **event.facts,
    }


def claimed_secret(content: Content) -> str | None:
    """Return the field ``secret``, where there is one: an application id or a token, the pages disagree."""
    value = content.get("secret")
    return None if value is None else str(value)


def _delivery(content: Content) -> WebhookEvent | None:
    report = _part(content, "message_status")
    ticket_id, comment_id = _id(_part(report, "extras").get("ticket_id")), _id(report.get("comment_id"))
    status = _word(report.get("delivery_status"))
    if status is None or (ticket_id is None and comment_id is None):
        return None
    facts = {"ticket_id": ticket_id, "comment_id": comment_id, "delivery_status": status}
    return WebhookEvent("delivery", _event_id("delivery", ticket_id, comment_id, status), facts)


def _ticket(content: Content) -> WebhookEvent | None:
    ticket = _part(content, "ticket")
    ticket_id = _id(ticket.get("id"))
    if ticket_id is None:
        return None
    facts = {
        "ticket_id": ticket_id,
        "status": _id(ticket.get("status_id")),
        "client_id": _id(ticket.get("client_id")),
        "assignee_id": _id(ticket.get("assignee_id")),
        "group_id": _id(ticket.get("group")),
        "channel_id": _id(ticket.get("channel_id")),
        "additional_id": _our_mark(ticket.get("additional_id")),
    }
    return WebhookEvent("ticket", _event_id("ticket", ticket_id), facts)


def _comment(content: Content) -> WebhookEvent | None:
    comment = _part(content, "comment")
    comment_id = _id(comment.get("id"))
    if comment_id is None:
        return None
    facts = {
        "comment_id": comment_id,
        "ticket_id": _id(comment.get("ticket_id")),
        "from": _word(comment.get("from")),
        "type": _word(comment.get("type")),
        "user_id": _id(comment.get("user_id")),
        "client_id": _id(comment.get("client_id")),
        "is_first": _id(comment.get("is_first")) == 1 or comment.get("is_first") is True,
    }
    return WebhookEvent("comment", _event_id("comment", comment_id), facts)


def _change(content: Content) -> WebhookEvent | None:
    change = _part(content, "trigger")
    ticket_id = _id(change.get("ticket_id"))
    if ticket_id is None:
        return None
    targets = {_word(row.get("target")) for row in _list(change.get("data")) if isinstance(row, dict)} - {
        None
    }
    facts = {
        "change_id": _id(change.get("id")),
        "ticket_id": ticket_id,
        "user_id": _id(change.get("user_id")),
        "trigger_id": _id(change.get("trigger_id")),
        "old_status": _id(change.get("old_status")),
        "new_status": _id(change.get("new_status")),
        "targets": sorted(map(str, targets))[:MAX_TARGETS],
    }
    # Nobody says that the id of a change is its own: the whole of it is.
    return WebhookEvent("change", _event_id("change", ticket_id, _digest(change)), facts)


def _rating(content: Content) -> WebhookEvent | None:
    rating = _part(content, "csi")
    ticket_id = _id(rating.get("ticket_id"))
    if ticket_id is None:
        return None
    facts = {
        "rating_id": _id(rating.get("id")),
        "ticket_id": ticket_id,
        "rating": _id(rating.get("rating")),
        "user_id": _id(rating.get("user_id")),
        "client_id": _id(rating.get("client_id")),
        "comment_id": _id(rating.get("ticket_comment_id")),
    }
    return WebhookEvent("rating", _event_id("rating", ticket_id, _digest(rating)), facts)


def _chat(content: Content) -> WebhookEvent | None:
    chat_id = _id(content.get("chat_id"))
    if chat_id is None:
        return None
    facts = {
        "chat_id": chat_id,
        "ticket_id": _id(_part(content, "ticket").get("id")),
        "client_id": _id(content.get("client_id")),
        "from": _word(content.get("from")),
        "platform": _word(content.get("platform")),
        "state": _word(content.get("state")),
    }
    return WebhookEvent("chat", _event_id("chat", chat_id, _digest(content)), facts)


READERS: Mapping[str, Callable[[Content], WebhookEvent | None]] = {
    "message_status": _delivery,
    "comment": _comment,
    "trigger": _change,
    "csi": _rating,
    # A message in a chat has a ticket, too.
    "chat_id": _chat,
    "ticket": _ticket,
}
"""How each kind is read, by the field that marks it; the first that is there counts."""


def _part(content: Content, name: str) -> Content:
    part = content.get(name)
    return part if isinstance(part, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _id(value: Any) -> int | None:
    found = as_id(value)
    return found if found is not None and 0 <= found <= MAX_ID else None


def _our_mark(value: Any) -> str | None:
    is_ours = isinstance(value, str) and value.startswith(OUR_MARK)
    return value if is_ours and len(value) <= MAX_MARK and value.isprintable() else None


def _word(value: Any) -> str | None:
    """Take a word that is meant for machines; what else a sender puts there does not get through."""
    if not isinstance(value, str):
        return None
    # Addresses as a whole: without their punctuation nothing would know them for what they are.
    text = re.sub(r"\S*@\S*|[^\w :-]", " ", value[: 2 * MAX_WORD])
    return quotable(text)[:MAX_WORD] if text.strip() else None


def _event_id(*parts: int | str | None) -> str:
    return "/".join("" if part is None else str(part) for part in parts)


def _digest(content: Content) -> str:
    """Digest what tells one event from another; JSON and form write the same value differently."""
    text = json.dumps(_plain(content), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return "" if value is None else str(value)
