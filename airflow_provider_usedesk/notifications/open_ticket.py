"""The open ticket of an incident: the tag that identifies it, and what an alert does with it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from airflow_provider_usedesk.api import values
from airflow_provider_usedesk.api.choices import Priority
from airflow_provider_usedesk.api.values import STATUSES
from airflow_provider_usedesk.hooks.delivery_settings import DEFAULT_PREFIX

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.records import TicketRow

Scope = Literal["dag", "task", "run"]

# From the lowest to the highest.
PRIORITIES: tuple[str, ...] = get_args(Priority)
OPEN_STATUSES = tuple(STATUSES[name] for name in ("new", "open", "on hold", "pending"))
# The tag does not depend on other tags of the notifier, so that a recovery finds the ticket of the failure.
MAX_TAG = 120


def scope_tag(
    scope: Scope,
    *,
    dag_id: str,
    task_id: str | None = None,
    run_id: str | None = None,
    prefix: str = DEFAULT_PREFIX,
) -> tuple[str, Scope]:
    """
    Return the tag of the incidents of a Dag, task or run, and the scope that it has.

    :param scope: what has at most one open ticket
    :param dag_id: id of the Dag
    :param task_id: id of the task; if it is not known, the scope is the Dag
    :param run_id: id of the Dag run; if it is not known, the scope is the Dag
    :param prefix: first part of the tag
    """
    actual: Scope = "dag"
    parts = [_escaped(prefix), _escaped(dag_id)]
    if scope == "task" and task_id:
        actual = "task"
        parts.append(_escaped(task_id))
    if scope == "run" and run_id:
        actual = "run"
        parts.append(f"run={_escaped(run_id)}")  # no task can have such an id
    tag = "/".join(parts)
    if len(tag) > MAX_TAG:
        digest = hashlib.sha256(tag.encode()).hexdigest()[:16]
        tag = f"{tag[: MAX_TAG - len(digest) - 1]}~{digest}"
    return tag, actual


def with_tag(given: Any, tag: str) -> list[Any]:
    """
    Return the tags of the user with the tag of the incident added.

    :param given: value of the argument ``tag``: a list, a text with commas, or empty
    :param tag: tag of the incident
    """
    listed = values.as_list(given)
    return [*((str(given).split(",") if given else []) if listed is None else listed), tag]


def ends_incident(scope: Scope, *, about: Literal["task", "dag", "deadline", "sla"], is_mapped: bool) -> bool:
    """
    Return whether a success ends the whole incident.

    The success of one task does not end an incident of its Dag or run, and the success of one mapped instance
    does not end an incident of its task.

    :param scope: scope of the incident
    :param about: what the callback belongs to
    :param is_mapped: whether it belongs to a mapped task instance
    """
    return about != "task" or (scope == "task" and not is_mapped)


def may_count_as_open(status: Any) -> bool:
    """Return whether a ticket that is created with this status counts as open."""
    try:
        number = None if status is None else values.status(status)
    except ValueError:
        return True  # a template, or a value that the check of the parameters rejects
    return number is None or number in OPEN_STATUSES


def open_tickets(rows: Iterable[TicketRow], tag: str) -> tuple[int, ...]:
    """
    Return the ids of the open tickets with the tag, in ascending order.

    Every row is checked, because the service may ignore a filter.

    :param rows: listed tickets
    :param tag: tag of the incident
    """
    return tuple(sorted(row.id for row in rows if row.status in OPEN_STATUSES and _has_tag(row, tag)))


@dataclass(frozen=True)
class OpenTicket:
    """Open a ticket."""


@dataclass(frozen=True)
class AddComment:
    """Add a comment to a ticket that is open."""

    ticket_id: int


@dataclass(frozen=True)
class SolveTickets:
    """Add a comment to these tickets and set them to solved."""

    ticket_ids: tuple[int, ...]


@dataclass(frozen=True)
class NoAction:
    """Send no request that writes."""


@dataclass(frozen=True)
class KeepTicket:
    """Keep the new ticket."""


@dataclass(frozen=True)
class CloseDuplicate:
    """Add the comment to a ticket that was opened earlier, and delete the new one."""

    ticket_id: int


def first_action(
    is_recovery: bool, open_ids: Collection[int]
) -> OpenTicket | AddComment | SolveTickets | NoAction:
    """
    Return what to do with an alert.

    :param is_recovery: whether the alert ends the incident
    :param open_ids: ids of the open tickets of the incident
    """
    if is_recovery:
        return SolveTickets(tuple(sorted(open_ids))) if open_ids else NoAction()
    return AddComment(min(open_ids)) if open_ids else OpenTicket()


def action_after_opening(new_id: int, open_ids: Collection[int]) -> KeepTicket | CloseDuplicate:
    """
    Return which ticket stays if several were opened at once: the one with the lowest id.

    :param new_id: id of the new ticket
    :param open_ids: ids of the open tickets of the incident
    """
    lowest = min(open_ids, default=new_id)
    return CloseDuplicate(lowest) if lowest < new_id else KeepTicket()


def is_raised(current: str | None, wanted: str) -> bool:
    """
    Return whether a priority is higher than that of the ticket.

    :param current: priority of the ticket, as the service names it; None if it is not known
    :param wanted: one of the priorities
    """
    if current in PRIORITIES:
        return PRIORITIES.index(wanted) > PRIORITIES.index(current)
    # A priority of unknown rank is replaced only by the highest.
    return wanted == PRIORITIES[-1]


def _has_tag(row: TicketRow, tag: str) -> bool:
    return values.tag_key(tag) in map(values.tag_key, row.tags)


def _escaped(name: str) -> str:
    """Return a name without characters that separate tags or the parts of one."""
    return re.sub(r"[%/,;\s]", lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), name)
