"""The methods of chats; the messages of a chat are the comments of its ticket."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from airflow_provider_usedesk.sandbox import parameters
from airflow_provider_usedesk.sandbox.call import Call, Refusal
from airflow_provider_usedesk.sandbox.company import COMPANY_ID, NEW, Chat, Client, Comment, Ticket
from airflow_provider_usedesk.sandbox.update_ticket import with_changes


def add_message(call: Call) -> dict[str, Any]:
    """
    Write in a chat as a client, by default in a new one.

    Source: `chat/addMessage <https://api.usedocs.com/article/51394>`__.
    """
    if call.number("company_id") != COMPANY_ID:
        raise Refusal("company_id is missing or wrong", 115)
    channel = call.company.channels.get(call.number("channel_id") or 0)
    if channel is None or channel.type != "chat":
        raise Refusal("channel_id is not of a chat channel", extra={"status": False})
    text, sender = _message(call)
    chat_id = call.number("chat_id") or sender.number("chat_id")
    if chat_id is None:
        chat, ticket_id = _new_chat(call, channel.id, _client(sender), text), None
    else:
        chat = _chat(call, chat_id)
        ticket_id = chat.ticket_id
        ticket = call.company.tickets[ticket_id]
        comments = (*ticket.comments, _comment(call, text, None))
        call.company.save(replace(ticket, comments=comments, last_updated_at=call.now))
    return {
        "chat_id": chat.id,
        "company_id": COMPANY_ID,
        "ticket_id": ticket_id,
        "channel_id": chat.channel_id,
        "client_id": chat.client_id,
    }


def send_message(call: Call) -> dict[str, Any]:
    """Write in a chat as an agent (`chat/sendMessage <https://api.usedocs.com/article/51395>`__)."""
    chat, user_id = _chat(call, call.number("chat_id")), _user_id(call)
    text = _checked_text(call)
    ticket = call.company.tickets[chat.ticket_id]
    comments = (*ticket.comments, _comment(call, text, user_id))
    call.company.save(with_changes(ticket, call.now, {"comments": comments}), user_id)
    return {"status": "success"}


def change_assignee(call: Call) -> dict[str, Any]:
    """Assign a chat (`chat/changeAssignee <https://api.usedocs.com/article/51396>`__)."""
    chat, user_id = _chat(call, call.number("chat_id")), _user_id(call)
    ticket = call.company.tickets[chat.ticket_id]
    call.company.save(with_changes(ticket, call.now, {"assignee_id": user_id}), user_id)
    return {"chat_id": str(chat.id), "user_id": str(user_id), "url": f"/tickets/{chat.ticket_id}"}


def _chat(call: Call, chat_id: int | None) -> Chat:
    found = call.company.chats.get(chat_id or 0)
    if found is None:
        raise Refusal("wrong chat id")
    return found


def _user_id(call: Call) -> int:
    user_id = parameters.agent_id(call, "user_id")
    if user_id is None:
        raise Refusal("user_id is missing", 117)
    return user_id


def _message(call: Call) -> tuple[str, Call]:
    """Return the text of ``message``, and ``from`` in it as parameters."""
    message = call.params.get("message")
    sender = message.get("from") or {} if isinstance(message, dict) else None
    if not isinstance(message, dict) or not isinstance(sender, dict):
        raise Refusal("message must contain text, and can contain from")
    return _checked_text(replace(call, params=message)), replace(call, params=sender)


def _checked_text(call: Call) -> str:
    text = call.text("text")
    if not text:
        raise Refusal("text is missing", 114)
    if len(text.encode()) > parameters.MAX_MESSAGE_BYTES:
        raise Refusal("text is longer than 64 kB")
    return text


def _client(sender: Call) -> Client:
    parameters.check_lengths(sender, ("name", "email"))
    return sender.company.client_for(
        client_id=parameters.client_id(sender),
        phone="",
        email=sender.text("email"),
        username="",
        name=sender.text("name"),
        company="",
        now=sender.now,
    )


def _new_chat(call: Call, channel_id: int, client: Client, text: str) -> Chat:
    ticket = Ticket(
        ticket_id=call.company.next_id(),
        subject=text[:255],
        message=text,
        channel_id=channel_id,
        client_id=client.id,
        status=NEW,
        created_at=call.now,
        last_updated_at=call.now,
        comments=(_comment(call, text, None),),
    )
    chat = call.company.open_chat(channel_id, client.id, ticket.ticket_id)
    call.company.save(replace(ticket, chat_id=str(chat.id)))
    return chat


def _comment(call: Call, text: str, user_id: int | None) -> Comment:
    return Comment(
        id=call.company.next_id(),
        message=text,
        author="user" if user_id else "client",
        user_id=user_id,
        is_private=False,
        files=(),
        published_at=call.now,
    )
