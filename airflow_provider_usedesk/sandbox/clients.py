"""The methods ``clients`` and ``client``: the list of clients, and one client with its details."""

from __future__ import annotations

import zlib
from typing import Any

from airflow_provider_usedesk.sandbox import parameters
from airflow_provider_usedesk.sandbox.call import Call, Refusal, time_text
from airflow_provider_usedesk.sandbox.company import COMPANY_ID, Client
from airflow_provider_usedesk.sandbox.shapes import file_link


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
    return [_row(call, one) for one in call.page(found)]


def client(call: Call) -> list[dict[str, Any]]:
    """Return one client, in an array (`client <https://api.usedocs.com/article/51384>`__)."""
    found = call.company.clients.get(parameters.client_id(call) or 0)
    if found is None:
        raise Refusal("wrong client id", 119)
    details = _details(call, found)
    return [{"client": {**_card(call, found), **details}, **_beside(call, found, details)}]


def _row(call: Call, one: Client) -> dict[str, Any]:
    # Some public clients read the e-mails as an array; the page shows one string.
    emails = ",".join(one.emails) or None if call.shapes == "pages" else list(one.emails)
    return {
        "id": one.id,
        "name": one.name,
        "emails": emails,
        "phone": ",".join(one.phones) or None,
        "tickets": _ticket_ids(call, one),
    }


def _card(call: Call, one: Client) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "avatar": file_link(one.avatar) if one.avatar else None,
        "position": one.position or None,
        "note": one.note or None,
        "company_id": COMPANY_ID,
        "zendesk_id": None,
        "spammer": int(one.is_spammer),
        "vip": int(one.is_vip),
        "client_company_id": _company_id(one),
        "created_at": time_text(one.created_at),
        "tickets": _ticket_ids(call, one),
    }


def _details(call: Call, one: Client) -> dict[str, Any]:
    company = {"id": _company_id(one), "company_id": COMPANY_ID, "name": one.company} if one.company else None
    return {
        "emails": [
            {"id": number, "email": email, "client_id": one.id, "fullcontact": 0, "status": ""}
            for number, email in enumerate(one.emails, 1)
        ],
        "phones": [
            {"id": number, "phone": phone, "client_id": one.id, "type": ""}
            for number, phone in enumerate(one.phones, 1)
        ],
        "social_networks": [],
        "messengers": [{**vars(messenger), "client_id": one.id} for messenger in one.messengers],
        "addresses": [{**vars(address), "client_id": one.id} for address in one.addresses],
        "sites": [{**vars(site), "client_id": one.id} for site in one.sites],
        "client_company": company,
    }


def _beside(call: Call, one: Client, details: dict[str, Any]) -> dict[str, Any]:
    """Return the details beside the client: in the sample of the page, an array with null, and no company."""
    if call.shapes == "clients":
        return {**details, "emails": list(one.emails), "phones": list(one.phones)}
    return {name: [None] if value else [] for name, value in details.items()} | {"client_company": None}


def _company_id(one: Client) -> int | None:
    return zlib.crc32(one.company.encode()) if one.company else None


def _matches(one: Client, query: str, is_full: bool) -> bool:
    texts = [text.lower() for text in (one.name, *one.emails, *one.phones)]
    return query in texts if is_full else any(query in text for text in texts)


def _ticket_ids(call: Call, one: Client) -> list[int]:
    return [ticket.ticket_id for ticket in call.company.tickets.values() if ticket.client_id == one.id]
