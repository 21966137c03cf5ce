"""
The parameters of the methods as arguments of functions, for editors. ``make signatures`` writes this module.

Pyright and mypy read the parameters of a method of the client from ``Unpack``, jedi from a function to which
they are passed on. Nothing imports this module at run time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_usedesk.api.choices import (
    Author,
    CommentType,
    Language,
    Order,
    PhoneType,
    Priority,
    Role,
    SearchType,
    TicketType,
)
from airflow_provider_usedesk.api.parameters import Flag, Id, Moment, Status, Texts, Values


def create_ticket(
    *,
    subject: str | None = None,
    message: str | None = None,
    client_name: str | None = None,
    client_email: str | None = None,
    client_id: Id | None = None,
    client_phone: int | str | None = None,
    phone_region: str | None = None,
    username: str | None = None,
    company_name: str | None = None,
    channel_id: Id | None = None,
    priority: Priority | None = None,
    type: TicketType | None = None,
    status: Status | None = None,
    tag: Texts | None = None,
    assignee_id: Id | None = None,
    group_id: Id | None = None,
    private_comment: Flag | None = None,
    files: Any = None,
    custom_fields: Mapping[Any, Any] | str | None = None,
    field_id: Id | Sequence[Id] | None = None,
    field_value: Any = None,
    lists: Sequence[Any] | str | None = None,
    from_: Author | None = None,
    user_id: Id | None = None,
    trigger_id: Id | None = None,
    template_id: Id | None = None,
    template_name: str | None = None,
    template_variables: Sequence[Any] | str | None = None,
    template_lang: str | None = None,
    client_country: str | None = None,
    client_city: str | None = None,
    client_address: str | None = None,
    new_address: bool | str | None = None,
    phone_type: PhoneType | None = None,
    additional_id: Id | None = None,
) -> None:
    """The parameters of ``create/ticket``."""


def update_ticket(
    *,
    ticket_id: Id,
    subject: str | None = None,
    client_id: Id | None = None,
    group_id: Id | None = None,
    assignee_id: Id | None = None,
    user_id: Id | None = None,
    tag: Texts | None = None,
    priority: Priority | None = None,
    status: Status | None = None,
    silent: Flag | None = None,
    type: TicketType | None = None,
    custom_fields: Mapping[Any, Any] | str | None = None,
    field_id: Id | Sequence[Id] | None = None,
    field_value: Any = None,
    lists: Sequence[Any] | str | None = None,
) -> None:
    """The parameters of ``update/ticket``."""


def create_comment(
    *,
    ticket_id: Id,
    type: CommentType,
    message: str | None = None,
    cc: Texts | None = None,
    bcc: Texts | None = None,
    files: Any = None,
    user_id: Id | None = None,
    from_: Author | None = None,
    trigger_id: Id | None = None,
    template_id: Id | None = None,
    template_name: str | None = None,
    template_variables: Sequence[Any] | str | None = None,
    template_lang: str | None = None,
) -> None:
    """The parameters of ``create/comment``."""


def create_client(
    *,
    name: str | None = None,
    emails: Texts | None = None,
    phone: int | str | None = None,
    phone_type: PhoneType | None = None,
    phone_region: str | None = None,
    messengers: Sequence[Mapping[str, Any]] | Mapping[str, Any] | str | None = None,
    sites: Sequence[Mapping[str, Any]] | Mapping[str, Any] | str | None = None,
    note: str | None = None,
    avatar: Any = None,
    position: str | None = None,
    status_vip: Flag | None = None,
    status_spam: Flag | None = None,
    merge_id: Id | None = None,
    client_country: str | None = None,
    client_city: str | None = None,
    client_address: str | None = None,
    new_address: bool | str | None = None,
) -> None:
    """The parameters of ``create/client``."""


def update_client(
    *,
    client_id: Id,
    name: str | None = None,
    emails: Texts | None = None,
    phone: int | str | None = None,
    phone_type: PhoneType | None = None,
    phone_region: str | None = None,
    messengers: Sequence[Mapping[str, Any]] | Mapping[str, Any] | str | None = None,
    sites: Sequence[Mapping[str, Any]] | Mapping[str, Any] | str | None = None,
    note: str | None = None,
    is_new_note: Flag | None = None,
    avatar: Any = None,
    position: str | None = None,
    status_vip: Flag | None = None,
    status_spam: Flag | None = None,
    merge_id: Id | None = None,
    client_country: str | None = None,
    client_city: str | None = None,
    client_address: str | None = None,
    new_address: bool | str | None = None,
) -> None:
    """The parameters of ``update/client``."""


def add_chat_message(
    *,
    company_id: Id,
    channel_id: Id,
    text: str,
    chat_id: Id | None = None,
    client_id: Id | None = None,
    client_name: str | None = None,
    client_email: str | None = None,
) -> None:
    """The parameters of ``chat/addMessage``."""


def send_chat_message(*, chat_id: Id, user_id: Id, text: str) -> None:
    """The parameters of ``chat/sendMessage``."""


def change_chat_assignee(*, chat_id: Id, user_id: Id) -> None:
    """The parameters of ``chat/changeAssignee``."""


def create_user(
    *,
    name: str,
    email: str,
    password: str,
    group: Id,
    role: Role | None = None,
    phone: int | str | None = None,
    avatar: Any = None,
    send_invite: Flag | None = None,
    lang: Language | None = None,
) -> None:
    """The parameters of ``create/user``."""


def update_user(
    *,
    user_id: Id,
    name: str | None = None,
    email: str | None = None,
    group: Id | None = None,
    role: Role | None = None,
    phone: int | str | None = None,
    avatar: Any = None,
    chat_online_status: Flag | None = None,
    ticket_online_status: Flag | None = None,
) -> None:
    """The parameters of ``update/user``."""


def delete_user(*, user_id: Id) -> None:
    """The parameters of ``delete/user``."""


def tickets(
    *,
    fchannel: Values | None = None,
    fassigned: Any = None,
    fgroup: Values | None = None,
    fstatus: Values | None = None,
    ftype: Values | None = None,
    fpriority: Values | None = None,
    tag: Values | None = None,
    query: str | None = None,
    created_after: Moment | None = None,
    created_before: Moment | None = None,
    updated_after: Moment | None = None,
    updated_before: Moment | None = None,
    client_id: Values | None = None,
    fields: Sequence[Mapping[str, Any]] | None = None,
    sort: str | None = None,
    order: Order | None = None,
    accessible_for_agent_id: Id | None = None,
    properties: Sequence[str] | None = None,
) -> None:
    """The filters of ``tickets``."""


def clients(
    *,
    query: int | str | None = None,
    search_type: SearchType | None = None,
    created_after: Moment | None = None,
    created_before: Moment | None = None,
) -> None:
    """The filters of ``clients``."""


def users(
    *,
    user_type: Role | None = None,
    group_id: Id | None = None,
    query: str | None = None,
    user_id: Id | None = None,
) -> None:
    """The filters of ``users``."""
