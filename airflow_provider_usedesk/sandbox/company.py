"""The data of one Usedesk company: channels, agents, groups, custom fields, clients and tickets."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from airflow_provider_usedesk.sandbox.history import changed_fields
from airflow_provider_usedesk.sandbox.message_delivery import Report

COMPANY_ID = 153561
OPEN, NEW = 1, 8
STATUS_NAMES: Mapping[int, str] = {
    1: "Open",
    2: "Solved",
    3: "Closed",
    4: "Deleted",
    5: "On hold",
    6: "Pending",
    7: "Spam",
    8: "New",
    9: "Newsletter",
    10: "Merged",
}
TYPES = ("question", "task", "problem", "incident")
PRIORITIES = ("low", "medium", "urgent", "extreme")
AUTHORS = ("user", "client", "trigger")
Role = Literal["admin", "employee", "support"]
ROLES: tuple[Role, ...] = ("admin", "employee", "support")
FieldType = Literal["text", "list", "checkbox", "nested list"]


@dataclass(frozen=True)
class Channel:
    """
    A channel of the company.

    :param provider: the service that sends its messages, such as ``pact``; an empty string for any
    :param is_on: whether the channel sends messages
    :param email: address of an e-mail channel
    """

    id: int
    name: str
    type: str
    provider: str = ""
    is_on: bool = True
    email: str | None = None

    @property
    def returns_message_status(self) -> bool:
        """Whether a response contains the message status of the provider."""
        return self.type in ("whatsapp", "telegram")

    def reaches(self, client: Client) -> bool:
        names = client.usernames if self.type == "telegram" else ()
        return self.is_on and bool((*client.phones, *names))


@dataclass(frozen=True)
class Agent:
    """
    An agent; a deleted one remains the author and assignee of what there is.

    :param group_id: default group
    """

    id: int
    name: str
    email: str
    role: Role
    position: str = ""
    phone: str | None = None
    group_id: int | None = None
    is_online: bool = True
    is_online_in_chats: bool = False
    has_avatar: bool = False
    is_deleted: bool = False


@dataclass(frozen=True)
class Group:
    id: int
    name: str
    agents: tuple[int, ...]


@dataclass(frozen=True)
class Option:
    """A value of a list; in a nested list, ``parent_id`` is the value one level above."""

    id: int
    value: str
    parent_id: int | None = None


@dataclass(frozen=True)
class CustomField:
    id: int
    name: str
    type: FieldType
    options: tuple[Option, ...] = ()


@dataclass(frozen=True)
class File:
    id: int
    name: str
    content_type: str
    content: bytes = field(repr=False)

    @property
    def size(self) -> int:
        return len(self.content)


@dataclass(frozen=True)
class Messenger:
    """A messenger of a client; ``identity`` is a nickname or a number, ``uid`` the user id there."""

    id: int
    type: str
    identity: str
    uid: str | None = None


@dataclass(frozen=True)
class Site:
    id: int
    url: str


@dataclass(frozen=True)
class Address:
    id: int
    country: str = ""
    city: str = ""
    address: str = ""


@dataclass(frozen=True)
class Client:
    id: int
    name: str
    created_at: datetime
    phones: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    usernames: tuple[str, ...] = ()
    company: str = ""
    note: str = ""
    position: str = ""
    messengers: tuple[Messenger, ...] = ()
    sites: tuple[Site, ...] = ()
    addresses: tuple[Address, ...] = ()
    avatar: File | None = None
    is_vip: bool = False
    is_spammer: bool = False


@dataclass(frozen=True)
class Chat:
    """A chat; its messages are the comments of its ticket."""

    id: int
    channel_id: int
    client_id: int
    ticket_id: int


@dataclass(frozen=True)
class Template:
    """A WhatsApp template in a message, with its id (pact) or its name (Landbot, infobip)."""

    id: str | None = None
    name: str | None = None
    variables: tuple[str, ...] = ()
    lang: str | None = None


@dataclass(frozen=True)
class Comment:
    """
    A comment of a ticket.

    :param is_accepted: whether a messenger accepted the message
    :param delivered_at: time from which the message counts as delivered; None for never
    """

    id: int
    message: str
    author: str
    user_id: int | None
    is_private: bool
    files: tuple[File, ...]
    published_at: datetime
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    template: Template | None = None
    delivered_at: datetime | None = None
    is_accepted: bool = False


@dataclass(frozen=True)
class Change:
    """
    An entry in the history of a ticket.

    :param user_id: the agent who made the change
    :param data: target, value and old value of each changed field
    """

    id: int
    user_id: int | None
    changed_at: datetime
    data: tuple[Mapping[str, Any], ...]
    old_status: int
    new_status: int


@dataclass(frozen=True)
class Ticket:
    """
    A ticket as Usedesk stores it.

    :param lists: values of nested lists, exactly as received
    :param changes: its history
    :param received: the parameters of create/ticket exactly as received, without the token
    """

    ticket_id: int
    subject: str
    message: str
    channel_id: int
    client_id: int
    status: int
    created_at: datetime
    last_updated_at: datetime
    additional_id: str | None = None
    type: str = "question"
    priority: str = "medium"
    assignee_id: int | None = None
    group_id: int | None = None
    tags: tuple[str, ...] = ()
    custom_fields: Mapping[int, str] = field(default_factory=dict)
    lists: tuple[Any, ...] = ()
    comments: tuple[Comment, ...] = ()
    message_status: str | None = None
    chat_id: str | None = None
    received: Mapping[str, Any] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()

    @property
    def files(self) -> tuple[File, ...]:
        return tuple(file for comment in self.comments for file in comment.files)

    @property
    def template(self) -> Template:
        """The template of the first message; empty if it has none."""
        return self.comments[0].template or Template()

    @property
    def template_id(self) -> str | None:
        return self.template.id

    @property
    def template_name(self) -> str | None:
        return self.template.name

    @property
    def template_variables(self) -> tuple[str, ...]:
        return self.template.variables

    @property
    def template_lang(self) -> str | None:
        return self.template.lang


OWN_CHANNEL = 1
CHANNELS = (
    Channel(OWN_CHANNEL, "API", "api"),
    Channel(683, "E-mail", "email", email="support@example.org"),
    # Of any provider, because the page sends its samples of all providers to this channel.
    Channel(123, "WhatsApp templates", "whatsapp"),
    Channel(20054, "WhatsApp", "whatsapp", "pact"),
    Channel(20055, "WhatsApp (infobip)", "whatsapp", "infobip"),
    Channel(20056, "WhatsApp (switched off)", "whatsapp", "pact", is_on=False),
    Channel(20057, "WhatsApp (Landbot)", "whatsapp", "landbot"),
    Channel(20060, "Viber", "viber", "c2d"),
    Channel(20070, "Telegram personal", "telegram", "pact"),
    Channel(860, "Chat", "chat"),
)
# Ids of pact and names of the others, by provider.
TEMPLATES: Mapping[str, tuple[str, ...]] = {
    "pact": ("8094", "8095"),
    "infobip": ("Main", "Reminder"),
    "landbot": ("Main", "Reminder"),
}
AGENTS = (
    Agent(2156, "Julia", "julia@example.org", "employee", "First line", group_id=11),
    Agent(2157, "Oleg", "oleg@example.org", "support", "Second line", group_id=11),
    Agent(2158, "Maria", "maria@example.org", "admin", "Head of sales", group_id=12),
)
GROUPS = (Group(11, "Support", (2156, 2157)), Group(12, "Sales", (2158,)), Group(13, "Billing", (2157, 2158)))
TRIGGERS = (501,)
FIELDS = (
    CustomField(9, "Product", "list", (Option(93, "Delivery"), Option(94, "Returns"))),
    CustomField(10, "Order number", "text"),
    CustomField(12, "Paid", "checkbox"),
    CustomField(61, "Region", "nested list", (Option(611, "Test"), Option(612, "North"))),
    CustomField(
        62,
        "City",
        "nested list",
        (Option(621, "Test1", 611), Option(622, "Oslo", 612), Option(623, "Bergen", 612)),
    ),
    CustomField(63, "District", "nested list", (Option(631, "Test2", 621), Option(632, "Frogner", 622))),
)
JOINED = datetime(2026, 1, 12, 9, 30, tzinfo=UTC)
CLIENTS = (
    Client(27747627, "Ivan Petrov", JOINED, phones=("79250000001",)),
    Client(27747628, "Anna Smith", JOINED, phones=("79250000002",), emails=("anna@example.org",)),
)


class Company:
    """
    One company with its tickets; not safe for use from several threads.

    ``reports`` are the delivery reports by comment. ``unsent_changes`` lists the saved tickets whose webhooks
    are not sent yet, each with its earlier version.
    """

    def __init__(self) -> None:
        self.channels = {channel.id: channel for channel in CHANNELS}
        self.agents = {agent.id: agent for agent in AGENTS}
        self.groups = {group.id: group for group in GROUPS}
        self.fields = {field.id: field for field in FIELDS}
        self.triggers = set(TRIGGERS)
        self.templates = dict(TEMPLATES)
        self.clients = {client.id: client for client in CLIENTS}
        self.tickets: dict[int, Ticket] = {}
        self.chats: dict[int, Chat] = {}
        self.files: dict[int, File] = {}
        self.tag_ids: dict[str, int] = {}
        self.reports: dict[int, tuple[Report, ...]] = {}
        self.unsent_changes: list[tuple[Ticket | None, Ticket]] = []
        self._last_id = 30_745_887
        self._last_chat_id = 5_753

    def copy(self) -> Company:
        """Return a copy of the data; the objects in it are immutable."""
        copied = copy(self)
        for name, value in vars(self).items():
            if isinstance(value, (dict, list, set)):
                setattr(copied, name, copy(value))
        return copied

    def next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    @property
    def last_ids(self) -> tuple[int, ...]:
        """The last ids that were given: of all but chats, and of chats."""
        return self._last_id, self._last_chat_id

    @last_ids.setter
    def last_ids(self, numbers: tuple[int, ...]) -> None:
        self._last_id, self._last_chat_id = numbers

    def index_files(self) -> None:
        """Find the files of tickets and clients."""
        avatars = [client.avatar for client in self.clients.values() if client.avatar]
        files = [file for ticket in self.tickets.values() for file in ticket.files]
        self.files = {file.id: file for file in (*files, *avatars)}

    @property
    def active_agents(self) -> dict[int, Agent]:
        return {agent.id: agent for agent in self.agents.values() if not agent.is_deleted}

    @property
    def first_agent(self) -> int:
        """The agent who acts where no agent is given."""
        return next(iter(self.active_agents))

    def field_name(self, number: int) -> str:
        """Return the name of a custom field; empty for an unknown one."""
        found = self.fields.get(number)
        return found.name if found else ""

    def save(self, ticket: Ticket, user_id: int | None = None) -> Ticket:
        """
        Save a new or changed ticket.

        :param ticket: the ticket
        :param user_id: the agent who changed it; None for the first one
        :return: the ticket with its history
        """
        before = self.tickets.get(ticket.ticket_id)
        data = changed_fields(before, ticket) if before else ()
        if before and data:
            user_id = user_id or self.first_agent
            change = Change(
                self.next_id(), user_id, ticket.last_updated_at, data, before.status, ticket.status
            )
            ticket = replace(ticket, changes=(*ticket.changes, change))
        self.unsent_changes.append((before, ticket))
        self.tickets[ticket.ticket_id] = ticket
        self.files.update({file.id: file for file in ticket.files})
        for tag in ticket.tags:
            self.tag_ids.setdefault(tag, len(self.tag_ids) + 1)
        return ticket

    def delete(self, ticket_id: int) -> None:
        """
        Delete a ticket with its files and its chat.

        :raises KeyError: if there is no such ticket
        """
        ticket = self.tickets.pop(ticket_id)
        for file in ticket.files:
            self.files.pop(file.id, None)
        for comment in ticket.comments:
            self.reports.pop(comment.id, None)
        self.chats = {one.id: one for one in self.chats.values() if one.ticket_id != ticket_id}

    def open_chat(self, channel_id: int, client_id: int, ticket_id: int) -> Chat:
        """Create a chat whose messages are the comments of a ticket."""
        self._last_chat_id += 1
        chat = Chat(self._last_chat_id, channel_id, client_id, ticket_id)
        self.chats[chat.id] = chat
        return chat

    def client_for(
        self,
        *,
        client_id: int | None,
        phone: str,
        email: str,
        username: str,
        name: str,
        company: str,
        now: datetime,
    ) -> Client:
        """Find the client as the API page describes, or create one; save a new phone, e-mail or username."""
        if client_id is None:
            client = self._find_client(phone, email, username)
        else:
            client = self.clients.get(client_id)
        if client is None:
            client = Client(self.next_id(), name or phone or email or username or "Client", now)
        client = replace(
            client,
            phones=self._with(client.phones, phone, "phones"),
            emails=self._with(client.emails, email, "emails"),
            usernames=self._with(client.usernames, username, "usernames"),
            company=company or client.company,
        )
        self.clients[client.id] = client
        return client

    def _find_client(self, phone: str, email: str, username: str) -> Client | None:
        # The username comes first: if both are given, the message goes to the username.
        for value, kind in ((username, "usernames"), (phone, "phones"), (email, "emails")):
            for client in self.clients.values():
                if value in getattr(client, kind):
                    return client
        return None

    def _with(self, own: tuple[str, ...], value: str, kind: str) -> tuple[str, ...]:
        """Add an address to a client unless a client has it already."""
        used = {address for client in self.clients.values() for address in getattr(client, kind)}
        return (*own, value) if value and value not in used else own
