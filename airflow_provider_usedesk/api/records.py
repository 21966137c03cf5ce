"""What the reading methods return: tickets, clients and the directory of the company."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

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


@dataclass(frozen=True, kw_only=True)
class Ticket(PrivateResult):
    """
    What ``ticket`` and ``tickets`` both return of a ticket.

    :param status: number of its status
    :param tags: names of its tags
    :param last_updated_at: when it was last changed, as Usedesk writes it
    """

    subject: str | None = field(default=None, repr=False)
    status: int | None = None
    type: str | None = None
    priority: str | None = None
    client_id: int | None = None
    assignee_id: int | None = None
    group_id: int | None = None
    channel_id: int | None = None
    tags: tuple[str, ...] = ()
    last_updated_at: str | None = None


@dataclass(frozen=True)
class TicketRow(Ticket):
    """
    A row of `tickets <https://api.usedocs.com/article/51376>`__.

    :param id: the ticket
    :param created_at: when it was created, as Usedesk writes it
    :param custom_fields: values of the custom fields by the id of the field, as far as the list shows them
    """

    id: int
    created_at: str | None = None
    custom_fields: Mapping[int, str | None] = field(default_factory=dict, repr=False)


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


@dataclass(frozen=True)
class TicketDetails(Ticket):
    """
    The result of `ticket <https://api.usedocs.com/article/51377>`__.

    :param id: the ticket
    :param additional_id: the id that its creator gave it
    :param custom_fields: values of the custom fields by the id of the field
    :param comments: its comments, the first message among them
    :param published_at: when it was created, as Usedesk writes it
    """

    id: int | None
    additional_id: str | None = None
    custom_fields: Mapping[int, str | None] = field(default_factory=dict, repr=False)
    comments: tuple[Comment, ...] = ()
    published_at: str | None = None


@dataclass(frozen=True)
class Channel(PlainResult):
    """A channel of `channels <https://api.usedocs.com/article/51397>`__; ``channel_id`` takes its id."""

    id: int
    name: str | None
    type: str | None


@dataclass(frozen=True)
class Group(PlainResult):
    """A group of agents of `groups <https://api.usedocs.com/article/51418>`__; ``group_id`` takes its id."""

    id: int
    name: str | None
    user_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class User(PrivateResult):
    """An agent of `users <https://api.usedocs.com/article/51414>`__; ``user_id`` takes its id."""

    id: int
    name: str | None
    role: str | None = None
    email: str | None = field(default=None, repr=False)
    phone: str | None = field(default=None, repr=False)
    group_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class FieldOption(PlainResult):
    """A value of a custom field; in nested lists, all values but those of the first level have a parent."""

    id: int
    value: str | None
    parent_id: int | None = None


@dataclass(frozen=True)
class TicketField(PlainResult):
    """
    A custom field of tickets of `ticket/fields <https://api.usedocs.com/article/51411>`__.

    :param id: what ``custom_fields`` and ``lists`` take
    :param type: ``text``, ``list``, ``checkbox`` or ``nested list``; None for an unknown one
    :param options: values of a list
    """

    id: int
    name: str | None
    type: str | None
    required: bool = False
    options: tuple[FieldOption, ...] = ()


@dataclass(frozen=True)
class Tag(PlainResult):
    """A tag of tickets of `tags <https://api.usedocs.com/article/51382>`__."""

    id: int
    name: str | None
    ticket_count: int | None = None


@dataclass(frozen=True)
class ClientRow(PrivateResult):
    """A row of `clients <https://api.usedocs.com/article/51383>`__."""

    id: int
    name: str | None = field(default=None, repr=False)
    emails: tuple[str, ...] = field(default=(), repr=False)
    phones: tuple[str, ...] = field(default=(), repr=False)
    ticket_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class ClientDetails(ClientRow):
    """The result of `client <https://api.usedocs.com/article/51384>`__."""

    company: str | None = field(default=None, repr=False)


def ticket_rows(response: Response) -> list[TicketRow]:
    """Return the rows of a page of ``tickets``."""
    return _rows(response, _ticket_row)


def ticket_details(response: Response) -> TicketDetails:
    """Return what the response to ``ticket`` contains."""
    content = json_object(response)
    ticket = content.get("ticket")
    if not isinstance(ticket, dict):
        raise unclear(response, "no ticket in it")
    return TicketDetails(
        id=as_id(ticket.get("id")),
        additional_id=text_or_none(ticket.get("additional_id")),
        custom_fields=_field_values(content.get("custom_fields")),
        comments=tuple(_comment(one) for one in _objects(content.get("comments"))),
        published_at=text_or_none(ticket.get("published_at")),
        **_common(ticket, content.get("tags")),
    )


def channels(response: Response) -> list[Channel]:
    """Return what the response to ``channels`` contains."""

    def channel(number: int, row: Mapping[str, Any]) -> Channel:
        return Channel(number, text_or_none(row.get("channel_name")), text_or_none(row.get("channel_type")))

    return _rows(response, channel, "channel_id")


def groups(response: Response) -> list[Group]:
    """Return what the response to ``groups`` contains."""

    def group(number: int, row: Mapping[str, Any]) -> Group:
        return Group(number, text_or_none(row.get("name")), _ids(row.get("users")))

    return _rows(response, group)


def users(response: Response) -> list[User]:
    """Return what the response to ``users`` contains."""

    def user(number: int, row: Mapping[str, Any]) -> User:
        texts = {name: text_or_none(row.get(name)) for name in ("name", "role", "email", "phone")}
        return User(id=number, group_ids=_ids(row.get("groups")), **texts)

    return _rows(response, user)


def ticket_fields(response: Response) -> list[TicketField]:
    """Return what the response to ``ticket/fields`` contains."""
    rows = _objects(json_list(response))
    return [found for row in rows if (found := _ticket_field(row)) is not None]


def tags(response: Response) -> list[Tag]:
    """Return the rows of a page of ``tags``."""

    def tag(number: int, row: Mapping[str, Any]) -> Tag:
        return Tag(number, text_or_none(row.get("name")), as_id(row.get("ticket_count")))

    return _rows(response, tag, "ticket_tag_id")


def client_rows(response: Response) -> list[ClientRow]:
    """Return the rows of a page of ``clients``."""

    def client(number: int, row: Mapping[str, Any]) -> ClientRow:
        return ClientRow(
            id=number,
            name=text_or_none(row.get("name")),
            emails=_contacts(row.get("emails"), "email"),
            phones=_contacts(row.get("phone"), "phone") or _contacts(row.get("phones"), "phone"),
            ticket_ids=_ids(row.get("tickets")),
        )

    return _rows(response, client)


def client_details(response: Response) -> ClientDetails:
    """Return what the response to ``client`` contains, an array with one object."""
    found = next(_objects(json_list(response)), {})
    client = found.get("client")
    number = as_id(client.get("id")) if isinstance(client, dict) else None
    if number is None or not isinstance(client, dict):
        raise unclear(response, "no client in it")
    company = found.get("client_company")
    return ClientDetails(
        id=number,
        name=text_or_none(client.get("name")),
        emails=_contacts(found.get("emails") or client.get("emails"), "email"),
        phones=_contacts(found.get("phones") or client.get("phones"), "phone"),
        ticket_ids=_ids(client.get("tickets")),
        company=text_or_none(company.get("name") if isinstance(company, dict) else company),
    )


def _rows(response: Response, make: Callable[[int, Mapping[str, Any]], T], id_name: str = "id") -> list[T]:
    """Return the objects of an array; those without an id are left out."""
    rows = _objects(json_list(response))
    return [make(number, row) for row in rows if (number := as_id(row.get(id_name))) is not None]


def _ticket_row(number: int, row: Mapping[str, Any]) -> TicketRow:
    return TicketRow(
        id=number,
        created_at=text_or_none(row.get("created_at")),
        custom_fields=_field_values(row.get("ticket_fields"), "id"),
        **_common(row, row.get("tags")),
    )


def _common(ticket: Mapping[str, Any], tags: object) -> dict[str, Any]:
    """Return what a row and the details of a ticket both contain, partly under different names."""
    return {
        "subject": text_or_none(ticket.get("subject")),
        "status": _status(ticket.get("status_id") or ticket.get("status")),
        "type": text_or_none(ticket.get("type")),
        "priority": text_or_none(ticket.get("priority")),
        "client_id": as_id(ticket.get("client_id")),
        "assignee_id": as_id(ticket.get("assignee_id")),
        "group_id": _own_id(ticket.get("group")),
        "channel_id": as_id(ticket.get("channel_id")),
        "tags": _names(tags),
        "last_updated_at": text_or_none(ticket.get("last_updated_at")),
    }


def _field_values(content: object, *other_names: str) -> dict[int, str | None]:
    """
    Return the values of custom fields by the id of the field.

    :param content: a list of objects, or anything else
    :param other_names: where the id of the field is if not in ``ticket_field_id``
    """
    found: dict[int, str | None] = {}
    for one in _objects(content):
        numbers = (as_id(one.get(name)) for name in ("ticket_field_id", *other_names))
        number = next((number for number in numbers if number is not None), None)
        if number is not None:
            found[number] = text_or_none(one.get("value"))
    return found


def _comment(row: Mapping[str, Any]) -> Comment:
    files = (text_or_none(file.get("name")) for file in _objects(row.get("files")))
    return Comment(
        id=as_id(row.get("id")),
        message=text_or_none(row.get("message")),
        author=text_or_none(row.get("from")),
        type=text_or_none(row.get("type")),
        user_id=as_id(row.get("user_id")),
        client_id=as_id(row.get("client_id")),
        published_at=text_or_none(row.get("published_at")),
        file_names=tuple(name for name in files if name),
        delivered=_is_set(row.get("delivered")),
        readed=_is_set(row.get("readed")),
    )


def _ticket_field(row: Mapping[str, Any]) -> TicketField | None:
    declared = row.get("custom_field")
    number = as_id(declared.get("id")) if isinstance(declared, dict) else None
    if number is None or not isinstance(declared, dict):
        return None
    options = (
        FieldOption(
            option_id, text_or_none(option.get("value")), as_id(option.get("parent_option_id")) or None
        )
        for option in _objects(row.get("field_options"))
        if (option_id := as_id(option.get("id"))) is not None
    )
    return TicketField(
        id=number,
        name=text_or_none(declared.get("name")),
        type=FIELD_TYPES.get(as_id(declared.get("ticket_field_type_id")) or 0),
        required=_is_set(declared.get("required")),
        options=tuple(options),
    )


def _objects(content: object) -> Iterator[dict[str, Any]]:
    return (row for row in content if isinstance(row, dict)) if isinstance(content, list) else iter(())


def _status(value: object) -> int | None:
    number = as_id(value)
    return number if number is not None else STATUSES.get(str(value).strip().lower())


def _is_set(flag: object) -> bool:
    return str(flag).lower() in ("1", "true")


def _names(content: object) -> tuple[str, ...]:
    """Return the names of tags, which are texts or objects."""
    items = content if isinstance(content, list) else []
    names = (item.get("name") if isinstance(item, dict) else item for item in items)
    return tuple(str(name) for name in names if name is not None)


def _ids(content: object) -> tuple[int, ...]:
    items = content if isinstance(content, list) else []
    return tuple(number for item in items if (number := _own_id(item)) is not None)


def _own_id(item: object) -> int | None:
    """Return an id, which is a value or inside an object."""
    return as_id(item.get("id")) if isinstance(item, dict) else as_id(item)


def _contacts(content: object, name: str) -> tuple[str, ...]:
    """Return email addresses or phones, which are one text, texts or objects."""
    items = content if isinstance(content, list) else [content]
    texts = (text_or_none(item.get(name) if isinstance(item, dict) else item) for item in items)
    return tuple(text for text in texts if text)
