"""What the reading methods return: tickets, clients and the directory of the company."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from airflow_provider_usedesk.api import reading
from airflow_provider_usedesk.api.responses import (
    Response,
    as_id,
    json_list,
    json_object,
    text_or_none,
    unclear,
)
from airflow_provider_usedesk.api.results import PlainResult, PrivateResult
from airflow_provider_usedesk.api.values import STATUSES

T = TypeVar("T")

FIELD_TYPES = {1: "text", 2: "list", 3: "checkbox", 4: "nested list"}


@dataclass(frozen=True)
class ServiceLevel(PlainResult):
    """
    How much time is left by the service level agreement, asked for with ``properties=["sla"]``.

    :param first_reply: for the first reply, as Usedesk writes it
    :param next_reply: for the next reply
    :param close: for the end of the work
    """

    first_reply: str | None = None
    next_reply: str | None = None
    close: str | None = None


@dataclass(frozen=True, kw_only=True)
class Ticket(PrivateResult):
    """
    What ``ticket`` and ``tickets`` both return of a ticket.

    :param status: number of its status
    :param tags: names of its tags
    :param last_updated_at: when it was last changed, as Usedesk writes it
    :param rights: ``write`` or ``read``, what the agent of ``accessible_for_agent_id`` may do
    :param sla: the service level, if it was asked for and the ticket has one
    """

    subject: str | None = field(default=None, repr=False)
    status: int | None = None
    type: str | None = None
    priority: str | None = None
    client_id: int | None = None
    client_name: str | None = field(default=None, repr=False)
    assignee_id: int | None = None
    group_id: int | None = None
    channel_id: int | None = None
    tags: tuple[str, ...] = ()
    last_updated_at: str | None = None
    rights: str | None = None
    sla: ServiceLevel | None = None


@dataclass(frozen=True)
class TicketRow(Ticket):
    """
    A row of `tickets <https://api.usedocs.com/article/51376>`__.

    :param id: the ticket
    :param created_at: when it was created, as Usedesk writes it
    :param custom_fields: values of the custom fields by the id of the field, as far as the list shows them
    :param channel_email: address of its email channel
    :param last_comment: text of its last comment
    :param remind_at: when an agent is reminded of it, as Usedesk writes it
    """

    id: int
    created_at: str | None = None
    custom_fields: Mapping[int, str | None] = field(default_factory=dict, repr=False)
    channel_email: str | None = field(default=None, repr=False)
    last_comment: str | None = field(default=None, repr=False)
    remind_at: str | None = None


@dataclass(frozen=True)
class Comment(PrivateResult):
    """
    A comment of a ticket, as `ticket <https://api.usedocs.com/article/51377>`__ returns it.

    :param author: ``user``, ``client`` or ``trigger``
    :param type: ``public`` or ``private``; ``error`` for a message that could not be sent
    :param published_at: when it was written, as Usedesk writes it
    :param file_names: names of its files
    :param delivered: whether its flag says that it reached the client
    :param readed: whether its flag says that it was read
    :param ticket_id: the ticket
    :param is_first: whether it is the first message of the ticket
    :param file_urls: URLs of its files
    :param cc: addresses that got a copy
    :param bcc: addresses that got a hidden copy
    :param client_name: name of the client who wrote it
    :param user_name: name of the agent who wrote it
    """

    id: int | None
    message: str | None = field(default=None, repr=False)
    author: str | None = None
    type: str | None = None
    user_id: int | None = None
    client_id: int | None = None
    published_at: str | None = None
    file_names: tuple[str, ...] = field(default=(), repr=False)
    delivered: bool = False
    readed: bool = False
    ticket_id: int | None = None
    is_first: bool = False
    file_urls: tuple[str, ...] = field(default=(), repr=False)
    cc: tuple[str, ...] = field(default=(), repr=False)
    bcc: tuple[str, ...] = field(default=(), repr=False)
    client_name: str | None = field(default=None, repr=False)
    user_name: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class ChangedValue(PrivateResult):
    """
    One value of a change of a ticket.

    :param target: what changed, such as ``assignee`` or ``status_id``
    :param value: the new value
    :param old_value: the earlier value
    """

    target: str | None
    value: str | None = field(default=None, repr=False)
    old_value: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Change(PrivateResult):
    """
    A change of a ticket, as `ticket <https://api.usedocs.com/article/51377>`__ returns it.

    :param trigger_id: the rule that made it; None for a change by an agent
    :param user_id: the agent who made it; None for a change by a rule
    :param changed_at: when it was made, as Usedesk writes it
    :param old_status: number of the status before, if the status changed
    :param new_status: number of the status after it, if the status changed
    :param values: what changed
    """

    id: int | None
    trigger_id: int | None = None
    user_id: int | None = None
    ticket_id: int | None = None
    changed_at: str | None = None
    old_status: int | None = None
    new_status: int | None = None
    values: tuple[ChangedValue, ...] = ()


@dataclass(frozen=True)
class TicketDetails(Ticket):
    """
    The result of `ticket <https://api.usedocs.com/article/51377>`__.

    :param id: the ticket
    :param additional_id: the id that its creator gave it
    :param custom_fields: values of the custom fields by the id of the field
    :param comments: its comments, the first message among them
    :param published_at: when it was created, as Usedesk writes it
    :param email: address that Usedesk shows of it
    :param company_id: the account
    :param changes: its history
    """

    id: int | None
    additional_id: str | None = None
    custom_fields: Mapping[int, str | None] = field(default_factory=dict, repr=False)
    comments: tuple[Comment, ...] = ()
    published_at: str | None = None
    email: str | None = field(default=None, repr=False)
    company_id: int | None = None
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True)
class Channel(PlainResult):
    """A channel of `channels <https://api.usedocs.com/article/51397>`__; ``channel_id`` takes its id."""

    id: int
    name: str | None
    type: str | None


@dataclass(frozen=True)
class Group(PlainResult):
    """
    A group of agents of `groups <https://api.usedocs.com/article/51418>`__; ``group_id`` takes its id.

    :param user_ids: its agents
    :param company_id: the account
    :param is_deleted: whether it was deleted
    :param deleted_at: when it was deleted, as Usedesk writes it
    :param has_own_hours: whether it works at other hours than the company
    :param timezone: its time zone, as Usedesk writes it
    """

    id: int
    name: str | None
    user_ids: tuple[int, ...] = ()
    company_id: int | None = None
    is_deleted: bool = False
    deleted_at: str | None = None
    has_own_hours: bool = False
    timezone: str | None = None


@dataclass(frozen=True)
class User(PrivateResult):
    """
    An agent of `users <https://api.usedocs.com/article/51414>`__; ``user_id`` takes its id.

    :param role: ``admin``, ``employee`` or ``support``
    :param group_ids: the groups of the agent
    :param is_online: whether the agent takes tickets
    :param is_chat_online: whether the agent takes chats
    """

    id: int
    name: str | None
    role: str | None = None
    email: str | None = field(default=None, repr=False)
    phone: str | None = field(default=None, repr=False)
    group_ids: tuple[int, ...] = ()
    position: str | None = None
    is_online: bool = False
    is_chat_online: bool = False


@dataclass(frozen=True)
class FieldOption(PlainResult):
    """
    A value of a custom field; in nested lists, all values but those of the first level have a parent.

    :param parent_id: the value above it, the first one if there are several
    :param parent_ids: all values above it
    """

    id: int
    value: str | None
    parent_id: int | None = None
    parent_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class TicketField(PlainResult):
    """
    A custom field of tickets of `ticket/fields <https://api.usedocs.com/article/51411>`__.

    :param id: what ``custom_fields`` and ``lists`` take
    :param type: ``text``, ``list``, ``checkbox`` or ``nested list``; None for an unknown one
    :param required: whether agents must fill it in before they answer
    :param options: values of a list
    :param company_id: the account
    :param value: value that Usedesk shows of the field itself
    :param adds_tag: whether a value of it becomes a tag of the ticket
    :param is_filter: whether agents can filter tickets by it
    :param order: its place in the list of fields, from 0
    :param is_active: whether it is used
    :param is_hidden: whether agents do not see it
    :param is_api_only: whether only the API can change it
    :param is_deleted: whether it was deleted
    """

    id: int
    name: str | None
    type: str | None
    required: bool = False
    options: tuple[FieldOption, ...] = ()
    company_id: int | None = None
    value: str | None = None
    adds_tag: bool = False
    is_filter: bool = False
    order: int | None = None
    is_active: bool = True
    is_hidden: bool = False
    is_api_only: bool = False
    is_deleted: bool = False


@dataclass(frozen=True)
class Tag(PlainResult):
    """
    A tag of tickets of `tags <https://api.usedocs.com/article/51382>`__.

    :param company_id: the account
    """

    id: int
    name: str | None
    ticket_count: int | None = None
    company_id: int | None = None


@dataclass(frozen=True)
class ClientRow(PrivateResult):
    """A row of `clients <https://api.usedocs.com/article/51383>`__."""

    id: int
    name: str | None = field(default=None, repr=False)
    emails: tuple[str, ...] = field(default=(), repr=False)
    phones: tuple[str, ...] = field(default=(), repr=False)
    ticket_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class Messenger(PrivateResult):
    """
    A messenger of a client.

    :param id: what ``update/client`` takes to change or delete it
    :param identity: the name or phone of the client there
    :param type: ``telegram``, ``whatsapp``, ``viber``, ``skype``, ``gtalk``, ``imessage`` or ``other``
    :param uid: the id of the client there
    """

    id: int | None
    identity: str | None = field(default=None, repr=False)
    type: str | None = None
    uid: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Site(PrivateResult):
    """
    A web site of a client.

    :param id: what ``update/client`` takes to change or delete it
    :param url: its address
    """

    id: int | None
    url: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class ClientDetails(ClientRow):
    """
    The result of `client <https://api.usedocs.com/article/51384>`__.

    :param company: name of the company of the client
    :param avatar: URL of the picture
    :param position: job title
    :param note: note of the agents
    :param company_id: the account
    :param client_company_id: id of the company of the client
    :param zendesk_id: id in Zendesk, for a client that was imported
    :param is_spammer: whether the client is marked as a spammer
    :param is_vip: whether the client is marked as important
    :param created_at: when the client was created, as Usedesk writes it
    :param messengers: messengers of the client
    :param sites: web sites of the client
    :param social_networks: accounts of the client, objects as Usedesk writes them
    :param addresses: postal addresses of the client, objects as Usedesk writes them
    """

    company: str | None = field(default=None, repr=False)
    avatar: str | None = field(default=None, repr=False)
    position: str | None = field(default=None, repr=False)
    note: str | None = field(default=None, repr=False)
    company_id: int | None = None
    client_company_id: int | None = None
    zendesk_id: str | None = field(default=None, repr=False)
    is_spammer: bool = False
    is_vip: bool = False
    created_at: str | None = None
    messengers: tuple[Messenger, ...] = ()
    sites: tuple[Site, ...] = ()
    social_networks: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    addresses: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)


def ticket_rows(response: Response) -> list[TicketRow]:
    """Return the rows of a page of ``tickets``."""
    return _rows(response, _ticket_row)


def ticket_details(response: Response) -> TicketDetails:
    """Return what the response to ``ticket`` contains."""
    content = json_object(response)
    ticket = content.get("ticket")
    if not isinstance(ticket, dict):
        raise unclear(response, "no ticket in it")
    email = text_or_none(ticket.get("email"))
    return TicketDetails(
        id=as_id(ticket.get("id")),
        additional_id=text_or_none(ticket.get("additional_id")),
        custom_fields=reading.field_values(content.get("custom_fields")),
        comments=tuple(_comment(one) for one in reading.objects(content.get("comments"))),
        published_at=reading.moment(ticket.get("published_at")),
        # The page shows "0" for none.
        email=None if email in ("", "0") else email,
        company_id=reading.reference(ticket.get("company_id")),
        changes=tuple(_change(one) for one in reading.objects(content.get("changes"))),
        **_common(ticket, content),
    )


def channels(response: Response) -> list[Channel]:
    """Return what the response to ``channels`` contains."""

    def channel(number: int, row: Mapping[str, Any]) -> Channel:
        return Channel(number, text_or_none(row.get("channel_name")), text_or_none(row.get("channel_type")))

    return _rows(response, channel, "channel_id")


def groups(response: Response) -> list[Group]:
    """Return what the response to ``groups`` contains."""

    def group(number: int, row: Mapping[str, Any]) -> Group:
        return Group(
            id=number,
            name=text_or_none(row.get("name")),
            user_ids=reading.references(row.get("users")),
            company_id=reading.reference(row.get("company_id")),
            is_deleted=reading.is_set(row.get("deleted")),
            deleted_at=reading.moment(row.get("deleted_at")),
            has_own_hours=reading.is_set(row.get("custom_working_time")),
            timezone=text_or_none(row.get("timezone")),
        )

    return _rows(response, group)


def users(response: Response) -> list[User]:
    """Return what the response to ``users`` contains."""

    def user(number: int, row: Mapping[str, Any]) -> User:
        names = ("name", "role", "email", "phone", "position")
        return User(
            id=number,
            group_ids=reading.references(row.get("groups")),
            is_online=reading.is_set(row.get("online_status")),
            is_chat_online=reading.is_set(row.get("chat_online_status")),
            **{name: text_or_none(row.get(name)) or None for name in names},
        )

    return _rows(response, user)


def ticket_fields(response: Response) -> list[TicketField]:
    """Return what the response to ``ticket/fields`` contains."""
    rows = reading.objects(json_list(response))
    return [found for row in rows if (found := _ticket_field(row)) is not None]


def tags(response: Response) -> list[Tag]:
    """Return the rows of a page of ``tags``."""

    def tag(number: int, row: Mapping[str, Any]) -> Tag:
        return Tag(
            id=number,
            name=text_or_none(row.get("name")),
            ticket_count=as_id(row.get("ticket_count")),
            company_id=reading.reference(row.get("tag_company_id")),
        )

    return _rows(response, tag, "ticket_tag_id")


def client_rows(response: Response) -> list[ClientRow]:
    """Return the rows of a page of ``clients``."""

    def client(number: int, row: Mapping[str, Any]) -> ClientRow:
        return ClientRow(
            id=number,
            name=text_or_none(row.get("name")),
            emails=reading.texts("email", row.get("emails")),
            phones=reading.texts("phone", row.get("phone"), row.get("phones")),
            ticket_ids=reading.references(row.get("tickets")),
        )

    return _rows(response, client)


def client_details(response: Response) -> ClientDetails:
    """
    Return what the response to ``client`` contains, an array with one object.

    On its page, the data of the client are in ``client``, and the same names beside it have no values. Other
    responses have the values beside it, so both places are read.
    """
    found = next(reading.objects(json_list(response)), {})
    client = found.get("client")
    number = as_id(client.get("id")) if isinstance(client, dict) else None
    if number is None or not isinstance(client, dict):
        raise unclear(response, "no client in it")
    places = {name: (client.get(name), found.get(name)) for name in _CLIENT_LISTS}
    company = client.get("client_company") or found.get("client_company")
    company_id = reading.reference(company) if isinstance(company, dict) else None
    texts = ("name", "avatar", "position", "note", "zendesk_id")
    return ClientDetails(
        id=number,
        emails=reading.texts("email", *places["emails"]),
        phones=reading.texts("phone", *places["phones"]),
        ticket_ids=reading.references(client.get("tickets")),
        company=text_or_none(company.get("name") if isinstance(company, dict) else company),
        company_id=reading.reference(client.get("company_id")),
        client_company_id=reading.reference(client.get("client_company_id")) or company_id,
        is_spammer=reading.is_set(client.get("spammer")),
        is_vip=reading.is_set(client.get("vip")),
        created_at=reading.moment(client.get("created_at")),
        messengers=tuple(_messenger(one) for one in reading.raw_objects(*places["messengers"])),
        sites=tuple(_site(one) for one in reading.raw_objects(*places["sites"])),
        social_networks=reading.raw_objects(*places["social_networks"]),
        addresses=reading.raw_objects(*places["addresses"]),
        **{name: text_or_none(client.get(name)) for name in texts},
    )


_CLIENT_LISTS = ("emails", "phones", "messengers", "sites", "social_networks", "addresses")


def _rows(response: Response, make: Callable[[int, Mapping[str, Any]], T], id_name: str = "id") -> list[T]:
    """Return the objects of an array; those without an id are left out."""
    rows = reading.objects(json_list(response))
    return [make(number, row) for row in rows if (number := as_id(row.get(id_name))) is not None]


def _ticket_row(number: int, row: Mapping[str, Any]) -> TicketRow:
    return TicketRow(
        id=number,
        created_at=reading.moment(row.get("created_at")),
        custom_fields=reading.field_values(row.get("ticket_fields"), "id"),
        channel_email=text_or_none(row.get("channel_email")),
        last_comment=text_or_none(row.get("last_comment")),
        remind_at=reading.moment(row.get("remind_at")),
        **_common(row, row),
    )


def _common(ticket: Mapping[str, Any], content: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a row and the details of a ticket both contain, partly under different names."""
    return {
        "subject": text_or_none(ticket.get("subject")),
        "status": _status(ticket.get("status_id") or ticket.get("status")),
        "type": text_or_none(ticket.get("type")),
        "priority": text_or_none(ticket.get("priority")),
        "client_id": reading.reference(ticket.get("client_id")),
        "client_name": text_or_none(ticket.get("client_name")),
        "assignee_id": reading.reference(ticket.get("assignee_id")),
        "group_id": reading.reference(ticket.get("group")),
        "channel_id": reading.reference(ticket.get("channel_id")),
        "tags": reading.names(content.get("tags")),
        "last_updated_at": reading.moment(ticket.get("last_updated_at")),
        "rights": text_or_none(ticket.get("rights") or content.get("rights")),
        "sla": _service_level(ticket, content),
    }


