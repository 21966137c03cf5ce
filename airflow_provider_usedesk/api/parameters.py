"""
The parameters of the methods: their types and their documentation, for editors and type checkers.

Each class belongs to one method of the API, and has a key for each of its arguments; a test compares them.
``make signatures`` writes the signatures of the operators and their documentation from them.
At run time the checks of the method accept more forms of a value, such as ``from`` instead of ``from_``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Required, TypedDict

from airflow_provider_usedesk.api.choices import (
    Author,
    CommentType,
    Language,
    Order,
    PhoneType,
    Priority,
    Role,
    SearchType,
    StatusName,
    TicketType,
)

Id = int | str
"""A whole number, or its digits."""

Flag = bool | Literal["true", "false"]
"""A bool, or the text that a template renders."""

Status = int | StatusName
"""The number of a status, or its English name."""

Statuses = Status | Collection[Status]
"""One status, or a collection of statuses."""

Texts = str | Sequence[str]
"""One text, a list of texts, or a text with commas."""


class CreateTicketParameters(TypedDict, total=False):
    """The parameters of ``create/ticket``."""

    subject: str | None
    """subject, text of at most 255 characters"""
    message: str | None
    """first message, text of at most 65,535 bytes, HTML allowed"""
    client_name: str | None
    """name of the client, text of at most 255 characters"""
    client_email: str | None
    """email address of the client, text of at most 255 characters"""
    client_id: Id | None
    """id of the client, 32-bit number, or ``new_client`` to create a client"""
    client_phone: int | str | None
    """phone number of the client with country code, text or number; spaces, brackets, dashes and dots are
    removed; without ``phone_region`` no digit is changed"""
    phone_region: str | None
    """country of a phone number without country code, two letters such as ``RU``; needs the library
    phonenumbers, from ``airflow-provider-usedesk[phone]``; default: that of the connection"""
    username: str | None
    """Telegram name of the client, text, with or without ``@``, for channels of Telegram personal (pact)"""
    company_name: str | None
    """company of the client, text of at most 255 characters; Usedesk creates it if it does not exist, and
    moves the client to it"""
    channel_id: Id | None
    """id of the channel, 32-bit number; if it is omitted or wrong, Usedesk uses the channel of the token and
    reports no error"""
    priority: Priority | None
    """``low``, ``medium``, ``urgent`` or ``extreme``; default of Usedesk: medium"""
    type: TicketType | None
    """``question``, ``task``, ``problem`` or ``incident``; default of Usedesk: question"""
    status: Status | None
    """number or name of a status, such as ``new`` or ``on hold``; default of Usedesk: 8, new"""
    tag: Texts | None
    """tags, a list or a text with commas, together at most 255 characters"""
    assignee_id: Id | None
    """id of the agent, 32-bit number"""
    group_id: Id | None
    """id of the group, 32-bit number"""
    private_comment: Flag | None
    """whether only agents see the message; default: false"""
    files: Any
    """files to attach: local paths, URLs of object storage (``s3://conn_id@bucket/key``) or (name, content),
    one or a list"""
    custom_fields: Mapping[Any, Any] | str | None
    """values of custom fields, a dict of {id: value}; a bool for a checkbox, the id of the option for a
    list"""
    field_id: Id | Sequence[Id] | None
    """instead of ``custom_fields``: ids of custom fields, a list or a text with ``;``"""
    field_value: Any
    """the values for ``field_id``, a list or a text with ``;``"""
    lists: Sequence[Any] | str | None
    """values of nested lists, a list of lists of {"id": …, "value": …}, parents first"""
    from_: Author | None
    """author of the first comment: ``user`` (needs ``user_id``), ``client`` or ``trigger`` (needs
    ``trigger_id``)"""
    user_id: Id | None
    """id of the agent for ``from_="user"``, 32-bit number"""
    trigger_id: Id | None
    """id of the trigger for ``from_="trigger"``, 32-bit number"""
    template_id: Id | None
    """id of a WhatsApp Business template (pact), 32-bit number"""
    template_name: str | None
    """name of a WhatsApp Business template (Landbot, infobip), text of at most 255 characters"""
    template_variables: Sequence[Any] | str | None
    """texts for the variables of the template in their order, a list"""
    template_lang: str | None
    """language of the template; default of Usedesk: ru"""
    client_country: str | None
    """country of the client, text of at most 255 characters"""
    client_city: str | None
    """city of the client, text of at most 255 characters"""
    client_address: str | None
    """address of the client, text of at most 255 characters"""
    new_address: bool | str | None
    """true to add the address to the other addresses of the client"""
    phone_type: PhoneType | None
    """``home``, ``mobile``, ``stationary``, ``fax`` or ``other``"""
    additional_id: Id | None
    """your own id of the ticket, text of at most 255 characters, visible in the API only"""


class UpdateTicketParameters(TypedDict, total=False):
    """The parameters of ``update/ticket``."""

    ticket_id: Required[Id]
    """id of the ticket, 32-bit number"""
    subject: str | None
    """subject, text of at most 255 characters"""
    client_id: Id | None
    """id of the client to whom the ticket is moved, 32-bit number"""
    group_id: Id | None
    """id of the group, 32-bit number, or ``null`` for none"""
    assignee_id: Id | None
    """id of the agent, 32-bit number, or ``null`` for none"""
    user_id: Id | None
    """id of the agent who makes the update, 32-bit number"""
    tag: Texts | None
    """tags to add, a list or a text with commas, together at most 255 characters"""
    priority: Priority | None
    """``low``, ``medium``, ``urgent`` or ``extreme``"""
    status: Status | None
    """number or name of a status, such as ``solved`` or ``on hold``"""
    silent: Flag | None
    """true to leave a ticket New; otherwise an update moves a New ticket to Open; default: false"""
    type: TicketType | None
    """``question``, ``task``, ``problem`` or ``incident``"""
    custom_fields: Mapping[Any, Any] | str | None
    """values of custom fields, a dict of {id: value}; a bool for a checkbox, the id of the option for a
    list"""
    field_id: Id | Sequence[Id] | None
    """instead of ``custom_fields``: ids of custom fields, a list or a text with ``;``"""
    field_value: Any
    """the values for ``field_id``, a list or a text with ``;``"""
    lists: Sequence[Any] | str | None
    """values of nested lists, a list of lists of {"id": …, "value": …}, parents first; an empty list removes
    all of them"""


class CreateCommentParameters(TypedDict, total=False):
    """The parameters of ``create/comment``."""

    ticket_id: Required[Id]
    """id of the ticket, 32-bit number"""
    type: Required[CommentType]
    """``public`` for the client, or ``private`` for agents only"""
    message: str | None
    """comment, text of at most 65,535 bytes, HTML allowed; required without a WhatsApp template"""
    cc: Texts | None
    """email addresses that get a copy, a list or a text with commas"""
    bcc: Texts | None
    """email addresses that get a hidden copy, a list or a text with commas"""
    files: Any
    """files to attach: local paths, URLs of object storage (``s3://conn_id@bucket/key``) or (name, content),
    one or a list"""
    user_id: Id | None
    """id of the agent who writes, 32-bit number; required with ``from_="user"``; default of Usedesk: the
    first agent of the company"""
    from_: Author | None
    """author of the comment: ``user``, ``client`` or ``trigger``; default: not sent"""
    trigger_id: Id | None
    """id of a rule, 32-bit number; required with ``from_="trigger"``; with any rule, the bot is the author"""
    template_id: Id | None
    """id of a WhatsApp Business template (pact), 32-bit number"""
    template_name: str | None
    """name of a WhatsApp Business template (Landbot, infobip), text of at most 255 characters"""
    template_variables: Sequence[Any] | str | None
    """texts for the variables of the template in their order, a list"""
    template_lang: str | None
    """language of the template; default of Usedesk: ru"""


class CreateClientParameters(TypedDict, total=False):
    """The parameters of ``create/client``."""

    name: str | None
    """name, text of at most 255 characters; a name, emails, a phone or messengers is required"""
    emails: Texts | None
    """email addresses, a list or a text with commas"""
    phone: int | str | None
    """phone with country code, 10 to 15 digits; spaces, brackets, dashes and dots are removed"""
    phone_type: PhoneType | None
    """``home``, ``mobile``, ``stationary``, ``fax`` or ``other``"""
    phone_region: str | None
    """country of a phone without country code, two letters such as ``RU``; needs the library phonenumbers,
    from ``airflow-provider-usedesk[phone]``; default: that of the connection"""
    messengers: Sequence[Mapping[str, Any]] | Mapping[str, Any] | str | None
    """a list of {"identity": …, "type": …, "uid": …}; the type is ``telegram``, ``whatsapp``, ``viber``,
    ``skype``, ``gtalk``, ``imessage`` or ``other``, the uid is optional"""
    sites: Sequence[Mapping[str, Any]] | Mapping[str, Any] | str | None
    """a list of {"url": …}"""
    note: str | None
    """note for the agents"""
    avatar: Any
    """picture, one local path, URL of object storage or (name, content)"""
    position: str | None
    """job title, text of at most 255 characters"""
    status_vip: Flag | None
    """whether the client is important; not with ``status_spam``"""
    status_spam: Flag | None
    """whether the client is a spammer"""
    merge_id: Id | None
    """id of a client with whom the new one is merged, 32-bit number"""
    client_country: str | None
    """country, text of at most 255 characters"""
    client_city: str | None
    """city, text of at most 255 characters"""
    client_address: str | None
    """address, text of at most 255 characters"""
    new_address: bool | str | None
    """true for an additional address"""


class UpdateClientParameters(TypedDict, total=False):
    """The parameters of ``update/client``."""

    client_id: Required[Id]
    """id of the client, 32-bit number"""
    name: str | None
    """new name, text of at most 255 characters"""
    emails: Texts | None
    """email addresses to add, a list or a text with commas"""
    phone: int | str | None
    """phone to add, with country code, 10 to 15 digits; spaces, brackets, dashes and dots are removed"""
    phone_type: PhoneType | None
    """``home``, ``mobile``, ``stationary``, ``fax`` or ``other``"""
    phone_region: str | None
    """country of a phone without country code, two letters such as ``RU``; needs the library phonenumbers,
    from ``airflow-provider-usedesk[phone]``; default: that of the connection"""
    messengers: Sequence[Mapping[str, Any]] | Mapping[str, Any] | str | None
    """a list of {"identity": …, "type": …, "uid": …}; an item with an ``id`` changes that messenger, or
    deletes it if the identity is empty"""
    sites: Sequence[Mapping[str, Any]] | Mapping[str, Any] | str | None
    """a list of {"url": …}; an item with an ``id`` changes that site, or deletes it if the url is empty"""
    note: str | None
    """text to add to the note for the agents"""
    is_new_note: Flag | None
    """true to replace the note; default: false"""
    avatar: Any
    """picture, one local path, URL of object storage or (name, content)"""
    position: str | None
    """job title, text of at most 255 characters"""
    status_vip: Flag | None
    """whether the client is important; not with ``status_spam``"""
    status_spam: Flag | None
    """whether the client is a spammer"""
    merge_id: Id | None
    """id of a client with whom this one is merged, 32-bit number"""
    client_country: str | None
    """country, text of at most 255 characters"""
    client_city: str | None
    """city, text of at most 255 characters"""
    client_address: str | None
    """address, text of at most 255 characters"""
    new_address: bool | str | None
    """true for an additional address"""


class AddChatMessageParameters(TypedDict, total=False):
    """The parameters of ``chat/addMessage``."""

    company_id: Required[Id]
    """id of the company, 32-bit number"""
    channel_id: Required[Id]
    """id of a chat channel, 32-bit number"""
    text: Required[str]
    """text of at most 65,535 bytes, without markup"""
    chat_id: Id | None
    """id of the chat, 32-bit number; without it Usedesk opens a chat"""
    client_id: Id | None
    """id of the client who writes, 32-bit number; without it Usedesk creates a client"""
    client_name: str | None
    """name of the client, text of at most 255 characters"""
    client_email: str | None
    """email address of the client"""


class SendChatMessageParameters(TypedDict):
    """The parameters of ``chat/sendMessage``."""

    chat_id: Id
    """id of the chat, 32-bit number, such as ``chat_id`` in the response to a Viber message"""
    user_id: Id
    """id of the agent who writes, 32-bit number"""
    text: str
    """text of at most 65,535 bytes, without markup"""


class ChangeChatAssigneeParameters(TypedDict):
    """The parameters of ``chat/changeAssignee``."""

    chat_id: Id
    """id of the chat, 32-bit number"""
    user_id: Id
    """id of the agent, 32-bit number"""


class CreateUserParameters(TypedDict, total=False):
    """The parameters of ``create/user``."""

    name: Required[str]
    """name of the agent, text of at most 255 characters"""
    email: Required[str]
    """email address of the agent"""
    password: Required[str]
    """password of the agent, text of at most 255 characters"""
    group: Required[Id]
    """id of the group, 32-bit number"""
    role: Role | None
    """``admin``, ``employee`` or ``support``"""
    phone: int | str | None
    """phone number of the agent, text of at most 255 characters"""
    avatar: Any
    """picture, one local path, URL of object storage or (name, content)"""
    send_invite: Flag | None
    """whether Usedesk invites the agent by email"""
    lang: Language | None
    """language of the agent: ``ru``, ``en``, ``es``, ``kk`` or ``pt-br``"""


class UpdateUserParameters(TypedDict, total=False):
    """The parameters of ``update/user``."""

    user_id: Required[Id]
    """id of the agent, 32-bit number"""
    name: str | None
    """name of the agent, text of at most 255 characters"""
    email: str | None
    """email address of the agent"""
    group: Id | None
    """id of the group, 32-bit number"""
    role: Role | None
    """``admin``, ``employee`` or ``support``"""
    phone: int | str | None
    """phone number of the agent, text of at most 255 characters"""
    avatar: Any
    """picture, one local path, URL of object storage or (name, content); ``delete`` removes it"""
    chat_online_status: Flag | None
    """whether the agent is online in chats"""
    ticket_online_status: Flag | None
    """whether the agent is online in tickets"""


class DeleteUserParameters(TypedDict):
    """The parameters of ``delete/user``."""

    user_id: Id
    """id of the agent, 32-bit number"""


Values = int | str | Sequence[int | str] | set[int] | set[str]
"""One value of a filter, or several."""

Moment = datetime | str
"""A datetime with time zone, or a text ``YYYY-MM-DD HH:MM`` in UTC."""


class TicketFilters(TypedDict, total=False):
    """The filters of ``tickets``."""

    fchannel: Values | None
    """ids of channels"""
    fassigned: Any
    """ids of agents"""
    fgroup: Values | None
    """ids of groups"""
    fstatus: Values | None
    """numbers of statuses"""
    ftype: Values | None
    """types of tickets"""
    fpriority: Values | None
    """priorities"""
    tag: Values | None
    """tags"""
    query: str | None
    """text to search for"""
    created_after: Moment | None
    """datetime, or text ``YYYY-MM-DD HH:MM`` in UTC"""
    created_before: Moment | None
    """datetime, or text ``YYYY-MM-DD HH:MM`` in UTC"""
    updated_after: Moment | None
    """datetime, or text ``YYYY-MM-DD HH:MM`` in UTC"""
    updated_before: Moment | None
    """datetime, or text ``YYYY-MM-DD HH:MM`` in UTC"""
    client_id: Values | None
    """ids of clients"""
    fields: Sequence[Mapping[str, Any]] | None
    """values of custom fields, a list of dicts as the API defines them"""
    sort: str | None
    """name of the field by which the tickets are sorted"""
    order: Order | None
    """``asc`` or ``desc``"""
    accessible_for_agent_id: Id | None
    """id of an agent: only tickets that the agent may see"""
    properties: Sequence[str] | None
    """``["sla"]`` for the service level"""


class ClientFilters(TypedDict, total=False):
    """The filters of ``clients``."""

    query: int | str | None
    """one name, email or phone"""
    search_type: SearchType | None
    """``partial_match`` or ``full_match``; default of Usedesk: partial_match"""
    created_after: Moment | None
    """datetime, or text ``YYYY-MM-DD HH:MM`` in UTC"""
    created_before: Moment | None
    """datetime, or text ``YYYY-MM-DD HH:MM`` in UTC"""


class UserFilters(TypedDict, total=False):
    """The filters of ``users``."""

    user_type: Role | None
    """``admin``, ``employee`` or ``support``; default of Usedesk: only employees"""
    group_id: Id | None
    """id of a group, 32-bit number"""
    query: str | None
    """text to search for"""
    user_id: Id | None
    """id of an agent, 32-bit number"""
