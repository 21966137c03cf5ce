"""The methods that create, change and delete agents."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from airflow_provider_usedesk.sandbox import parameters
from airflow_provider_usedesk.sandbox.call import Call, Refusal
from airflow_provider_usedesk.sandbox.company import ROLES, Agent

LANGUAGES = ("ru", "en", "es", "kk", "pt-br")
BOOLEANS = ("true", "false", "1", "0", "True", "False")


def create_user(call: Call) -> dict[str, Any]:
    """Create an agent (`create/user <https://api.usedocs.com/article/51415>`__)."""
    missing = [name for name in ("name", "email", "password", "group") if not call.text(name)]
    if missing:
        raise Refusal(f"missing: {', '.join(missing)}")
    call.choice("lang", LANGUAGES)
    call.choice("send_invite", BOOLEANS)
    agent = Agent(call.company.next_id(), call.text("name"), "", "employee")
    return _saved(call, _changed(call, agent))


def update_user(call: Call) -> dict[str, Any]:
    """Change an agent (`update/user <https://api.usedocs.com/article/51416>`__)."""
    return _saved(call, _changed(call, _agent(call)))


def delete_user(call: Call) -> dict[str, Any]:
    """
    Delete an agent, but not the only administrator; tickets stay assigned.

    Source: `delete/user <https://api.usedocs.com/article/51417>`__.
    """
    agent, company = _agent(call), call.company
    others = [one for one in company.active_agents.values() if one.id != agent.id]
    if not any(one.role == "admin" for one in others):
        raise Refusal("the only administrator cannot be deleted")
    for group in company.groups.values():
        members = tuple(one for one in group.agents if one != agent.id)
        company.groups[group.id] = replace(group, agents=members)
    return _saved(call, replace(agent, is_deleted=True))


def _agent(call: Call) -> Agent:
    user_id = parameters.agent_id(call, "user_id")
    if user_id is None:
        raise Refusal("user_id is missing", 117)
    return call.company.agents[user_id]


def _changed(call: Call, agent: Agent) -> Agent:
    """Return the agent with the given values."""
    parameters.check_lengths(call, ("name", "email", "phone"))
    email = call.text("email") or agent.email
    if "@" not in email:
        raise Refusal("email is not an e-mail address")
    if any(one.email == email and one.id != agent.id for one in call.company.active_agents.values()):
        raise Refusal("email belongs to another agent")
    return replace(
        agent,
        name=call.text("name") or agent.name,
        email=email,
        role=next((role for role in ROLES if role == call.choice("role", ROLES)), agent.role),
        phone=call.text("phone") or agent.phone,
        group_id=parameters.group_id(call, "group") or agent.group_id,
        is_online=_flag(call, "ticket_online_status", agent.is_online),
        is_online_in_chats=_flag(call, "chat_online_status", agent.is_online_in_chats),
        has_avatar=_has_avatar(call, agent),
    )


def _flag(call: Call, name: str, before: bool) -> bool:
    return call.flag(name) if call.choice(name, BOOLEANS) else before


def _has_avatar(call: Call, agent: Agent) -> bool:
    if call.params.get("avatar") == "delete":
        return False
    return parameters.upload(call, "avatar") is not None or agent.has_avatar


def _saved(call: Call, agent: Agent) -> dict[str, Any]:
    """Save the agent as a member of the default group."""
    call.company.agents[agent.id] = agent
    group = call.company.groups.get(agent.group_id or 0)
    if group and not agent.is_deleted and agent.id not in group.agents:
        call.company.groups[group.id] = replace(group, agents=(*group.agents, agent.id))
    return {"status": "success", "user_id": agent.id}
