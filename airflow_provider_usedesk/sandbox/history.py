"""The history of a ticket: which of its fields a change changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_usedesk.sandbox.company import Ticket

# The fields of a ticket that its history records, with their names there.
TARGETS: Mapping[str, str] = {
    "status": "status_id",
    "subject": "subject",
    "assignee_id": "assignee_id",
    "custom_fields": "ticket_field",
    "priority": "priority",
    "type": "type",
    "group_id": "group",
    "client_id": "client_id",
    "lists": "ticket_field",
}


def changed_fields(before: Ticket, after: Ticket) -> tuple[dict[str, Any], ...]:
    """Return the target, the value and the old value of each field that differs."""
    values = ((name, getattr(before, name), getattr(after, name)) for name in TARGETS)
    changed = [_change(TARGETS[name], new, old) for name, old, new in values if old != new]
    return (*changed, *_changed_tags(before.tags, after.tags))


def _changed_tags(before: Iterable[str], after: Iterable[str]) -> Iterable[dict[str, Any]]:
    added, removed = _missing_in(before, after), _missing_in(after, before)
    if added:
        yield _change("new_tags", added, None)
    if removed:
        yield _change("removed_tags", removed, None)


def _missing_in(one: Iterable[str], other: Iterable[str]) -> list[str]:
    return [tag for tag in other if tag not in set(one)]


def _change(target: str, value: Any, old_value: Any) -> dict[str, Any]:
    return {"target": target, "value": _json_value(value), "old_value": _json_value(old_value)}


def _json_value(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return ",".join(str(part) for part in value)
    return dict(value) if isinstance(value, Mapping) else value