def _service_level(ticket: Mapping[str, Any], content: Mapping[str, Any]) -> ServiceLevel | None:
    # The page names the values, not where they are.
    found = reading.first_object(ticket.get("sla"), content.get("sla")) or {**content, **ticket}
    level = {name: text_or_none(found.get(name)) for name in ("first_reply", "next_reply", "close")}
    return ServiceLevel(**level) if any(level.values()) else None


def _comment(row: Mapping[str, Any]) -> Comment:
    files = [*reading.objects(row.get("files")), *reading.objects([row.get("file")])]
    client, user = (reading.first_object(row.get(name)) for name in ("client", "user"))
    return Comment(
        id=as_id(row.get("id")),
        message=text_or_none(row.get("message")),
        author=text_or_none(row.get("from")),
        type=text_or_none(row.get("type")),
        user_id=reading.reference(row.get("user_id")) or reading.reference(user),
        client_id=reading.reference(row.get("client_id")) or reading.reference(client),
        published_at=reading.moment(row.get("published_at")),
        file_names=tuple(name for file in files if (name := text_or_none(file.get("name")))),
        delivered=reading.is_set(row.get("delivered")),
        readed=reading.is_set(row.get("readed")),
        ticket_id=reading.reference(row.get("ticket_id")),
        is_first=reading.is_set(row.get("is_first")),
        file_urls=_file_urls(files, row.get("file")),
        cc=reading.texts("email", row.get("cc")),
        bcc=reading.texts("email", row.get("bcc")),
        client_name=text_or_none(client.get("name")),
        user_name=text_or_none(user.get("name")),
    )


