"""``clients`` and ``client``: the list of clients, and one client with all of it."""

from __future__ import annotations

from typing import Any

from airflow_provider_usedesk.sandbox import parameters
from airflow_provider_usedesk.sandbox.call import Call, Refusal
from airflow_provider_usedesk.sandbox.world import Client


def clients(call: Call) -> list[dict[str, Any]]:
    """List clients, a hundred at a time (article 51383)."""
    is_in_time = call.within("created_after", "created_before")
    is_full = call.choice("search_type", ("partial_match", "full_match")) == "full_match"
    query = call.text("query").lower()
    found = [
        one
        for one in call.world.clients.values()
        if is_in_time(one.created_at) and (not query or _is_found(one, query, is_full))
    ]
    return [
        {
            "id": one.id,
            "name": one.name,
            "emails": list(one.emails),
            "phone": one.phones[0] if one.phones else None,
            "tickets": _ticket_ids(call, one),
        }
        for one in call.page(found)
    ]


def client(call: Call) -> list[dict[str, Any]]:
    """Show one client, in an array (article 51384)."""
    found = call.world.clients.get(parameters.client_id(call) or 0)
    if found is None:
        raise Refusal("wrong client id", 119)
    emails, phones = list(found.emails), list(found.phones)
    return [
        {
            "client": {
                "id": found.id,
                "name": found.name,
                "tickets": _ticket_ids(call, found),
                "emails": emails,
                "phones": phones,
            },
            "emails": emails,
            "phones": phones,
            "social_networks": [],
            "messengers": [],
            "addresses": [],
            "sites": [],
            "client_company": {"name": found.company} if found.company else None,
        }
    ]


def _is_found(one: Client, query: str, is_full: bool) -> bool:
    texts = [text.lower() for text in (one.name, *one.emails, *one.phones)]
    return query in texts if is_full else any(query in text for text in texts)


def _ticket_ids(call: Call, one: Client) -> list[int]:
    return [ticket.ticket_id for ticket in call.world.tickets.values() if ticket.client_id == one.id]
