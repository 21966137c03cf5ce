"""``create/ticket``: what is taken, what is refused, what is answered."""

from __future__ import annotations

import re
from typing import Any

from airflow_provider_usedesk.sandbox import parameters
from airflow_provider_usedesk.sandbox.call import Call, Refusal
from airflow_provider_usedesk.sandbox.world import (
    NEW,
    OWN_CHANNEL,
    PRIORITIES,
    TYPES,
    Channel,
    Client,
    Comment,
    Template,
    Ticket,
)

TEXTS = (
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
AUTHORS = ("user", "client", "trigger")
PHONE_TYPES = ("home", "mobile", "stationary", "fax", "other")


def create_ticket(call: Call) -> dict[str, Any]:
    """Create a ticket, as article 51378 describes it."""
    _check(call)
    world = call.world
    channel = _channel(call)
    author, user_id = _author(call)
    template = parameters.template(call)
    group_id, assignee_id = parameters.group_id(call), parameters.agent_id(call, "assignee_id")
    fields = parameters.custom_fields(call)
    uploads = parameters.uploads(call)
    client = _client(call)
    is_private = call.text("private_comment").lower() in ("true", "1")
    comment_id, files = world.next_id(), parameters.stored(call, uploads)
    message_status, chat_id = _delivery(call, channel, client, is_private)
    comment = Comment(
        id=comment_id,
        message=str(call.given.get("message") or ""),
        author=author,
        user_id=user_id,
        is_private=is_private,
        files=files,
        published_at=call.now,
        template=template,
        is_taken=message_status == "delivered",
        delivered_at=call.delivered_at if message_status == "delivered" else None,
    )
    ticket = Ticket(
        ticket_id=world.next_id(),
        subject=call.text("subject"),
        message=comment.message,
        channel_id=channel.id,
        client_id=client.id,
        status=parameters.status(call) or NEW,
        created_at=call.now,
        last_updated_at=call.now,
        additional_id=call.text("additional_id") or None,
        type=call.text("type") or "question",
        priority=call.text("priority") or "medium",
        assignee_id=assignee_id,
        group_id=group_id,
        tags=parameters.tags(call),
        custom_fields=fields,
        lists=tuple(call.given.get("lists", [])),
        comments=(comment,),
        message_status=message_status,
        chat_id=chat_id,
        template_id=call.text("template_id") or None,
        template_name=call.text("template_name") or None,
        template_variables=(template or Template()).variables,
        template_lang=call.text("template_lang") or None,
        received={name: value for name, value in call.given.items() if name != "files"},
    )
    world.keep(ticket)
    extra = {"message_status": message_status, "chat_id": chat_id}
    return {
        "status": "success",
        "ticket_id": ticket.ticket_id,
        **{key: value for key, value in extra.items() if value is not None},
    }


def _check(call: Call) -> None:
    parameters.check_message(call)
    if not call.text("subject") and not parameters.has_template(call):
        raise Refusal("subject is missing")
    if call.text("private_comment").lower() not in ("", "true", "1"):
        raise Refusal("private_comment accepts only true")
    parameters.check_lengths(call, TEXTS)
    call.choice("type", TYPES)
    call.choice("priority", PRIORITIES)
    call.choice("from", AUTHORS)
    call.choice("phone_type", PHONE_TYPES)
    parameters.status(call)
    if not isinstance(call.given.get("lists", []), list):
        raise Refusal("lists must be an array")


def _channel(call: Call) -> Channel:
    """Find the channel; a wrong one is the channel of the token, without a word."""
    wanted = call.text("channel_id")
    found = call.world.channels.get(int(wanted)) if re.fullmatch(r"[0-9]{1,10}", wanted) else None
    return found or call.world.channels[OWN_CHANNEL]


def _author(call: Call) -> tuple[str, int | None]:
    author = call.text("from") or "client"
    user_id = parameters.agent_id(call, "user_id")
    if author == "user" and user_id is None and not parameters.has_template(call):
        raise Refusal("user_id is required with from = user")
    if author == "trigger" and call.number("trigger_id") not in call.world.triggers:
        raise Refusal("trigger_id is missing or not known")
    return author, user_id if author == "user" else None


def _client(call: Call) -> Client:
    return call.world.client_for(
        client_id=None if call.text("client_id") == "new_client" else parameters.client_id(call),
        phone=call.text("client_phone"),
        email=call.text("client_email"),
        username=call.text("username").removeprefix("@"),
        name=call.text("client_name"),
        company=call.text("company_name"),
        now=call.now,
    )


def _delivery(
    call: Call, channel: Channel, client: Client, is_private: bool
) -> tuple[str | None, str | None]:
    """Say what the messenger's provider answers: a message status, or a chat."""
    if channel.type == "viber":
        return None, str(call.world.next_id() % 100_000)
    if not channel.tells_delivery:
        return None, None
    sent = channel.reaches(client) and not is_private
    return ("delivered" if sent else "not delivered"), None
