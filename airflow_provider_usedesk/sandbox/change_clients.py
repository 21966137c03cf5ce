"""The methods that create and change clients."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from airflow_provider_usedesk.sandbox import parameters
from airflow_provider_usedesk.sandbox.call import UNKNOWN_CODE, Call, Refusal
from airflow_provider_usedesk.sandbox.company import Address, Client, File, Messenger, Site

TEXTS = ("name", "position", "client_country", "client_city", "client_address")
MESSENGERS = ("telegram", "whatsapp", "viber", "skype", "gtalk", "imessage", "other")
PHONE_TYPES = ("home", "mobile", "stationary", "fax", "other")
FLAGS = ("true", "false", "1", "0", "True", "False")

Item = TypeVar("Item", Messenger, Site)


def create_client(call: Call) -> dict[str, Any]:
    """
    Create a client, also if there is one with the same address.

    Source: `create/client <https://api.usedocs.com/article/51385>`__.
    """
    _check(call)
    name = call.text("name") or next(iter(_emails(call)), "") or call.text("phone") or "Client"
    return _saved(call, Client(call.company.next_id(), name, call.now))


def update_client(call: Call) -> dict[str, Any]:
    """Change a client (`update/client <https://api.usedocs.com/article/51386>`__)."""
    client = call.company.clients.get(parameters.client_id(call) or 0)
    if client is None:
        raise Refusal("wrong client id", 119)
    _check(call)
    return _saved(call, client)


def _check(call: Call) -> None:
    """
    Check all parameters.

    :raises Refusal: with the messages by parameter
    """
    checks: Mapping[str, Callable[[], bool]] = {
        **{name: lambda name=name: len(call.text(name)) <= 255 for name in TEXTS},  # type: ignore[misc]
        "note": lambda: len(call.text("note").encode()) <= parameters.MAX_MESSAGE_BYTES,
        "emails": lambda: all("@" in email and len(email) <= 255 for email in _emails(call)),
        "phone": lambda: re.fullmatch(r"(?a:\d{10,15})?", call.text("phone")) is not None,
        "messengers": lambda: all(map(_is_messenger, call.array("messengers"))),
        "sites": lambda: all(map(_is_site, call.array("sites"))),
        "phone_type": lambda: call.text("phone_type") in ("", *PHONE_TYPES),
        "status": lambda: call.text("status") in ("", "vip", "spammer"),
        "status_vip": lambda: call.text("status_vip") in ("", *FLAGS),
        "status_spam": lambda: call.text("status_spam") in ("", *FLAGS),
        "is_new_note": lambda: call.text("is_new_note") in ("", *FLAGS),
    }
    errors = {name: [f"The {name} is not valid."] for name, is_valid in checks.items() if not is_valid()}
    if call.text("status_vip") and call.text("status_spam"):
        errors["status_vip"] = ["status_vip and status_spam cannot be given together."]
    if errors:
        # Public clients get an object in ``error`` and another HTTP status than 200 here.
        raise Refusal(errors, UNKNOWN_CODE, status=UNKNOWN_CODE)
    parameters.upload(call, "avatar")
    if call.number("merge_id", 119) not in (None, *call.company.clients):
        raise Refusal("wrong client id in merge_id", 119)


def _emails(call: Call) -> list[str]:
    return [email.strip() for email in map(str, call.array("emails")) if email.strip()]


def _is_messenger(item: Any) -> bool:
    if not _has_texts(item, ("id", "identity", "type", "uid")):
        return False
    if item.get("id") and not item.get("identity"):
        return True
    return 1 <= len(str(item.get("identity") or "")) <= 64 and item.get("type") in MESSENGERS


def _is_site(item: Any) -> bool:
    return _has_texts(item, ("id", "url")) and bool(item.get("url") or item.get("id"))


def _has_texts(item: Any, names: Iterable[str]) -> bool:
    return isinstance(item, dict) and all(
        item.get(name) is None or type(item[name]) in (str, int) for name in names
    )


def _saved(call: Call, client: Client) -> dict[str, Any]:
    client = _changed(call, client)
    merged = call.company.clients.get(call.number("merge_id", 119) or 0)
    if merged and merged.id != client.id:
        client = _merged(call, client, merged)
    call.company.clients[client.id] = client
    if client.avatar:
        call.company.files[client.avatar.id] = client.avatar
    return {"client_id": client.id, "status": True}


def _changed(call: Call, client: Client) -> Client:
    """Return the client with the given values; e-mails and phones are added to those there are."""
    phones = [call.text("phone")] if call.text("phone") else []
    vip, spam = _flag(call, "status_vip", "vip"), _flag(call, "status_spam", "spammer")
    return replace(
        client,
        name=call.text("name") or client.name,
        position=call.text("position") or client.position,
        emails=tuple(dict.fromkeys((*client.emails, *_emails(call)))),
        phones=tuple(dict.fromkeys((*client.phones, *phones))),
        note=_note(call, client),
        messengers=_items(call, "messengers", client.messengers, _messenger),
        sites=_items(call, "sites", client.sites, _site),
        addresses=_addresses(call, client),
        avatar=_avatar(call) or client.avatar,
        is_vip=client.is_vip if vip is None else vip,
        is_spammer=client.is_spammer if spam is None else spam,
    )


def _flag(call: Call, name: str, old_value: str) -> bool | None:
    """Return a flag of the client; the deprecated ``status`` sets it, too."""
    if call.text(name):
        return call.flag(name)
    return True if call.text("status") == old_value else None


def _note(call: Call, client: Client) -> str:
    note = call.text("note")
    if not note:
        return client.note
    return note if call.flag("is_new_note") or not client.note else f"{client.note}\n{note}"


def _items(
    call: Call, name: str, before: tuple[Item, ...], make: Callable[[int, Mapping[str, Any]], Item | None]
) -> tuple[Item, ...]:
    """Add new items; change or delete those whose id is given; ignore an unknown id."""
    found: dict[int, Item | None] = {item.id: item for item in before}
    for given in call.array(name):
        wanted = str(given.get("id") or "")
        number = next((known for known in found if str(known) == wanted), None)
        if number is not None or not wanted:
            number = number or call.company.next_id()
            found[number] = make(number, given)
    return tuple(item for item in found.values() if item is not None)


def _messenger(number: int, given: Mapping[str, Any]) -> Messenger | None:
    identity, uid = given.get("identity"), given.get("uid")
    if not identity:
        return None
    return Messenger(number, str(given["type"]), str(identity), None if uid is None else str(uid))


def _site(number: int, given: Mapping[str, Any]) -> Site | None:
    return Site(number, str(given["url"])) if given.get("url") else None


def _addresses(call: Call, client: Client) -> tuple[Address, ...]:
    """Change the first address, or add one if ``new_address`` is given."""
    country, city, address = (call.text(f"client_{name}") for name in ("country", "city", "address"))
    if not (country or city or address):
        return client.addresses
    if not client.addresses or call.params.get("new_address") not in (None, "", "false", "0", False, 0):
        return (*client.addresses, Address(call.company.next_id(), country, city, address))
    first, *others = client.addresses
    changed = Address(first.id, country or first.country, city or first.city, address or first.address)
    return (changed, *others)


def _avatar(call: Call) -> File | None:
    upload = parameters.upload(call, "avatar")
    return parameters.files(call, [upload])[0] if upload else None


def _merged(call: Call, client: Client, other: Client) -> Client:
    """Move the addresses, tickets and chats of another client to this one, and delete the other one."""
    company = call.company
    for ticket in [one for one in company.tickets.values() if one.client_id == other.id]:
        company.tickets[ticket.ticket_id] = replace(ticket, client_id=client.id)
    for chat in [one for one in company.chats.values() if one.client_id == other.id]:
        company.chats[chat.id] = replace(chat, client_id=client.id)
    del company.clients[other.id]
    return replace(
        client,
        emails=tuple(dict.fromkeys((*client.emails, *other.emails))),
        phones=tuple(dict.fromkeys((*client.phones, *other.phones))),
        usernames=tuple(dict.fromkeys((*client.usernames, *other.usernames))),
        messengers=(*client.messengers, *other.messengers),
        sites=(*client.sites, *other.sites),
        addresses=(*client.addresses, *other.addresses),
    )
