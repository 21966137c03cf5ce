"""The method ``create/ticket``."""

from __future__ import annotations

import re
from typing import Any

from airflow_provider_usedesk.sandbox import parameters
from airflow_provider_usedesk.sandbox.call import DIGITS, Call, Refusal
from airflow_provider_usedesk.sandbox.company import (
    AUTHORS,
    NEW,
    OWN_CHANNEL,
    PRIORITIES,
    TYPES,
    Channel,
    Client,
    Comment,
    Ticket,
)
from airflow_provider_usedesk.sandbox.nested_lists import nested_lists

SHORT_TEXTS = (
    "subject",
    "client_name",
    "client_email",
    "client_id",
    "company_name",
    "additional_id",
    "tag",
    "client_phone",
    "field_id",
    "client_country",
    "client_city",
    "client_address",
)
PHONE_TYPES = ("home", "mobile", "stationary", "fax", "other")


def create_ticket(call: Call) -> dict[str, Any]:
    """Create a ticket (`create/ticket <https://api.usedocs.com/article/51378>`__)."""
    _check(call)
    ticket = _ticket(call, _channel(call), _client(call))
    call.company.save(ticket)
    extra = {"message_status": ticket.message_status, "chat_id": ticket.chat_id}
    return {
        "status": "success",
        "ticket_id": ticket.ticket_id,
        **{key: value for key, value in extra.items() if value is not None},
    }


def _check(call: Call) -> None:
    """Check all parameters before anything is created."""
    parameters.check_message(call)
    if not call.text("subject") and not parameters.has_template(call):
        raise Refusal("subject is missing")
    if call.text("private_comment").lower() not in ("", "true", "1"):
        raise Refusal("private_comment accepts only true")
    parameters.check_lengths(call, SHORT_TEXTS)
    call.choice("type", TYPES)
    call.choice("priority", PRIORITIES)
    call.choice("from", AUTHORS)
    call.choice("phone_type", PHONE_TYPES)
    parameters.status(call)
    parameters.check_phone(call, "client_phone")
    nested_lists(call)
    _author(call)
    parameters.template(call, _channel(call))
    parameters.group_id(call)
    parameters.agent_id(call, "assignee_id")
    parameters.custom_fields(call)
    parameters.uploads(call)
    _client_id(call)


def _channel(call: Call) -> Channel:
    """Return the requested channel; a wrong id selects the token's own channel, without an error."""
    wanted = call.text("channel_id")
    found = call.company.channels.get(int(wanted)) if re.fullmatch(DIGITS, wanted) else None
    return found or call.company.channels[OWN_CHANNEL]


def _author(call: Call) -> tuple[str, int | None]:
    author = call.text("from") or "client"
    user_id = parameters.agent_id(call, "user_id")
    if author == "user" and user_id is None and not (parameters.has_template(call) or call.is_lenient):
        raise Refusal("user_id is required with from = user")
    if author == "trigger" and call.number("trigger_id") not in call.company.triggers:
        raise Refusal("trigger_id is missing or unknown")
    return author, user_id if author == "user" else None


def _client_id(call: Call) -> int | None:
    return None if call.text("client_id") == "new_client" else parameters.client_id(call)


def _client(call: Call) -> Client:
    return call.company.client_for(
        client_id=_client_id(call),
        phone=call.text("client_phone"),
        email=call.text("client_email"),
        username=call.text("username").removeprefix("@"),
        name=call.text("client_name"),
        company=call.text("company_name"),
        now=call.now,
    )


def _ticket(call: Call, channel: Channel, client: Client) -> Ticket:
    message_status = _message_status(call, channel, client)
    comment = _comment(call, channel, is_accepted=message_status == "delivered")
    ticket_id = call.company.next_id()
    is_chat = channel.type == "viber"
    chat_id = str(call.company.open_chat(channel.id, client.id, ticket_id).id) if is_chat else None
    return Ticket(
        ticket_id=ticket_id,
        subject=call.text("subject"),
        message=comment.message,
        channel_id=channel.id,
        client_id=client.id,
        status=parameters.status(call) or NEW,
        created_at=call.now,
        last_updated_at=call.now,
        additional_id=str(call.params["additional_id"]) if call.text("additional_id") else None,
        type=call.text("type") or "question",
        priority=call.text("priority") or "medium",
        assignee_id=parameters.agent_id(call, "assignee_id"),
        group_id=parameters.group_id(call),
        tags=parameters.tags(call),
        custom_fields=parameters.custom_fields(call),
        lists=nested_lists(call),
        comments=(comment,),
        message_status=message_status,
        chat_id=chat_id,
        received={name: value for name, value in call.params.items() if name != "files"},
    )


def _message_status(call: Call, channel: Channel, client: Client) -> str | None:
    if not channel.returns_message_status:
        return None
    is_sent = channel.reaches(client) and not call.flag("private_comment") and _is_sendable(call, channel)
    return "delivered" if is_sent else "not delivered"


def _is_sendable(call: Call, channel: Channel) -> bool:
    """Return whether a WhatsApp message has the author that it needs: an agent, or a rule, with a user_id."""
    if channel.type != "whatsapp" or call.is_lenient:
        return True
    author, _ = _author(call)
    return author != "client" and bool(call.text("user_id") or parameters.has_template(call))


def _comment(call: Call, channel: Channel, *, is_accepted: bool) -> Comment:
    author, user_id = _author(call)
    return Comment(
        id=call.company.next_id(),
        message=str(call.params.get("message") or ""),
        author=author,
        user_id=user_id,
        is_private=call.flag("private_comment"),
        files=parameters.files(call, parameters.uploads(call)),
        published_at=call.now,
        template=parameters.template(call, channel),
        is_accepted=is_accepted,
        delivered_at=call.delivered_at if is_accepted else None,
    )
