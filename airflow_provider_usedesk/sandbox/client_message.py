"""What a client writes: a new ticket or a reply, from the inbox or from Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_usedesk.sandbox.call import Refusal

if TYPE_CHECKING:
    from airflow_provider_usedesk.sandbox.company import Ticket
    from airflow_provider_usedesk.sandbox.state import State

SUBJECT = "New message"
FIELDS = (
    "subject",
    "tag",
    "channel_id",
    "client_id",
    "client_name",
    "client_phone",
    "client_email",
    "additional_id",
    "priority",
    "type",
    "field_id",
    "field_value",
)


def client_message(state: State, message: str, ticket_id: int | None, params: Mapping[str, Any]) -> Ticket:
    """
    Write as a client.

    :param state: the sandbox
    :param message: the text
    :param ticket_id: the ticket on which the client replies; None for a new one
    :param params: parameters of ``create/ticket`` for a new ticket
    :return: the ticket
    :raises KeyError: if there is no such ticket
    :raises ValueError: for a value that the API would refuse
    """
    unknown = params.keys() - set(FIELDS) if ticket_id is None else params.keys()
    if unknown:
        raise ValueError(f"A client's message has no {', '.join(sorted(unknown))}.")
    if ticket_id is not None:
        state.ticket(ticket_id)
    subject = {} if ticket_id is not None or params.get("subject") else {"subject": SUBJECT}
    try:
        return state.write_as_client({**params, **subject, "message": message}, ticket_id)
    except Refusal as refusal:
        raise ValueError(f"{refusal}.") from None
