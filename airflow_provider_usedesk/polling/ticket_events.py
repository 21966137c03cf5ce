"""New and changed tickets as events: filters, ids and payloads, without Airflow and without network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

from airflow_provider_usedesk.api import choices, values

if TYPE_CHECKING:
    from airflow_provider_usedesk.api.records import TicketRow

Events = Literal["new", "updated"]
EVENTS: tuple[Events, ...] = get_args(Events)
FILTERS = ("channel_id", "tag", "status", "group_id", "assignee_id", "client_id", "type", "priority")

SOURCE = "usedesk"
"""Marks the payload of our events."""


class Filter:
    """
    The tickets that have one of the wanted values of each name.

    :param wanted: the values by the name of the filter, tags as their keys; a missing name accepts all
    """

    def __init__(self, wanted: Mapping[str, frozenset[Any]]) -> None:
        self.wanted = wanted

    def accepts(self, row: TicketRow) -> bool:
        return all(_values(row, name) & values for name, values in self.wanted.items())


def checked_filter(events: Any, poll_interval: Any, filters: Mapping[str, Any]) -> tuple[float, Filter]:
    """
    Return the interval in seconds and the filter of a trigger, after checking all arguments.

    :param events: ``new`` or ``updated``
    :param poll_interval: seconds, 1 to 86400
    :param filters: by name, one value or several; None for no filter
    :raises ValueError: naming every invalid argument
    """
    checks: dict[str, Callable[[Any], Any]] = {
        "events": values.choice(*EVENTS),
        "poll_interval": _poll_interval,
        **{name: _several(_CHECKS.get(name, values.identifier)) for name in FILTERS},
    }
    given = {name: value for name, value in filters.items() if value is not None}
    valid, validation_errors = values.all_checked(
        checks, {"events": events, "poll_interval": poll_interval, **given}
    )
    if validation_errors:
        raise ValueError("; ".join(validation_errors))
    return valid["poll_interval"], Filter({name: valid[name] for name in given})


def event_id_of(events: Events, row: TicketRow) -> str:
    """Return the id of an event: the same each time the ticket is listed, another after each change."""
    return f"new/{row.id}" if events == "new" else f"updated/{row.id}/{row.last_updated_at or row.created_at}"


def payload_of(events: Events, usedesk_conn_id: str, row: TicketRow) -> dict[str, Any]:
    """Return the payload of an event: ids, words of Usedesk and tags, but no other text of a person."""
    from airflow_provider_usedesk.polling.ticket_status import ticket_state

    return {
        "source": SOURCE,
        "usedesk_conn_id": usedesk_conn_id,
        "event": events,
        "event_id": event_id_of(events, row),
        "created_at": row.created_at,
        **ticket_state(row.id, row),
    }


def _values(row: TicketRow, name: str) -> frozenset[Any]:
    return frozenset(map(values.tag_key, row.tags) if name == "tag" else {getattr(row, name)})


def _several(check: Callable[[Any], Any]) -> Callable[[Any], frozenset[Any]]:
    def check_all(given: Any) -> frozenset[Any]:
        several = list(given) if isinstance(given, (list, tuple, set, frozenset)) else [given]
        if not several:
            raise ValueError("name at least one value, or leave the argument out")
        return frozenset(check(one) for one in several)

    return check_all


def _tag(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be the name of a tag")
    return values.tag_key(value)


_CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "tag": _tag,
    "status": values.status,
    "type": values.one_of(choices.TicketType),
    "priority": values.one_of(choices.Priority),
}


def _poll_interval(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 1 <= value <= 86_400:
        raise ValueError("must be a number of seconds from 1 to 86400")
    return float(value)
