"""Forms of the objects that several responses and webhooks contain."""

from __future__ import annotations

from typing import Any

from airflow_provider_usedesk.sandbox.call import FILES_PATH, time_text
from airflow_provider_usedesk.sandbox.company import COMPANY_ID, Agent, Change, File, Group, Ticket


def change_json(ticket: Ticket, change: Change) -> dict[str, Any]:
    """Return an entry of a ticket's history; here, changes are made by agents and not by rules."""
    return {
        "id": change.id,
        "trigger_id": None,
        "user_id": change.user_id,
        "ticket_id": ticket.ticket_id,
        "data": list(change.data),
        "changed_at": time_text(change.changed_at),
        "old_status": change.old_status,
        "new_status": change.new_status,
        "company_id": COMPANY_ID,
    }


def file_json(file: File) -> dict[str, Any]:
    return {"name": file.name, "file": file_link(file)}


def file_link(file: File) -> str:
    return f"{FILES_PATH}/{file.id}"


def agent_json(agent: Agent) -> dict[str, Any]:
    return {
        "id": agent.id,
        "name": agent.name,
        "email": agent.email,
        "position": agent.position,
        "role": agent.role,
        "phone": agent.phone,
    }


def group_json(group: Group) -> dict[str, Any]:
    return {
        "id": group.id,
        "name": group.name,
        "company_id": COMPANY_ID,
        "deleted": 0,
        "deleted_at": "0000-00-00 00:00:00",
    }


def pivot(agent: Agent, group: Group) -> dict[str, Any]:
    """Return the row of the table that connects agents with groups."""
    return {"user_id": agent.id, "user_group_id": group.id}


def as_strings(content: Any) -> Any:
    """Return JSON with all numbers as strings, as the pages show ids."""
    if isinstance(content, dict):
        return {name: as_strings(value) for name, value in content.items()}
    if isinstance(content, list):
        return [as_strings(item) for item in content]
    return str(content) if type(content) is int else content
