"""``create/comment``: what is taken, what is refused, what is answered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from airflow_provider_usedesk.sandbox import parameters
from airflow_provider_usedesk.sandbox.call import Call
from airflow_provider_usedesk.sandbox.update_ticket import touched
from airflow_provider_usedesk.sandbox.world import Comment, Ticket


def create_comment(call: Call) -> dict[str, Any]:
    """Write a comment to a ticket, as article 51381 describes it: private unless told otherwise."""
    ticket = parameters.ticket_of(call)
    parameters.check_message(call)
    comment = _comment(call, ticket)
    # Only what an agent does opens a new ticket.
    changed = touched(ticket, call.now, {}, is_silent=comment.author != "user")
    call.world.keep(replace(changed, comments=(*ticket.comments, comment)))
    return {"status": "success", "comment_id": comment.id}


def _comment(call: Call, ticket: Ticket) -> Comment:
    author = call.choice("from", ("user", "client", "trigger")) or "user"
    user_id = parameters.agent_id(call, "user_id") or next(iter(call.world.agents))
    is_private = (call.choice("type", ("public", "private")) or "private") == "private"
    template, uploads = parameters.template(call), parameters.uploads(call)
    channel, client = call.world.channels[ticket.channel_id], call.world.clients[ticket.client_id]
    is_taken = channel.tells_delivery and channel.reaches(client) and not is_private
    return Comment(
        id=call.world.next_id(),
        message=str(call.given.get("message") or ""),
        author=author,
        user_id=user_id if author == "user" else None,
        is_private=is_private,
        files=parameters.stored(call, uploads),
        published_at=call.now,
        cc=tuple(call.several("cc")),
        bcc=tuple(call.several("bcc")),
        template=template,
        is_taken=is_taken,
        delivered_at=call.delivered_at if is_taken else None,
    )
