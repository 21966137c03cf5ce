"""Which of the tickets that were read is the wanted one: only ``additional_id`` decides."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from airflow_provider_usedesk.api.responses import CreatedTicket
from airflow_provider_usedesk.idempotency.decision import (
    SET_MESSAGE_KEY,
    Ambiguous,
    Found,
    LookUp,
    SearchResult,
)
from airflow_provider_usedesk.idempotency.find_ticket import SeenTickets, Shown
from airflow_provider_usedesk.idempotency.keys import IdempotencyKey, is_cut_key, parse_key

log = logging.getLogger(__name__)

_CUT_OFF = "the additional_id of ticket {} is cut off"


def match_key(seen: SeenTickets, look_up: LookUp, taken: Collection[int] = ()) -> SearchResult[CreatedTicket]:
    """
    Return the ticket with the wanted key.

    :param seen: the tickets that were read
    :param look_up: what identifies the ticket
    :param taken: tickets of other messages that this attempt sent or found
    """
    if wanted := list(_wanted(seen.shown, look_up, taken)):
        return Found(CreatedTicket(_first_of(wanted), is_found=True))
    if reason := _reason_against_absence(seen.shown, look_up, taken):
        return Ambiguous(reason)
    return seen.rest


def has_key(look_up: LookUp, taken: Collection[int] = ()) -> Callable[[Shown], bool]:
    """
    Return the function that says whether tickets contain the wanted one.

    :param look_up: what identifies the ticket
    :param taken: tickets of other messages
    """
    return lambda shown: any(True for _ in _wanted(shown, look_up, taken))


def match_id(seen: SeenTickets, own_id: str) -> SearchResult[CreatedTicket]:
    """
    Return the ticket with an ``additional_id`` that a Dag gives.

    :param seen: the tickets that were read
    :param own_id: the ``additional_id``
    """
    return match_ids(seen, [own_id])[own_id]


def match_ids(seen: SeenTickets, own_ids: Collection[str]) -> Mapping[str, SearchResult[CreatedTicket]]:
    """
    Return the result for each ``additional_id``.

    :param seen: the tickets that were read
    :param own_ids: the texts
    """
    tickets: dict[str, list[int]] = {}
    for ticket_id, shown in seen.shown.items():
        if shown is not None:
            tickets.setdefault(_compared(shown), []).append(ticket_id)
    bases = {key.base for own_id in own_ids if (key := parse_key(own_id))}
    cut = [text for text in tickets if any(is_cut_key(text, base) for base in bases)]
    results: dict[str, SearchResult[CreatedTicket]] = {}
    for own_id in own_ids:
        wanted = _compared(own_id)
        beginning = next((text for text in cut if wanted.startswith(text)), None)
        if found := tickets.get(wanted):
            results[own_id] = Found(CreatedTicket(_first_of(found), is_found=True))
        elif beginning:
            results[own_id] = Ambiguous(_CUT_OFF.format(tickets[beginning][0]))
        else:
            results[own_id] = seen.rest
    return results


def has_ids(own_ids: Iterable[str]) -> Callable[[Shown], bool]:
    """Return the function that says whether tickets contain all of some ``additional_id``."""
    wanted = {_compared(own_id) for own_id in own_ids}

    def is_enough(shown: Shown) -> bool:
        return wanted <= {_compared(text) for text in shown.values() if text is not None}

    return is_enough


def _compared(text: str) -> str:
    """Return the part of an ``additional_id`` that is compared; of a key, without the label."""
    key = parse_key(text)
    return text.strip().casefold() if key is None else str(key).partition("/")[0]


def _wanted(shown: Shown, look_up: LookUp, taken: Collection[int]) -> Iterator[int]:
    """Yield the tickets that the look-up identifies."""
    for ticket_id, key in _keys_of_task(shown, look_up):
        # Only a message can be that of another one: a place and a whole key are unique.
        if _is_wanted(key, look_up) and not (look_up.by == "message" and ticket_id in taken):
            yield ticket_id


def _keys_of_task(shown: Shown, look_up: LookUp) -> Iterator[tuple[int, IdempotencyKey]]:
    for ticket_id, text in shown.items():
        key = None if text is None else parse_key(text)
        if key is not None and key.base == look_up.key.base:
            yield ticket_id, key


def _is_wanted(key: IdempotencyKey, look_up: LookUp) -> bool:
    if look_up.by == "key":
        return key == look_up.key
    if look_up.by == "place":
        return key.place == look_up.key.place
    if look_up.by == "recipient":
        return (key.place, key.recipient) == (look_up.key.place, look_up.key.recipient)
    return key.same_message(look_up.key)


def _reason_against_absence(shown: Shown, look_up: LookUp, taken: Collection[int]) -> str | None:
    """Return why the ticket may exist although no key is the wanted one."""
    for ticket_id, key in _keys_of_task(shown, look_up):
        if ticket_id in taken:
            continue
        if look_up.by == "message" and key.recipient == look_up.key.recipient:
            return (
                f"ticket {ticket_id} is a message of this task to the same recipient with another content. "
                f"{SET_MESSAGE_KEY}"
            )
    for ticket_id, text in shown.items():
        if text is not None and is_cut_key(text, look_up.key.base):
            return _CUT_OFF.format(ticket_id)
    return None


def _first_of(ticket_ids: Iterable[int]) -> int:
    first, *others = sorted(ticket_ids)
    if others:
        log.warning(
            "Tickets %d and %d have the same additional_id. Ticket %d is used; check in Usedesk whether the "
            "customer was written to twice.",
            first,
            others[0],
            first,
        )
    return first
