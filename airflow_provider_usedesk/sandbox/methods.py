"""The methods of the API: what is taken, what is refused, what is answered."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_usedesk.sandbox.world import (
    OWN_CHANNEL,
    STATUS_NAMES,
    Channel,
    Client,
    Comment,
    File,
    Ticket,
    World,
)

PAGE_SIZE = 100
MAX_FILE_BYTES = 15 * 1024 * 1024
MAX_ID = 2**32 - 1

TEXTS = (
    "subject",
    "client_name",
    "client_email",
    "client_id",
    "company_name",
    "additional_id",
    "tag",
    "client_phone",
    "field_id",
    "client_country",
    "client_city",
    "client_address",
)
CHOICES = {
    "type": ("question", "task", "problem", "incident"),
    "priority": ("low", "medium", "urgent", "extreme"),
    "from": ("user", "client", "trigger"),
    "phone_type": ("home", "mobile", "stationary", "fax", "other"),
}


class Refusal(Exception):
    """Refuse a request, with the code that Usedesk has for it, where one is known."""

    def __init__(self, error: str, code: int | None = None) -> None:
        super().__init__(error)
        self.code = code

    def as_json(self) -> dict[str, Any]:
        return {"error": str(self)} if self.code is None else {"code": self.code, "error": str(self)}


@dataclass(frozen=True)
class Upload:
    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True)
class Call:
    """
    Hold one call of a method.

    :param world: the company
    :param given: parameters of the query and of the body together
    :param now: the moment of the call
    :param listing_lag: how long a new ticket is missing in ``tickets``
    :param offset_is: whether ``offset`` counts pages or rows
    :param files_path: path below which files can be downloaded
    """

    world: World
    given: Mapping[str, Any]
    now: datetime
    listing_lag: timedelta
    offset_is: str
    files_path: str

    def text(self, name: str) -> str:
        value = self.given.get(name)
        if isinstance(value, (dict, list)):
            raise Refusal(f"{name} must be a string", 116 if name == "tag" else None)
        return "" if value is None else str(value).strip()

    def number(self, name: str, code: int | None = None) -> int | None:
        value = self.text(name)
        if not value:
            return None
        if not re.fullmatch(r"[0-9]{1,10}", value) or not 1 <= int(value) <= MAX_ID:
            raise Refusal(f"{name} is not a valid id", code)
        return int(value)


def create_ticket(call: Call) -> dict[str, Any]:
    """Create a ticket, as article 51378 describes it."""
    _check_texts(call)
    world = call.world
    channel = _channel(call)
    author, user_id = _author(call)
    variables = _variables(call)
    if not isinstance(call.given.get("lists", []), list):
        raise Refusal("lists must be an array")
    group_id, assignee_id = _group(call), _agent(call, "assignee_id")
    fields = _custom_fields(call)
    uploads = _uploads(call)
    client = _client(call)
    comment = Comment(
        id=world.next_id(),
        message=str(call.given.get("message") or ""),
        author=author,
        user_id=user_id,
        is_private=call.text("private_comment").lower() in ("true", "1"),
        files=tuple(File(world.next_id(), one.name, one.content_type, one.content) for one in uploads),
        published_at=call.now,
    )
    message_status, chat_id = _delivery(call, channel, client, comment)
    ticket = Ticket(
        ticket_id=world.next_id(),
        subject=call.text("subject"),
        message=comment.message,
        channel_id=channel.id,
        client_id=client.id,
        status=call.number("status") or 8,
        created_at=call.now,
        additional_id=call.text("additional_id") or None,
        type=call.text("type") or "question",
        priority=call.text("priority") or "medium",
        assignee_id=assignee_id,
        group_id=group_id,
        tags=tuple(tag.strip() for tag in call.text("tag").split(",") if tag.strip()),
        custom_fields=fields,
        comments=(comment,),
        message_status=message_status,
        chat_id=chat_id,
        template_id=call.text("template_id") or None,
        template_name=call.text("template_name") or None,
        template_variables=variables,
        template_lang=call.text("template_lang") or None,
        received={name: value for name, value in call.given.items() if name != "files"},
    )
    world.add_ticket(ticket)
    extra = {"message_status": message_status, "chat_id": chat_id}
    return {
        "status": "success",
        "ticket_id": ticket.ticket_id,
        **{key: value for key, value in extra.items() if value is not None},
    }


def ticket(call: Call) -> dict[str, Any]:
    """Show one ticket with its comments (article 51377)."""
    found = call.world.tickets.get(call.number("ticket_id", 113) or 0)
    if found is None:
        raise Refusal("wrong ticket id or no access to it", 113)
    client = call.world.clients[found.client_id]
    return {
        "ticket": {
            "id": found.ticket_id,
            "status_id": found.status,
            "subject": found.subject,
            "priority": found.priority,
            "type": found.type,
            "client_id": found.client_id,
            "client_name": client.name,
            "assignee_id": found.assignee_id,
            "group": found.group_id,
            "channel_id": found.channel_id,
            "last_updated_at": _moment(found.created_at),
            "email": client.emails[0] if client.emails else None,
            "published_at": _moment(found.created_at),
            "company_id": 1,
            "additional_id": found.additional_id,
        },
        "comments": [_comment(call, found, comment) for comment in found.comments],
        "tags": [{"name": tag} for tag in found.tags],
        "changes": [],
        "custom_fields": [
            {"id": field, "ticket_id": found.ticket_id, "ticket_field_id": field, "value": value}
            for field, value in found.custom_fields.items()
        ],
    }


def tickets(call: Call) -> list[dict[str, Any]]:
    """List tickets, a hundred at a time, without ``additional_id`` (article 51376)."""
    is_in_time = _in_time(call)
    visible = [one for one in call.world.tickets.values() if one.created_at + call.listing_lag <= call.now]
    found = [one for one in visible if is_in_time(one) and _matches(call, one)]
    sort, descending = call.text("sort") or "id", call.text("order").lower() == "desc"
    keys: dict[str, Callable[[Ticket], Any]] = {
        "status_id": lambda one: one.status,
        "client_id": lambda one: one.client_id,
        "assignee_id": lambda one: one.assignee_id or 0,
        "published_at": lambda one: one.created_at,
        "last_updated_at": lambda one: one.created_at,
    }
    found.sort(key=keys.get(sort, lambda one: one.ticket_id), reverse=descending)
    offset = int(call.text("offset")) if re.fullmatch(r"[0-9]{1,9}", call.text("offset")) else 0
    start = offset * PAGE_SIZE if call.offset_is == "page" else offset
    return [_row(call.world, one) for one in found[start : start + PAGE_SIZE]]


def channels(call: Call) -> list[dict[str, Any]]:
    """List the channels (article 51397)."""
    wanted = call.text("channel_type")
    return [
        {"channel_id": channel.id, "channel_name": channel.name, "channel_type": channel.type}
        for channel in call.world.channels.values()
        if wanted in ("", channel.type)
    ]


def groups(call: Call) -> list[dict[str, Any]]:
    """List the groups of agents (article 51418)."""
    return [
        {
            "id": group.id,
            "name": group.name,
            "company_id": 1,
            "deleted": 0,
            "deleted_at": None,
            "users": list(group.agents),
        }
        for group in call.world.groups.values()
    ]


METHODS: Mapping[str, Callable[[Call], Any]] = {
    "create/ticket": create_ticket,
    "ticket": ticket,
    "tickets": tickets,
    "channels": channels,
    "groups": groups,
}


def _check_texts(call: Call) -> None:
    has_template = bool(call.text("template_id") or call.text("template_name"))
    if not call.text("message") and not has_template:
        raise Refusal("message is missing", 114)
    if not call.text("subject") and not has_template:
        raise Refusal("subject is missing")
    if call.text("template_id") and call.text("template_name"):
        raise Refusal("only one of template_id and template_name can be given")
    if call.text("private_comment").lower() not in ("", "true", "1"):
        raise Refusal("private_comment accepts only true")
    for name in TEXTS:
        if len(call.text(name)) > 255:
            raise Refusal(f"{name} is longer than 255 characters", 116 if name == "tag" else None)
    if len(call.text("message").encode()) > 65_535:
        raise Refusal("message is longer than 64 kB")
    for name, choices in CHOICES.items():
        if call.text(name) and call.text(name) not in choices:
            raise Refusal(f"{name} must be one of {', '.join(choices)}")
    if call.text("status") and call.text("status") not in map(str, STATUS_NAMES):
        raise Refusal("status is not known")


def _channel(call: Call) -> Channel:
    """Find the channel; a wrong one is the channel of the token, without a word."""
    wanted = call.text("channel_id")
    found = call.world.channels.get(int(wanted)) if re.fullmatch(r"[0-9]{1,10}", wanted) else None
    return found or call.world.channels[OWN_CHANNEL]


def _author(call: Call) -> tuple[str, int | None]:
    author = call.text("from") or "client"
    user_id = _agent(call, "user_id")
    has_template = bool(call.text("template_id") or call.text("template_name"))
    if author == "user" and user_id is None and not has_template:
        raise Refusal("user_id is required with from = user")
    if author == "trigger" and call.number("trigger_id") not in call.world.triggers:
        raise Refusal("trigger_id is missing or not known")
    return author, user_id if author == "user" else None


def _agent(call: Call, name: str) -> int | None:
    agent = call.number(name, 117)
    if agent is not None and agent not in call.world.agents:
        raise Refusal(f"wrong agent id in {name}", 117)
    return agent


def _group(call: Call) -> int | None:
    group = call.number("group_id", 118)
    if group is not None and group not in call.world.groups:
        raise Refusal("wrong group id", 118)
    return group


def _custom_fields(call: Call) -> dict[int, str]:
    ids, values = call.text("field_id"), call.text("field_value")
    if not ids and not values:
        return {}
    numbers = ids.split(";")
    if len(numbers) != len(values.split(";")):
        raise Refusal("field_id and field_value differ in number")
    if not all(re.fullmatch(r"\s*[0-9]+\s*", number) for number in numbers):
        raise Refusal("field_id is not a list of ids")
    if any(len(value) > 255 for value in values.split(";")):
        raise Refusal("a value in field_value is longer than 255 characters")
    return {int(number): value for number, value in zip(numbers, values.split(";"), strict=True)}


def _variables(call: Call) -> tuple[str, ...]:
    variables = _list(call.given.get("template_variables"))
    if any(isinstance(value, (dict, list)) for value in variables):
        raise Refusal("template_variables must be an array of strings")
    return tuple(str(value) for value in variables)


def _uploads(call: Call) -> list[Upload]:
    uploads = _list(call.given.get("files"))
    if not all(isinstance(one, Upload) for one in uploads):
        raise Refusal("files must be sent as multipart/form-data")
    if any(len(one.content) > MAX_FILE_BYTES for one in uploads):
        raise Refusal("file is larger than 15 MB", 120)
    return uploads


def _client(call: Call) -> Client:
    wanted = call.text("client_id")
    known = None
    if wanted not in ("", "new_client"):
        known = int(wanted) if re.fullmatch(r"[0-9]{1,20}", wanted) else 0
        if known not in call.world.clients:
            raise Refusal("wrong client id", 119)
    return call.world.client_for(
        client_id=known,
        phone=call.text("client_phone"),
        email=call.text("client_email"),
        username=call.text("username").removeprefix("@"),
        name=call.text("client_name"),
        company=call.text("company_name"),
    )


def _delivery(
    call: Call, channel: Channel, client: Client, comment: Comment
) -> tuple[str | None, str | None]:
    """Say what the messenger's provider answers: a message status, or a chat."""
    if channel.type == "viber":
        return None, str(call.world.next_id() % 100_000)
    if channel.type not in ("whatsapp", "telegram"):
        return None, None
    reachable = client.phones if channel.type == "whatsapp" else (*client.phones, *client.usernames)
    sent = channel.is_on and reachable and not comment.is_private
    return ("delivered" if sent else "not delivered"), None


