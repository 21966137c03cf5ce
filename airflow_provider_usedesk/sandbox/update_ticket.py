"""What an agent changes in a ticket: through ``update/ticket``, in the inbox, or from Python."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from airflow_provider_usedesk.sandbox import parameters
from airflow_provider_usedesk.sandbox.call import Call, Refusal
from airflow_provider_usedesk.sandbox.world import (
    NEW,
    OPEN,
    PRIORITIES,
    STATUS_NAMES,
    TYPES,
    Ticket,
    World,
)


def update_ticket(call: Call) -> dict[str, Any]:
    """Change a ticket, as article 51379 describes it."""
    ticket = parameters.ticket_of(call)
    parameters.agent_id(call, "user_id")
    is_silent = call.text("silent").lower() in ("true", "1")
    call.world.keep(touched(ticket, call.now, _asked(call, ticket), is_silent=is_silent))
    return {"status": "success"}


def touched(ticket: Ticket, now: datetime, changes: Mapping[str, Any], *, is_silent: bool = False) -> Ticket:
    """Change a ticket the way an agent's action does, which also opens a new one."""
    opened = {"status": OPEN} if ticket.status == NEW and not is_silent else {}
    return replace(ticket, **{**opened, **changes, "last_updated_at": now})


def delivered(ticket: Ticket, comment_id: int, now: datetime) -> Ticket:
    """Note that a message was delivered."""
    comments = (
        replace(comment, delivered_at=now) if comment.id == comment_id else comment
        for comment in ticket.comments
    )
    return replace(ticket, comments=tuple(comments))


def checked(world: World, ticket: Ticket, changes: Mapping[str, Any]) -> dict[str, Any]:
    """
    Check changes that come from Python.

    :raises TypeError: for nothing to change, a change nobody can make, or a value of a wrong type
    :raises ValueError: for a value that this company does not know
    """
    known: dict[str, Collection[Any]] = {
        "status": STATUS_NAMES,
        "type": TYPES,
        "priority": PRIORITIES,
        "client_id": world.clients,
        "assignee_id": (None, *world.agents),
        "group_id": (None, *world.groups),
    }
    shapes: dict[str, Callable[[Any], Any]] = {
        "subject": _subject,
        "tags": _tags,
        "custom_fields": lambda value: {**ticket.custom_fields, **_values(value)},
    }
    if not changes or not changes.keys() <= {*known, *shapes}:
        raise TypeError(f"what an agent can change: {', '.join([*known, *shapes])}")
    for name in changes.keys() & known.keys():
        _check_known(name, changes[name], known[name])
    return {name: shapes[name](value) if name in shapes else value for name, value in changes.items()}


def _asked(call: Call, ticket: Ticket) -> dict[str, Any]:
    parameters.check_lengths(call, ("subject", "tag", "field_id"))
    given = {
        "subject": call.text("subject"),
        "client_id": parameters.client_id(call),
        "group_id": parameters.group_id(call),
        "priority": call.choice("priority", PRIORITIES),
        "type": call.choice("type", TYPES),
        "status": parameters.status(call),
    }
    return {
        **{name: value for name, value in given.items() if value},
        **_assignee(call),
        **_lists(call),
        "tags": tuple(dict.fromkeys((*ticket.tags, *parameters.tags(call)))),
        "custom_fields": {**ticket.custom_fields, **parameters.custom_fields(call)},
    }


def _assignee(call: Call) -> dict[str, Any]:
    if call.text("assignee_id") == "null":
        return {"assignee_id": None}
    agent = parameters.agent_id(call, "assignee_id")
    return {} if agent is None else {"assignee_id": agent}


def _lists(call: Call) -> dict[str, Any]:
    if "lists" not in call.given:
        return {}
    lists = call.given["lists"]
    if lists not in (None, "", "null") and not isinstance(lists, list):
        raise Refusal("lists must be an array")
    return {"lists": tuple(lists) if isinstance(lists, list) else ()}


def _check_known(name: str, value: Any, known: Collection[Any]) -> None:
    # True equals 1, and is no status.
    if not any(value == one and type(value) is type(one) for one in known):
        raise ValueError(f"{name} must be one of {', '.join(map(str, known))}")


def _subject(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("subject must be a text")
    if len(value) > 255:
        raise ValueError("subject is longer than 255 characters")
    return value


def _tags(value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not all(isinstance(tag, str) for tag in value):
        raise TypeError("tags must be several texts")
    return tuple(dict.fromkeys(value))


def _values(value: Any) -> dict[int, str]:
    if not all(type(field) is int and isinstance(text, str) for field, text in dict(value).items()):
        raise TypeError("custom_fields must be texts by the number of the field")
    return dict(value)
