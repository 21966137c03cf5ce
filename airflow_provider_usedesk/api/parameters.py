"""
The types of the parameters, for editors and type checkers.

Each class belongs to one method of the API, and has a key for each of its arguments; a test compares them.
At run time the checks of the method accept more forms of a value, such as ``from`` instead of ``from_``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Required, TypedDict

Id = int | str
"""A whole number, or its digits."""

Flag = bool | str
"""A bool, or the text that a template renders."""

Texts = str | Sequence[str]
"""One text, a list of texts, or a text with commas."""


class _Ticket(TypedDict, total=False):
    type: str | None
    priority: str | None
    status: int | str | None
    tag: Texts | None
    assignee_id: Id | None
    group_id: Id | None
    user_id: Id | None
    custom_fields: Mapping[Any, Any] | str | None
    field_id: Id | Sequence[Id] | None
    field_value: Any
    lists: Sequence[Any] | str | None


class _Template(TypedDict, total=False):
    template_id: Id | None
    template_name: str | None
    template_variables: Sequence[Any] | str | None
    template_lang: str | None


class _Address(TypedDict, total=False):
    client_country: str | None
    client_city: str | None
    client_address: str | None
    new_address: Flag | None
    phone_type: str | None
    phone_region: str | None


class CreateTicketParameters(_Ticket, _Template, _Address, total=False):
    """The parameters of ``create/ticket``."""

    subject: str | None
    message: str | None
    client_name: str | None
    client_email: str | None
    client_id: Id | None
    client_phone: int | str | None
    company_name: str | None
    private_comment: Flag | None
    additional_id: Id | None
    channel_id: Id | None
    files: Any
    from_: str | None
    trigger_id: Id | None
    username: str | None


class UpdateTicketParameters(_Ticket, total=False):
    """The parameters of ``update/ticket``."""

    ticket_id: Required[Id]
    subject: str | None
    client_id: Id | None
    silent: Flag | None


class CreateCommentParameters(_Template, total=False):
    """The parameters of ``create/comment``."""

    ticket_id: Required[Id]
    type: Required[str]
    message: str | None
    cc: Texts | None
    bcc: Texts | None
    files: Any
    user_id: Id | None
    from_: str | None
    trigger_id: Id | None


class _Client(_Address, total=False):
    name: str | None
    emails: Texts | None
    phone: int | str | None
    messengers: Sequence[Mapping[str, Any]] | Mapping[str, Any] | str | None
    sites: Sequence[Mapping[str, Any]] | Mapping[str, Any] | str | None
    note: str | None
    avatar: Any
    position: str | None
    status_vip: Flag | None
    status_spam: Flag | None
    merge_id: Id | None


class CreateClientParameters(_Client, total=False):
    """The parameters of ``create/client``."""


class UpdateClientParameters(_Client, total=False):
    """The parameters of ``update/client``."""

    client_id: Required[Id]
    is_new_note: Flag | None


class AddChatMessageParameters(TypedDict, total=False):
    """The parameters of ``chat/addMessage``."""

    company_id: Required[Id]
    channel_id: Required[Id]
    text: Required[str]
    chat_id: Id | None
    client_id: Id | None
    client_name: str | None
    client_email: str | None


class SendChatMessageParameters(TypedDict):
    """The parameters of ``chat/sendMessage``."""

    chat_id: Id
    user_id: Id
    text: str


class ChangeChatAssigneeParameters(TypedDict):
    """The parameters of ``chat/changeAssignee``."""

    chat_id: Id
    user_id: Id


class _User(TypedDict, total=False):
    role: str | None
    phone: int | str | None
    avatar: Any


class CreateUserParameters(_User, total=False):
    """The parameters of ``create/user``."""

    name: Required[str]
    email: Required[str]
    password: Required[str]
    group: Required[Id]
    send_invite: Flag | None
    lang: str | None


class UpdateUserParameters(_User, total=False):
    """The parameters of ``update/user``."""

    user_id: Required[Id]
    name: str | None
    email: str | None
    group: Id | None
    chat_online_status: Flag | None
    ticket_online_status: Flag | None


class DeleteUserParameters(TypedDict):
    """The parameters of ``delete/user``."""

    user_id: Id


Values = int | str | Sequence[int | str] | set[int] | set[str]
"""One value of a filter, or several."""

Moment = datetime | str
"""A datetime with time zone, or a text ``YYYY-MM-DD HH:MM`` in UTC."""


class TicketFilters(TypedDict, total=False):
    """The filters of ``tickets``."""

    fchannel: Values | None
    fassigned: Any
    fgroup: Values | None
    fstatus: Values | None
    ftype: Values | None
    fpriority: Values | None
    tag: Values | None
    query: str | None
    created_after: Moment | None
    created_before: Moment | None
    updated_after: Moment | None
    updated_before: Moment | None
    client_id: Values | None
    fields: Sequence[Mapping[str, Any]] | None
    sort: str | None
    order: str | None
    accessible_for_agent_id: Id | None
    properties: Sequence[str] | None


class ClientFilters(TypedDict, total=False):
    """The filters of ``clients``."""

    query: int | str | None
    search_type: str | None
    created_after: Moment | None
    created_before: Moment | None


class UserFilters(TypedDict, total=False):
    """The filters of ``users``."""

    user_type: str | None
    group_id: Id | None
    query: str | None
    user_id: Id | None
