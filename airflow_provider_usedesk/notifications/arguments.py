"""The checks of a notifier's arguments when the Dag is parsed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from airflow_provider_usedesk.hooks.delivery_settings import MAX_PREFIX
from airflow_provider_usedesk.hooks.literals import is_literal
from airflow_provider_usedesk.hooks.message_files import MESSAGE_FILES, names_file
from airflow_provider_usedesk.notifications.open_ticket import (
    MAX_TAG,
    PRIORITIES,
    Scope,
    may_count_as_open,
    with_tag,
)


def given_ticket_params(variables: Mapping[str, Any], unknown: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the parameters of the ticket that a notifier was given, without its subject and message.

    :param variables: ``locals()`` of its constructor
    :param unknown: arguments that it does not know, which are refused later, or have another spelling
    """
    from airflow_provider_usedesk.api.ticket import CREATE_TICKET

    names = (name for name in variables if name in CREATE_TICKET.arguments - {"subject", "message"})
    return {**{name: variables[name] for name in names if variables[name] is not None}, **unknown}


def check_scope(scope: Any, tag_prefix: Any, resolve: Any, status: Any) -> None:
    """
    Check the arguments that say which ticket belongs to an incident.

    :param scope: argument ``one_open_ticket_per``
    :param tag_prefix: argument ``tag_prefix``
    :param resolve: argument ``resolve``
    :param status: status of a new ticket
    :raises ValueError: if no alert would find the open ticket of an earlier one
    """
    if scope not in (None, *get_args(Scope)):
        raise ValueError(f"one_open_ticket_per must be one of {', '.join(get_args(Scope))}, or None")
    is_prefix = isinstance(tag_prefix, str) and 0 < len(tag_prefix.strip()) <= len(tag_prefix) <= MAX_PREFIX
    if tag_prefix is not None and not is_prefix:
        raise ValueError(f"tag_prefix must be a text of 1 to {MAX_PREFIX} characters")
    if not isinstance(resolve, bool):
        raise ValueError("resolve must be True or False")
    if resolve and not scope:
        raise ValueError("resolve needs one_open_ticket_per, which says how to find the ticket")
    if scope and not may_count_as_open(status):
        raise ValueError(f"status {status} with one_open_ticket_per would open a ticket for each alert")


def check_repeat_priority(priority: Any, scope: Any, *, resolve: Any) -> None:
    """
    Check the argument ``repeat_priority``.

    :param priority: the argument
    :param scope: argument ``one_open_ticket_per``
    :param resolve: argument ``resolve``
    :raises ValueError: if it is not a priority, or would have no effect
    """
    if priority is None:
        return
    if priority not in PRIORITIES:
        raise ValueError(f"repeat_priority must be one of {', '.join(PRIORITIES)}")
    if not scope:
        raise ValueError("repeat_priority needs one_open_ticket_per, which says how to find the ticket")
    if resolve:
        raise ValueError("repeat_priority has no effect with resolve")


def check_message(message: Any) -> None:
    """
    Check that a message is a text. A deadline alert has no Dag, so no folder to look for a file in.

    :param message: argument ``message``
    :raises ValueError: if it is the name of a file
    """
    if names_file(message):
        raise ValueError(
            "message is the name of a file, but a notifier takes the text itself: pass "
            'Path(__file__).with_name("alert.html").read_text(). '
            f"A text cannot end in {', '.join(MESSAGE_FILES)}: append a space to it."
        )


def check_ticket_params(ticket_params: Mapping[str, Any], *, has_incident_tag: bool) -> None:
    """
    Check the parameters of the ticket that are not templates; files are looked for when they are sent.

    :param ticket_params: the parameters
    :param has_incident_tag: whether the tag of an incident is added to the tags
    :raises UsedeskInvalidRequest: if a parameter is not valid
    :raises ValueError: if a parameter can be read only once
    """
    from airflow_provider_usedesk.api.ticket import ticket_request
    from airflow_provider_usedesk.api.values import UNKNOWN, reads_once

    if once := [name for name, value in ticket_params.items() if reads_once(value)]:
        raise ValueError(
            f"{' and '.join(once)} can be read only once, like a generator or an open file, but a notifier "
            "sends many alerts: give a list, or the path of the file"
        )
    params = {
        name: value if name != "files" and is_literal(value) else UNKNOWN
        for name, value in ticket_params.items()
    }
    if has_incident_tag and params.get("tag", UNKNOWN) is not UNKNOWN:
        params["tag"] = with_tag(params["tag"], "x" * MAX_TAG)
    ticket_request({**params, "subject": "any", "message": "any"})
