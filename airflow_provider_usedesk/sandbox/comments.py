"""The method ``create/comment``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from airflow_provider_usedesk.sandbox import parameters
from airflow_provider_usedesk.sandbox.call import Call, Refusal
from airflow_provider_usedesk.sandbox.company import AUTHORS, Comment, Ticket
from airflow_provider_usedesk.sandbox.update_ticket import with_changes


def create_comment(call: Call) -> dict[str, Any]:
    """
    Add a comment to a ticket; it is private by default.

    Source: `create/comment <https://api.usedocs.com/article/51381>`__.
    """
    ticket = parameters.ticket_of(call)
    parameters.check_message(call)
    comment = _comment(call, ticket)
    # Only an agent's action moves a ticket from New to Open.
    changed = with_changes(ticket, call.now, {}, is_silent=comment.author != "user")
    call.company.save(replace(changed, comments=(*ticket.comments, comment)), comment.user_id)
    return {"status": "success", "comment_id": comment.id}


def _comment(call: Call, ticket: Ticket) -> Comment:
    author = call.choice("from", AUTHORS) or "user"
    user_id = _user_id(call)
    is_private = (call.choice("type", ("public", "private")) or "private") == "private"
    channel, client = call.company.channels[ticket.channel_id], call.company.clients[ticket.client_id]
    template, uploads = parameters.template(call, channel), parameters.uploads(call)
    is_sent = author != "client" and not is_private
    is_accepted = channel.returns_message_status and channel.reaches(client) and is_sent
    return Comment(
        id=call.company.next_id(),
        message=str(call.params.get("message") or ""),
        author=author,
        user_id=user_id if author == "user" else None,
        is_private=is_private,
        files=parameters.files(call, uploads),
        published_at=call.now,
        cc=tuple(call.strings("cc")),
        bcc=tuple(call.strings("bcc")),
        template=template,
        is_accepted=is_accepted,
        delivered_at=call.delivered_at if is_accepted else None,
    )


def _user_id(call: Call) -> int:
    """Return the agent, by default the first one; check the trigger."""
    author, agent = call.text("from"), parameters.agent_id(call, "user_id")
    if author == "user" and agent is None and not call.is_lenient:
        raise Refusal("user_id is required with from = user")
    # Only an older copy of the page names trigger_id, so that it can be left out here.
    trigger = call.number("trigger_id")
    if author == "trigger" and trigger is not None and trigger not in call.company.triggers:
        raise Refusal("trigger_id is unknown")
    return agent or call.company.first_agent
