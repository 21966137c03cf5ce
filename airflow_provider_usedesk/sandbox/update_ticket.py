"""Changes that an agent makes: with ``update/ticket``, on the inbox page, or from Python."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from airflow_provider_usedesk.sandbox import parameters
from airflow_provider_usedesk.sandbox.call import Call
from airflow_provider_usedesk.sandbox.company import (
    NEW,
    OPEN,
    PRIORITIES,
    STATUS_NAMES,
    TYPES,
    Company,
    Ticket,
)
from airflow_provider_usedesk.sandbox.nested_lists import nested_lists


def update_ticket(call: Call) -> dict[str, Any]:
    """Change a ticket (`update/ticket <https://api.usedocs.com/article/51379>`__)."""
    ticket = parameters.ticket_of(call)
    user_id = parameters.agent_id(call, "user_id")
    changes = _requested_changes(call, ticket)
    call.company.save(with_changes(ticket, call.now, changes, is_silent=call.flag("silent")), user_id)
    return {"status": "success"}


def with_changes(
    ticket: Ticket, now: datetime, changes: Mapping[str, Any], *, is_silent: bool = False
) -> Ticket:
    """Return the ticket after an agent's action, which moves a New ticket to Open unless ``is_silent``."""
    opened = {"status": OPEN} if ticket.status == NEW and not is_silent else {}
    return replace(ticket, **{**opened, **changes, "last_updated_at": now})


def checked_changes(company: Company, ticket: Ticket, changes: Mapping[str, Any]) -> dict[str, Any]:
    """
    Check changes that come from Python.

    :param company: the data
    :param ticket: the ticket before the changes
    :param changes: new values by field
    :return: the values to store
    :raises TypeError: if there are no changes, if a field cannot be changed, or if a value has a wrong type
    :raises ValueError: if the company does not have such a value
    """
    allowed: dict[str, Collection[Any]] = {
        "status": STATUS_NAMES,
        "type": TYPES,
        "priority": PRIORITIES,
        "client_id": company.clients,
        "assignee_id": (None, *company.active_agents),
        "group_id": (None, *company.groups),
    }
    parsers: dict[str, Callable[[Any], Any]] = {
        "subject": _subject,
        "tags": _tags,
        "custom_fields": lambda value: {**ticket.custom_fields, **_custom_fields(value)},
    }
    if not changes or not changes.keys() <= {*allowed, *parsers}:
        raise TypeError(f"Only these fields can be changed: {', '.join([*allowed, *parsers])}.")
    for name in changes.keys() & allowed.keys():
        _check_allowed(name, changes[name], allowed[name])
    return {name: parsers[name](value) if name in parsers else value for name, value in changes.items()}


def _requested_changes(call: Call, ticket: Ticket) -> dict[str, Any]:
    parameters.check_lengths(call, ("subject", "tag", "field_id"))
    values = {
        "subject": call.text("subject"),
        "client_id": parameters.client_id(call),
        "priority": call.choice("priority", PRIORITIES),
        "type": call.choice("type", TYPES),
        "status": parameters.status(call),
    }
    return {
        **{name: value for name, value in values.items() if value},
        **_clearable(call, "assignee_id", lambda: parameters.agent_id(call, "assignee_id")),
        **_clearable(call, "group_id", lambda: parameters.group_id(call)),
        **({"lists": nested_lists(call)} if "lists" in call.params else {}),
        "tags": tuple(dict.fromkeys((*ticket.tags, *parameters.tags(call)))),
        "custom_fields": {**ticket.custom_fields, **parameters.custom_fields(call)},
    }


def _clearable(call: Call, name: str, read: Callable[[], int | None]) -> dict[str, Any]:
    """Return the new value of a field that the text null clears; nothing for an empty value."""
    if call.text(name) == "null":
        return {name: None}
    value = read()
    return {} if value is None else {name: value}


def _check_allowed(name: str, value: Any, allowed: Collection[Any]) -> None:
    # Compares types too: True equals 1 but is not a status.
    if not any(value == one and type(value) is type(one) for one in allowed):
        raise ValueError(f"{name} must be one of {', '.join(map(str, allowed))}.")


def _subject(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("subject must be a string.")
    if len(value) > 255:
        raise ValueError("subject must not be longer than 255 characters.")
    return value


def _tags(value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not all(isinstance(tag, str) for tag in value):
        raise TypeError("tags must be a list of strings.")
    return tuple(dict.fromkeys(value))


def _custom_fields(value: Any) -> dict[int, str]:
    if not all(type(field) is int and isinstance(text, str) for field, text in dict(value).items()):
        raise TypeError("custom_fields must map field ids (int) to strings.")
    return dict(value)
