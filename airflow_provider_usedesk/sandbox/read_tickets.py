"""The methods ``ticket`` and ``tickets``: one ticket with its comments, and the list of tickets."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from airflow_provider_usedesk.sandbox import parameters
from airflow_provider_usedesk.sandbox.call import DIGITS, Call, Refusal, as_array, time_text
from airflow_provider_usedesk.sandbox.company import COMPANY_ID, Comment, Company, Ticket
from airflow_provider_usedesk.sandbox.shapes import agent_json, as_strings, change_json, file_json

SORT_KEYS: Mapping[str, Callable[[Ticket], Any]] = {
    "status_id": lambda one: one.status,
    "client_id": lambda one: one.client_id,
    "assignee_id": lambda one: one.assignee_id or 0,
    "group": lambda one: one.group_id or 0,
    "published_at": lambda one: one.created_at,
    "last_updated_at": lambda one: one.last_updated_at,
}
UNASSIGNED = "unassigned"
SLA_PRIORITIES = ("urgent", "extreme")
SLA: Mapping[str, timedelta] = {
    "first_reply": timedelta(hours=1),
    "next_reply": timedelta(hours=4),
    "close": timedelta(hours=24),
}


def ticket(call: Call) -> Any:
    """Return one ticket with its comments (`ticket <https://api.usedocs.com/article/51377>`__)."""
    found = parameters.ticket_of(call)
    content = {
        "ticket": {**_details(call, found), **_rights(call), **_sla(call, found)},
        "comments": [_comment(call, found, comment) for comment in found.comments],
        "tags": list(found.tags) if call.shapes == "clients" else [{"name": tag} for tag in found.tags],
        "changes": [change_json(found, change) for change in found.changes],
        "custom_fields": [
            {"id": field, "ticket_id": found.ticket_id, "ticket_field_id": field, "value": value}
            for field, value in found.custom_fields.items()
        ],
    }
    return as_strings(content) if call.shapes == "pages" else content


def tickets(call: Call) -> list[dict[str, Any]]:
    """
    Return a page of 100 tickets, without ``additional_id``.

    Source: `tickets <https://api.usedocs.com/article/51376>`__.
    """
    is_in_time, has_fields, is_assigned = _time_filter(call), _field_filter(call), _assignee_filter(call)
    visible = [one for one in call.company.tickets.values() if one.created_at + call.listing_lag <= call.now]
    found = [
        one
        for one in visible
        if is_in_time(one) and has_fields(one) and is_assigned(one) and _matches(call, one)
    ]
    sort_key = SORT_KEYS.get(call.text("sort"), lambda one: one.ticket_id)
    found.sort(key=sort_key, reverse=call.text("order").lower() == "desc")
    rights = _rights(call)
    return [{**_row(call.company, one), **rights} for one in call.page(found)]


def _time_filter(call: Call) -> Callable[[Ticket], bool]:
    is_created = call.time_filter("created_after", "created_before")
    is_updated = call.time_filter("updated_after", "updated_before")
    return lambda one: is_created(one.created_at) and is_updated(one.last_updated_at)


def _assignee_filter(call: Call) -> Callable[[Ticket], bool]:
    """
    Build the filter ``fassigned``: one or several objects of ``assignee_id`` and ``group_id``.

    In the deprecated form it is the id of an agent, or of a group and an agent with ``_`` between them.
    """
    wanted = [_assignee(one) for one in as_array(call.params.get("fassigned"))]

    def is_assigned(ticket: Ticket) -> bool:
        return not wanted or any(_is_assigned(ticket, agent, group) for agent, group in wanted)

    return is_assigned


def _assignee(given: Any) -> tuple[str, str]:
    """Return agent and group; an empty string for any."""
    if not isinstance(given, dict):
        group, _, agent = str(given).rpartition("_")
        return agent, group
    return str(given.get("assignee_id") or ""), str(given.get("group_id") or "")


def _is_assigned(ticket: Ticket, agent: str, group: str) -> bool:
    if agent == UNASSIGNED and not group:
        return ticket.assignee_id is None and ticket.group_id is not None
    return agent in ("", str(ticket.assignee_id or UNASSIGNED)) and group in (
        "",
        str(ticket.group_id or UNASSIGNED),
    )


def _field_filter(call: Call) -> Callable[[Ticket], bool]:
    """Build the filter ``fields``: an array of ``id`` and ``value``, or ``empty`` or ``not_empty``."""
    wanted = call.array("fields") if call.filters_fields else []
    if not all(isinstance(one, dict) and re.fullmatch(DIGITS, str(one.get("id", ""))) for one in wanted):
        raise Refusal("fields must be an array of id and value")

    def has_fields(ticket: Ticket) -> bool:
        return all(
            _has_value(ticket.custom_fields.get(int(one["id"]), ""), str(one.get("value", "")))
            for one in wanted
        )

    return has_fields


def _has_value(value: str, wanted: str) -> bool:
    return bool(value) is (wanted == "not_empty") if wanted in ("empty", "not_empty") else value == wanted


def _matches(call: Call, one: Ticket) -> bool:
    query = call.text("query").lower()
    client = call.company.clients[one.client_id]
    texts = (str(one.ticket_id), one.subject, *client.emails, *client.phones)
    tests = {
        "fchannel": one.channel_id,
        "fstatus": one.status,
        "ftype": one.type,
        "fpriority": one.priority,
        "fgroup": one.group_id,
        "client_id": one.client_id,
    }
    return (
        all(str(value) in call.strings(name) for name, value in tests.items() if call.params.get(name))
        and all(tag in one.tags for tag in call.strings("tag"))
        and (not query or any(query in text.lower() for text in texts))
    )


def _details(call: Call, found: Ticket) -> dict[str, Any]:
    client = call.company.clients[found.client_id]
    # The page shows a missing group and address as 0.
    nothing = 0 if call.shapes == "pages" else None
    return {
        "id": found.ticket_id,
        "status_id": found.status,
        "subject": found.subject,
        "priority": found.priority,
        "type": found.type,
        "client_id": found.client_id,
        "client_name": client.name,
        "assignee_id": found.assignee_id,
        "group": found.group_id or nothing,
        "channel_id": found.channel_id,
        "last_updated_at": time_text(found.last_updated_at),
        "email": client.emails[0] if client.emails else nothing,
        "published_at": time_text(found.created_at),
        "company_id": COMPANY_ID,
        "additional_id": call.additional_id(found.additional_id) if found.additional_id else None,
    }


def _rights(call: Call) -> dict[str, Any]:
    """Return the rights of an agent; here, the role ``support`` only reads."""
    agent = parameters.agent_id(call, "accessible_for_agent_id")
    if agent is None:
        return {}
    return {"rights": "read" if call.company.agents[agent].role == "support" else "write"}


def _sla(call: Call, found: Ticket) -> dict[str, Any]:
    """Return the time that is left of each limit; here, only urgent and extreme tickets have limits."""
    if "sla" not in call.strings("properties") or found.priority not in SLA_PRIORITIES:
        return {}
    age = call.now - found.created_at
    return {"sla": {name: _hours(max(limit - age, timedelta(0))) for name, limit in SLA.items()}}


def _hours(left: timedelta) -> str:
    minutes, seconds = divmod(int(left.total_seconds()), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"


def _comment(call: Call, one: Ticket, comment: Comment) -> dict[str, Any]:
    company, files = call.company, [file_json(file) for file in comment.files]
    client = company.clients[one.client_id]
    return {
        "id": comment.id,
        "message": comment.message,
        "from": comment.author,
        "type": "private" if comment.is_private else "public",
        "user_id": comment.user_id,
        "client_id": one.client_id,
        "ticket_id": one.ticket_id,
        "is_first": int(comment is one.comments[0]),
        "delivered": int(comment.delivered_at is not None and comment.delivered_at <= call.now),
        "readed": 0,
        "published_at": time_text(comment.published_at),
        "file": files[0]["file"] if files else None,
        "files": files,
        "cc": list(comment.cc),
        "bcc": list(comment.bcc),
        "client": {"id": client.id, "name": client.name},
        "user": agent_json(company.agents[comment.user_id]) if comment.user_id else None,
    }


def _row(company: Company, one: Ticket) -> dict[str, Any]:
    client = company.clients[one.client_id]
    return {
        "id": one.ticket_id,
        "priority": one.priority,
        "subject": one.subject,
        "client_id": one.client_id,
        "client_name": client.name,
        "assignee_id": one.assignee_id,
        "channel_id": one.channel_id,
        "group": one.group_id,
        "last_updated_at": time_text(one.last_updated_at),
        "type": one.type,
        "created_at": time_text(one.created_at),
        "channel_email": company.channels[one.channel_id].email,
        "ticket_fields": [
            {"id": field, "name": company.field_name(field), "value": value}
            for field, value in one.custom_fields.items()
        ],
        "tags": [{"name": tag} for tag in one.tags],
        "status": one.status,
        "last_comment": one.comments[-1].message[:100],
        "remind_at": None,
    }
