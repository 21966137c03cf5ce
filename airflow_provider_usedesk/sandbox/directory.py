"""What a company has set up: channels, groups, users, custom fields; and the tags in use."""

from __future__ import annotations

from collections import Counter
from typing import Any

from airflow_provider_usedesk.sandbox import parameters
from airflow_provider_usedesk.sandbox.call import Call
from airflow_provider_usedesk.sandbox.world import ROLES, Agent, CustomField, FieldType

COMPANY = 1
FIELD_TYPES: dict[FieldType, int] = {"text": 1, "list": 2, "checkbox": 3, "nested list": 4}


def channels(call: Call) -> list[dict[str, Any]]:
    """List the channels (article 51397)."""
    wanted = call.text("channel_type")
    return [
        {"channel_id": channel.id, "channel_name": channel.name, "channel_type": channel.type}
        for channel in call.world.channels.values()
        if wanted in ("", channel.type)
    ]


def groups(call: Call) -> list[dict[str, Any]]:
    """List the groups of agents (article 51418)."""
    return [
        {
            "id": group.id,
            "name": group.name,
            "company_id": COMPANY,
            "deleted": 0,
            "deleted_at": None,
            "users": list(group.agents),
        }
        for group in call.world.groups.values()
    ]


def users(call: Call) -> list[dict[str, Any]]:
    """List the agents of one role, which is ``employee`` unless told otherwise (article 51414)."""
    role = call.choice("user_type", ROLES) or "employee"
    group, one = parameters.group_id(call), parameters.agent_id(call, "user_id")
    query = call.text("query").lower()
    return [
        _user(call, agent)
        for agent in call.world.agents.values()
        if agent.role == role
        and one in (None, agent.id)
        and (group is None or group in _group_ids(call, agent))
        and (query in agent.name.lower() or query in agent.email)
    ]


def ticket_fields(call: Call) -> list[dict[str, Any]]:
    """List the custom fields with the values of lists (article 51411)."""
    return [
        {"custom_field": _field(field), "field_options": _options(field)}
        for field in call.world.fields.values()
    ]


def tags(call: Call) -> list[dict[str, Any]]:
    """List the tags, a hundred at a time (article 51382)."""
    query = call.text("query").lower()
    counts = Counter(tag for ticket in call.world.tickets.values() for tag in set(ticket.tags))
    found = [(number, name) for name, number in call.world.tag_ids.items() if query in name.lower()]
    return [
        {"ticket_tag_id": number, "tag_company_id": COMPANY, "name": name, "ticket_count": counts[name]}
        for number, name in call.page(found)
    ]


def _user(call: Call, agent: Agent) -> dict[str, Any]:
    return {
        "id": agent.id,
        "name": agent.name,
        "email": agent.email,
        "position": agent.position,
        "role": agent.role,
        "phone": None,
        "online_status": 1,
        "chat_online_status": 0,
        "groups": _group_ids(call, agent),
    }


def _group_ids(call: Call, agent: Agent) -> list[int]:
    return [group.id for group in call.world.groups.values() if agent.id in group.agents]


def _field(field: CustomField) -> dict[str, Any]:
    return {
        "id": field.id,
        "ticket_field_type_id": FIELD_TYPES[field.type],
        "name": field.name,
        "required": 0,
        "api": 1,
    }


def _options(field: CustomField) -> list[dict[str, Any]]:
    return [
        {
            "id": option.id,
            "ticket_field_id": field.id,
            "value": option.value,
            "parent_option_id": option.parent_id,
        }
        for option in field.options
    ]
