"""Waiting for the status of a ticket: pure decisions, for the sensor and its trigger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_usedesk.api import values
from airflow_provider_usedesk.api.values import STATUSES

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.records import Ticket

STATUS_NAMES = {number: name for name, number in STATUSES.items()}

FAILED = ("deleted", "spam", "merged")
"""Statuses after which nobody solves a ticket any more."""


@dataclass(frozen=True)
class Goal:
    """
    The statuses that end a wait.

    :param target: numbers of the statuses that the task waits for
    :param failed: numbers of the statuses after which the ticket is not expected to reach them
    """

    target: frozenset[int]
    failed: frozenset[int]

    def is_reached(self, status: int | None) -> bool:
        return status in self.target

    def has_failed(self, status: int | None) -> bool:
        return status in self.failed

    @property
    def statuses(self) -> frozenset[int]:
        return self.target | self.failed


def checked_goal(ticket_id: Any, target: Any, failed: Any) -> tuple[int, Goal]:
    """
    Return the ticket and the goal of a wait, after checking all arguments.

    :param ticket_id: the ticket, 32 bit
    :param target: names or numbers of statuses, as a list or as one text with commas
    :param failed: the same; None for the default, an empty list for no status
    :raises UsedeskInvalidRequest: naming every invalid argument
    """
    from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest

    given = {"ticket_id": ticket_id, "target_statuses": target, "failed_statuses": failed}
    valid, validation_errors = _checked(given)
    if validation_errors:
        raise UsedeskInvalidRequest(validation_errors)
    target_numbers, failed_numbers = (frozenset(valid[name]) for name in list(given)[1:])
    return valid["ticket_id"], Goal(target_numbers, failed_numbers)


def goal_errors(given: Mapping[str, Any]) -> list[str]:
    """
    Return a text for each invalid argument of a wait.

    :param given: those arguments of :func:`checked_goal` that are known, named as those of the sensor
    """
    return _checked(given)[1]


def _checked(given: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    checks = {
        "ticket_id": values.identifier,
        "target_statuses": values.statuses,
        "failed_statuses": lambda value: values.statuses(FAILED if value is None else value),
    }
    valid, validation_errors = values.all_checked(checks, given)
    targets, failures = valid.get("target_statuses"), valid.get("failed_statuses")
    if targets == ():
        validation_errors.append("target_statuses: name at least one status")
    for status in set(targets or ()) & set(failures or ()):
        validation_errors.append(f"failed_statuses: {status_name(status)} is also in target_statuses")
    return valid, validation_errors


def ticket_state(ticket_id: int, ticket: Ticket) -> dict[str, Any]:
    """Return a ticket for XCom: ids, words of Usedesk and tags, but no other text that a person wrote."""
    return {
        "ticket_id": ticket_id,
        "status": ticket.status,
        "status_name": STATUS_NAMES.get(ticket.status or 0),
        "type": ticket.type,
        "priority": ticket.priority,
        "client_id": ticket.client_id,
        "assignee_id": ticket.assignee_id,
        "group_id": ticket.group_id,
        "channel_id": ticket.channel_id,
        "tags": list(ticket.tags),
        "last_updated_at": ticket.last_updated_at,
    }


def status_name(status: int | None) -> str:
    """Return the name that Usedesk gives a status."""
    return STATUS_NAMES.get(status or 0, f"number {status}")


def why_failed(ticket_id: int | None, status: int | None) -> str:
    """Return why a ticket is not expected to reach a wanted status any more."""
    if status == STATUSES["merged"]:
        return (
            f"Ticket {ticket_id} was merged into another ticket. Usedesk does not name that ticket, so later "
            "changes are not visible here. Open the ticket in Usedesk to find it."
        )
    return f"Ticket {ticket_id} is {status_name(status)}, which is one of failed_statuses."
