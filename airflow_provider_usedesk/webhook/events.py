"""What is read from a webhook: its kind and its ids, and no text that a person wrote."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Literal

from airflow_provider_usedesk.api.delivery_words import DELIVERED, FAILED
from airflow_provider_usedesk.api.quoting import VOCABULARY
from airflow_provider_usedesk.api.responses import as_id
from airflow_provider_usedesk.assets import Kind
from airflow_provider_usedesk.idempotency.keys import ANY, MAX_LENGTH, SINGLE, parse_key

# Within this time the same webhook that can recur is a repetition, later it is another event.
REPEATED_WITHIN = timedelta(seconds=10)

MAX_ID = 2**63 - 1
MAX_WORD = 64
# Fewer than a phone number has.
MAX_DIGITS = 6
MAX_TARGETS = 50

OTHER = "other"
_STATUSES = """
accepted delivering enqueued pending processing queued scheduled sending
доставлен доставлена доставлено доставляется отклонено ожидает прочитано просмотрено
"""
STATUS_WORDS = VOCABULARY.union(" ".join((*DELIVERED, *FAILED, _STATUSES)).split())
"""Words that are stored of a status of several words."""

Content = Mapping[str, Any]
Facts = dict[str, Any]


@dataclass(frozen=True)
class WebhookEvent:
    """
    What is stored of a webhook.

    :param kind: kind of the event
    :param event_id: the same each time the same webhook is sent
    :param facts: ids, and words of Usedesk and of the messenger's provider
    """

    kind: Kind
    event_id: str
    facts: Facts

    @property
    def can_recur(self) -> bool:
        """
        Whether the same webhook can be another event later.

        A report that names no message can be on any message of its ticket. A message in a chat has no id, and
        a client can write the same text again.
        """
        return self.kind == "chat" or (self.kind == "delivery" and self.facts["comment_id"] is None)

    def was_stored(self, stored_at: Any, now: datetime) -> bool:
        """
        Return whether the same event was stored before, and not another one with the same id.

        :param stored_at: what is stored under its id: when it was received, ISO 8601; None for nothing
        :param now: the current time
        """
        if stored_at is None or not self.can_recur:
            return stored_at is not None
        try:
            return now - datetime.fromisoformat(stored_at) < REPEATED_WITHIN
        except (TypeError, ValueError):  # of an earlier version, which stored no time
            return False


def read_event(content: Content) -> WebhookEvent | Literal["ping", "unknown"]:
    """
    Return the event of a webhook.

    The known formats are the delivery report
    (`create/ticket <https://api.usedocs.com/article/51378>`__) and the
    webhooks of `article 51405 <https://api.usedocs.com/article/51405>`__ and
    `article 51406 <https://api.usedocs.com/article/51406>`__.

    :param content: the parsed body
    :return: the event; ``ping``; ``unknown`` for another format, and if the id is missing
    """
    if "ping" in content:
        return "ping"
    for name, read in READERS.items():
        if name in content:
            return read(content) or "unknown"
    return "unknown"


def asset_event_extra(event: WebhookEvent, conn_id: str, received_at: str) -> Facts:
    """
    Return the ``extra`` of an asset event.

    :param event: the event of the webhook
    :param conn_id: id of the connection that received it
    :param received_at: when it was received, ISO 8601
    """
    return {
        "kind": event.kind,
        "event_id": event.event_id,
        "usedesk_conn_id": conn_id,
        "received_at": received_at,
        **event.facts,
    }


def body_secret(content: Content) -> str | None:
    """Return the field ``secret``, if any: the application id or the API token, the articles disagree."""
    value = content.get("secret")
    return None if value is None else str(value)


def _delivery(content: Content) -> WebhookEvent | None:
    report = _part(content, "message_status")
    ticket_id, comment_id = _id(_part(report, "extras").get("ticket_id")), _id(report.get("comment_id"))
    status = _status(report.get("delivery_status"))
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
        "client_id": _reference(ticket.get("client_id")),
        "assignee_id": _reference(ticket.get("assignee_id")),
        "group_id": _reference(ticket.get("group")),
        "channel_id": _id(ticket.get("channel_id")),
        # Any other one may identify a person.
        "additional_id": _own_key(ticket.get("additional_id")),
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
        "user_id": _reference(comment.get("user_id")),
        "client_id": _reference(comment.get("client_id")),
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
        "user_id": _reference(change.get("user_id")),
        "trigger_id": _reference(change.get("trigger_id")),
        "old_status": _id(change.get("old_status")),
        "new_status": _id(change.get("new_status")),
        "targets": sorted(map(str, targets))[:MAX_TARGETS],
    }
    # Whether the id of a change is unique is not documented, so the event id is made of all its fields.
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
        "user_id": _reference(rating.get("user_id")),
        "client_id": _reference(rating.get("client_id")),
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
        "client_id": _reference(content.get("client_id")),
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
    # Before "ticket", because a message in a chat has a ticket, too.
    "chat_id": _chat,
    "ticket": _ticket,
}
"""How each kind is read, by the field that only this kind has; the first one present counts."""


def _part(content: Content, name: str) -> Content:
    part = content.get(name)
    return part if isinstance(part, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _id(value: Any) -> int | None:
    number = as_id(value)
    return number if number is not None and 0 <= number <= MAX_ID else None


def _reference(value: Any) -> int | None:
    """Return the id of another object; the service writes 0 where there is none."""
    return _id(value) or None


def _own_key(value: Any) -> str | None:
    """
    Return the parts of an idempotency key that name the task, without its digests of personal values.

    The digest of a phone number can be found again by trying all numbers. The place of a message can be such
    a digest, too.
    """
    text = (
        value.strip() if isinstance(value, str) and len(value) <= MAX_LENGTH and value.isprintable() else ""
    )
    key = parse_key(text)
    if key is None:
        return None
    # Parsing makes the label lower-case.
    label = text.partition("/")[2]
    return str(replace(key, place=SINGLE, recipient=ANY, content=ANY, label=label))


def _word(value: Any) -> str | None:
    """Return a word, such as those of a fixed vocabulary; None for a text, and for what can be a phone."""
    word = value.strip() if isinstance(value, str) else ""
    is_word = len(word) <= MAX_WORD and re.fullmatch(r"\w[\w:-]*", word) is not None
    return word if is_word and sum(map(str.isdigit, word)) <= MAX_DIGITS else None


def _status(value: Any) -> str | None:
    """
    Return a status in the words of the messenger's provider; None if there is none.

    It can have several words. Of these, all that are not known become ``other``, because a text can contain
    anything. They are not left out: "delivered: no" must not become "delivered".
    """
    if (word := _word(value)) is not None or not isinstance(value, str):
        return word
    text = value.strip()
    words = [word for word in re.split(r"[\W_]+", text[:MAX_WORD]) if word]
    shown = [word if word.casefold() in STATUS_WORDS else OTHER for word in words]
    if len(text) > MAX_WORD:
        shown.append(OTHER)
    return " ".join(word for word, _ in groupby(shown)) or None


def _event_id(*parts: int | str | None) -> str:
    return "/".join("" if part is None else str(part) for part in parts)


def _digest(content: Content) -> str:
    """Return a digest of all fields, the same for JSON and form, which write some values differently."""
    text = json.dumps(_as_text(content), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _as_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _as_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_text(item) for item in value]
    return "" if value is None else str(value)