def _file_urls(files: list[dict[str, Any]], single: object) -> tuple[str, ...]:
    urls = [text_or_none(file.get("file")) for file in files]
    if isinstance(single, str):
        urls.append(single)
    return tuple(dict.fromkeys(url for url in urls if url))


def _change(row: Mapping[str, Any]) -> Change:
    return Change(
        id=as_id(row.get("id")),
        trigger_id=reading.reference(row.get("trigger_id")),
        user_id=reading.reference(row.get("user_id")),
        ticket_id=reading.reference(row.get("ticket_id")),
        changed_at=reading.moment(row.get("changed_at")),
        old_status=reading.reference(row.get("old_status")),
        new_status=reading.reference(row.get("new_status")),
        values=tuple(_changed_value(one) for one in reading.objects(row.get("data"))),
    )


def _changed_value(one: Mapping[str, Any]) -> ChangedValue:
    return ChangedValue(**{name: text_or_none(one.get(name)) for name in ("target", "value", "old_value")})


def _ticket_field(row: Mapping[str, Any]) -> TicketField | None:
    declared = row.get("custom_field")
    number = as_id(declared.get("id")) if isinstance(declared, dict) else None
    if number is None or not isinstance(declared, dict):
        return None
    return TicketField(
        id=number,
        name=text_or_none(declared.get("name")),
        type=FIELD_TYPES.get(as_id(declared.get("ticket_field_type_id")) or 0),
        required=reading.is_set(declared.get("required")),
        options=tuple(_field_options(row.get("field_options"))),
        company_id=reading.reference(declared.get("company_id")),
        value=text_or_none(declared.get("value")),
        adds_tag=reading.is_set(declared.get("add_tag")),
        is_filter=reading.is_set(declared.get("add_filter")),
        order=as_id(declared.get("sort")),
        is_active=reading.is_set(declared.get("active"), default=True),
        is_hidden=reading.is_set(declared.get("hidden")),
        is_api_only=reading.is_set(declared.get("api")),
        is_deleted=reading.is_set(declared.get("deleted")),
    )


def _field_options(content: object) -> Iterator[FieldOption]:
    for option in reading.objects(content):
        number = as_id(option.get("id"))
        if number is None:
            continue
        parent = option.get("parent_option_id")
        parents = reading.references(parent if isinstance(parent, list) else [parent])
        yield FieldOption(number, text_or_none(option.get("value")), parents[0] if parents else None, parents)


def _messenger(one: Mapping[str, Any]) -> Messenger:
    return Messenger(
        as_id(one.get("id")), *(text_or_none(one.get(name)) for name in ("identity", "type", "uid"))
    )


def _site(one: Mapping[str, Any]) -> Site:
    return Site(as_id(one.get("id")), text_or_none(one.get("url")))


def _status(value: object) -> int | None:
    number = as_id(value)
    return number if number is not None else STATUSES.get(str(value).strip().lower())
