"""The data of one Usedesk company: channels, agents, groups, custom fields, clients and tickets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

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

    :param provider: the service that sends its messages, such as ``pact``
    :param is_on: whether the channel sends messages
    """

    id: int
    name: str
    type: str
    provider: str = ""
    is_on: bool = True

    @property
    def returns_message_status(self) -> bool:
        """Whether a response contains the message status of the provider."""
        return self.type in ("whatsapp", "telegram")

    def reaches(self, client: Client) -> bool:
        names = client.usernames if self.type == "telegram" else ()
        return self.is_on and bool((*client.phones, *names))


@dataclass(frozen=True)
class Agent:
    id: int
    name: str
    email: str
    role: Role
    position: str = ""


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
class Client:
    id: int
    name: str
    created_at: datetime
    phones: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    usernames: tuple[str, ...] = ()
    company: str = ""


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
class Ticket:
    """
    A ticket as Usedesk stores it.

    :param lists: values of nested lists, exactly as received
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
    Channel(683, "E-mail", "email"),
    Channel(123, "WhatsApp templates", "whatsapp", "pact"),
    Channel(20054, "WhatsApp", "whatsapp", "pact"),
    Channel(20055, "WhatsApp (infobip)", "whatsapp", "infobip"),
    Channel(20056, "WhatsApp (switched off)", "whatsapp", "pact", is_on=False),
    Channel(20060, "Viber", "viber", "c2d"),
    Channel(20070, "Telegram personal", "telegram", "pact"),
)
AGENTS = (
    Agent(2156, "Julia", "julia@example.org", "employee", "First line"),
    Agent(2157, "Oleg", "oleg@example.org", "support", "Second line"),
    Agent(2158, "Maria", "maria@example.org", "admin", "Head of sales"),
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
)
JOINED = datetime(2026, 1, 12, 9, 30, tzinfo=UTC)
CLIENTS = (
    Client(27747627, "Ivan Petrov", JOINED, phones=("79250000001",)),
    Client(27747628, "Anna Smith", JOINED, phones=("79250000002",), emails=("anna@example.org",)),
)


class Company:
    """
    One company with its tickets; not safe for use from several threads.

    ``unsent_changes`` lists the saved tickets whose webhooks are not sent yet, each with its earlier version.
    """

    def __init__(self) -> None:
        self.channels = {channel.id: channel for channel in CHANNELS}
        self.agents = {agent.id: agent for agent in AGENTS}
        self.groups = {group.id: group for group in GROUPS}
        self.fields = {field.id: field for field in FIELDS}
        self.triggers = set(TRIGGERS)
        self.clients = {client.id: client for client in CLIENTS}
        self.tickets: dict[int, Ticket] = {}
        self.files: dict[int, File] = {}
        self.tag_ids: dict[str, int] = {}
        self.unsent_changes: list[tuple[Ticket | None, Ticket]] = []
        self._last_id = 30_745_887

    def next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def save(self, ticket: Ticket) -> None:
        """Save a new or changed ticket."""
        self.unsent_changes.append((self.tickets.get(ticket.ticket_id), ticket))
        self.tickets[ticket.ticket_id] = ticket
        self.files.update({file.id: file for file in ticket.files})
        for tag in ticket.tags:
            self.tag_ids.setdefault(tag, len(self.tag_ids) + 1)

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
