"""The methods that list channels, groups, users, custom fields and tags."""

from __future__ import annotations

from collections import Counter
from typing import Any

from airflow_provider_usedesk.sandbox import parameters
from airflow_provider_usedesk.sandbox.call import Call
from airflow_provider_usedesk.sandbox.company import (
    COMPANY_ID,
    ROLES,
    Agent,
    CustomField,
    FieldType,
    Group,
    Option,
)
from airflow_provider_usedesk.sandbox.shapes import agent_json, as_strings, group_json, pivot

FIELD_TYPES: dict[FieldType, int] = {"text": 1, "list": 2, "checkbox": 3, "nested list": 4}


def channels(call: Call) -> list[dict[str, Any]]:
    """Return the channels (`channels <https://api.usedocs.com/article/51397>`__)."""
    wanted = call.text("channel_type")
    return [
        {"channel_id": channel.id, "channel_name": channel.name, "channel_type": channel.type}
        for channel in call.company.channels.values()
        if wanted in ("", channel.type)
    ]


def groups(call: Call) -> Any:
    """Return the groups of agents (`groups <https://api.usedocs.com/article/51418>`__)."""
    return _in_shape(
        call,
        [
            {**group_json(group), "users": [_member(call.company.agents[one], group) for one in group.agents]}
            for group in call.company.groups.values()
        ],
    )


def users(call: Call) -> Any:
    """
    Return the agents of one role, by default ``employee``; with ``user_id`` one agent, whatever the role.

    Source: `users <https://api.usedocs.com/article/51414>`__.
    """
    role = call.choice("user_type", ROLES) or "employee"
    group, one = parameters.group_id(call), parameters.agent_id(call, "user_id")
    query = call.text("query").lower()
    found = [
        agent
        for agent in call.company.active_agents.values()
        if (agent.role == role if one is None else agent.id == one)
        and (group is None or group in [own.id for own in _groups_of(call, agent)])
        and (query in agent.name.lower() or query in agent.email.lower())
    ]
    return _in_shape(call, [_user(call, agent) for agent in found])


def ticket_fields(call: Call) -> Any:
    """
    Return the custom fields with the values of the lists.

    Source: `ticket/fields <https://api.usedocs.com/article/51411>`__.
    """
    return _in_shape(
        call,
        [
            {"custom_field": _field(field), "field_options": _options(call, field)}
            for field in call.company.fields.values()
        ],
    )


def tags(call: Call) -> list[dict[str, Any]]:
    """Return a page of 100 tags (`tags <https://api.usedocs.com/article/51382>`__)."""
    query = call.text("query").lower()
    counts = Counter(tag for ticket in call.company.tickets.values() for tag in set(ticket.tags))
    found = [(number, name) for name, number in call.company.tag_ids.items() if query in name.lower()]
    return [
        {"ticket_tag_id": number, "tag_company_id": COMPANY_ID, "name": name, "ticket_count": counts[name]}
        for number, name in call.page(found)
    ]


def _in_shape(call: Call, rows: list[dict[str, Any]]) -> Any:
    return as_strings(rows) if call.shapes == "pages" else rows


def _member(agent: Agent, group: Group) -> dict[str, Any]:
    return {**agent_json(agent), "pivot": pivot(agent, group)}


def _user(call: Call, agent: Agent) -> dict[str, Any]:
    return {
        **agent_json(agent),
        "chat_online_status": int(agent.is_online_in_chats),
        "online_status": int(agent.is_online),
        "groups": [{**group_json(group), "pivot": pivot(agent, group)} for group in _groups_of(call, agent)],
    }


def _groups_of(call: Call, agent: Agent) -> list[Group]:
    return [group for group in call.company.groups.values() if agent.id in group.agents]


def _field(field: CustomField) -> dict[str, Any]:
    return {
        "id": field.id,
        "company_id": COMPANY_ID,
        "ticket_field_type_id": FIELD_TYPES[field.type],
        "name": field.name,
        "value": None,
        "required": 0,
        "add_tag": 0,
        "add_filter": 1,
        "sort": 0,
        "active": 1,
        "hidden": 0,
        "api": 0,
        "deleted": 0,
    }


def _options(call: Call, field: CustomField) -> list[dict[str, Any]]:
    return [
        {
            "id": option.id,
            "ticket_field_id": field.id,
            "value": option.value,
            "parent_option_id": _parent(call, option),
        }
        for option in field.options
    ]


def _parent(call: Call, option: Option) -> Any:
    """Return the option one level above; the page shows an array."""
    return [option.parent_id] if option.parent_id and call.shapes == "pages" else option.parent_id
