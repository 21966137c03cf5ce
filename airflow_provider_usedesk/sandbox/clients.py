"""The methods ``clients`` and ``client``: the list of clients, and one client with its details."""

from __future__ import annotations

from typing import Any

from airflow_provider_usedesk.sandbox import parameters
from airflow_provider_usedesk.sandbox.call import Call, Refusal
from airflow_provider_usedesk.sandbox.company import Client


def clients(call: Call) -> list[dict[str, Any]]:
    """Return a page of 100 clients (`clients <https://api.usedocs.com/article/51383>`__)."""
    is_in_time = call.time_filter("created_after", "created_before")
    is_full = call.choice("search_type", ("partial_match", "full_match")) == "full_match"
    query = call.text("query").lower()
    found = [
        one
        for one in call.company.clients.values()
        if is_in_time(one.created_at) and (not query or _matches(one, query, is_full))
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
    """Return one client, in an array (`client <https://api.usedocs.com/article/51384>`__)."""
    found = call.company.clients.get(parameters.client_id(call) or 0)
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


def _matches(one: Client, query: str, is_full: bool) -> bool:
    texts = [text.lower() for text in (one.name, *one.emails, *one.phones)]
    return query in texts if is_full else any(query in text for text in texts)


def _ticket_ids(call: Call, one: Client) -> list[int]:
    return [ticket.ticket_id for ticket in call.company.tickets.values() if ticket.client_id == one.id]
