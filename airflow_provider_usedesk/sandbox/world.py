"""What a Usedesk company holds: channels, agents, groups, clients, tickets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

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


@dataclass(frozen=True)
class Channel:
    """Hold a channel; ``provider`` is who carries its messages, and nobody does while it is off."""

    id: int
    name: str
    type: str
    provider: str = ""
    is_on: bool = True


@dataclass(frozen=True)
class Agent:
    id: int
    name: str


@dataclass(frozen=True)
class Group:
    id: int
    name: str
    agents: tuple[int, ...]


@dataclass(frozen=True)
class Client:
    id: int
    name: str
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
class Comment:
    id: int
    message: str
    author: str
    user_id: int | None
    is_private: bool
    files: tuple[File, ...]
    published_at: datetime


@dataclass(frozen=True)
class Ticket:
    """
    Hold a ticket as Usedesk keeps it.

    :param received: the parameters as they came, without the token
    """

    ticket_id: int
    subject: str
    message: str
    channel_id: int
    client_id: int
    status: int
    created_at: datetime
    additional_id: str | None = None
    type: str = "question"
    priority: str = "medium"
    assignee_id: int | None = None
    group_id: int | None = None
    tags: tuple[str, ...] = ()
    custom_fields: Mapping[int, str] = field(default_factory=dict)
    comments: tuple[Comment, ...] = ()
    message_status: str | None = None
    chat_id: str | None = None
    template_id: str | None = None
    template_name: str | None = None
    template_variables: tuple[str, ...] = ()
    template_lang: str | None = None
    received: Mapping[str, Any] = field(default_factory=dict)

    @property
    def files(self) -> tuple[File, ...]:
        return tuple(file for comment in self.comments for file in comment.files)


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
AGENTS = (Agent(2156, "Julia"), Agent(2157, "Oleg"), Agent(2158, "Maria"))
GROUPS = (Group(11, "Support", (2156, 2157)), Group(12, "Sales", (2158,)), Group(13, "Billing", (2157, 2158)))
TRIGGERS = (501,)
CLIENTS = (
    Client(27747627, "Ivan Petrov", phones=("79250000001",)),
    Client(27747628, "Anna Smith", phones=("79250000002",), emails=("anna@example.org",)),
)


class World:
    """Hold one company and what happens in it; the server calls it from one thread at a time."""

    def __init__(self) -> None:
        self.channels = {channel.id: channel for channel in CHANNELS}
        self.agents = {agent.id: agent for agent in AGENTS}
        self.groups = {group.id: group for group in GROUPS}
        self.triggers = set(TRIGGERS)
        self.clients = {client.id: client for client in CLIENTS}
        self.tickets: dict[int, Ticket] = {}
        self.files: dict[int, File] = {}
        self._last_id = 30_745_887

    def next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def add_ticket(self, ticket: Ticket) -> None:
        self.tickets[ticket.ticket_id] = ticket
        self.files.update({file.id: file for file in ticket.files})

    def client_for(
        self, *, client_id: int | None, phone: str, email: str, username: str, name: str, company: str
    ) -> Client:
        """Find the client the way the page describes, or make one; remember a new phone, e-mail or name."""
        client = self.clients.get(client_id) if client_id is not None else self._known(phone, email, username)
        if client is None:
            client = Client(self.next_id(), name or phone or email or username or "Client")
        client = replace(
            client,
            phones=self._with(client.phones, phone, "phones"),
            emails=self._with(client.emails, email, "emails"),
            usernames=self._with(client.usernames, username, "usernames"),
            company=company or client.company,
        )
        self.clients[client.id] = client
        return client

    def _known(self, phone: str, email: str, username: str) -> Client | None:
        # In this order: with both, the page says, the message goes by the name.
        for value, kind in ((username, "usernames"), (phone, "phones"), (email, "emails")):
            for client in self.clients.values():
                if value in getattr(client, kind):
                    return client
        return None

    def _with(self, known: tuple[str, ...], value: str, kind: str) -> tuple[str, ...]:
        anywhere = {one for client in self.clients.values() for one in getattr(client, kind)}
        return (*known, value) if value and value not in anywhere else known


def now(clock: float) -> datetime:
    return datetime.fromtimestamp(clock, UTC)