def _matches(call: Call, one: Ticket) -> bool:
    world = call.world
    query = call.text("query").lower()
    client = world.clients[one.client_id]
    texts = (str(one.ticket_id), one.subject, *client.emails, *client.phones)
    tests = {
        "fchannel": one.channel_id,
        "fstatus": one.status,
        "ftype": one.type,
        "fpriority": one.priority,
        "fgroup": one.group_id,
        "client_id": one.client_id,
    }
    return (
        all(
            str(value) in _several(call.given.get(name))
            for name, value in tests.items()
            if call.given.get(name)
        )
        and all(tag in one.tags for tag in _several(call.given.get("tag")))
        and (not query or any(query in text.lower() for text in texts))
    )


def _in_time(call: Call) -> Callable[[Ticket], bool]:
    """Compare to the minute, bounds included, as the real filters are described."""
    after = [minute for name in ("created_after", "updated_after") if (minute := _minute(call, name))]
    before = [minute for name in ("created_before", "updated_before") if (minute := _minute(call, name))]

    def check(one: Ticket) -> bool:
        minute = one.created_at.replace(second=0, microsecond=0)
        return all(bound <= minute for bound in after) and all(minute <= bound for bound in before)

    return check


def _minute(call: Call, name: str) -> datetime | None:
    if not call.text(name):
        return None
    try:
        return datetime.strptime(call.text(name), "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
    except ValueError:
        raise Refusal(f"{name} must be YYYY-MM-DD HH:MM") from None


def _several(value: Any) -> list[str]:
    if isinstance(value, list):
        return [str(item) for item in value]
    return [part.strip() for part in str(value).split(",") if part.strip()] if value not in (None, "") else []


def _list(value: Any) -> list[Any]:
    if isinstance(value, str) and value.startswith("["):
        try:
            value = json.loads(value)
        except ValueError:
            return [value]
    if isinstance(value, dict) and all(key.isdecimal() for key in value):
        return list(value.values())  # PHP's array with gaps
    return value if isinstance(value, list) else [] if value in (None, "") else [value]


def _comment(call: Call, one: Ticket, comment: Comment) -> dict[str, Any]:
    return {
        "id": comment.id,
        "message": comment.message,
        "from": comment.author,
        "type": "private" if comment.is_private else "public",
        "user_id": comment.user_id,
        "client_id": one.client_id,
        "ticket_id": one.ticket_id,
        "is_first": 1,
        "delivered": int(one.message_status == "delivered"),
        "readed": 0,
        "published_at": _moment(comment.published_at),
        "files": [{"name": file.name, "file": f"{call.files_path}/{file.id}"} for file in comment.files],
        "cc": [],
        "bcc": [],
    }


def _row(world: World, one: Ticket) -> dict[str, Any]:
    client = world.clients[one.client_id]
    return {
        "id": one.ticket_id,
        "priority": one.priority,
        "subject": one.subject,
        "client_id": one.client_id,
        "client_name": client.name,
        "assignee_id": one.assignee_id,
        "channel_id": one.channel_id,
        "group": one.group_id,
        "last_updated_at": _moment(one.created_at),
        "type": one.type,
        "created_at": _moment(one.created_at),
        "channel_email": None,
        "ticket_fields": [
            {"id": field, "name": "", "value": value} for field, value in one.custom_fields.items()
        ],
        "tags": [{"name": tag} for tag in one.tags],
        "status": one.status,
        "last_comment": one.message[:100],
        "remind_at": None,
    }


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
