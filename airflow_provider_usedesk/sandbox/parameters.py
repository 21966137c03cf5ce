"""Parameters that several methods share, checked against the company's data."""

from __future__ import annotations

import re

from airflow_provider_usedesk.sandbox.call import UNKNOWN_CODE, Call, Refusal, Upload
from airflow_provider_usedesk.sandbox.company import (
    OWN_CHANNEL,
    STATUS_NAMES,
    Channel,
    Company,
    CustomField,
    File,
    Template,
    Ticket,
)

MAX_FILE_BYTES = 15 * 1024 * 1024
MAX_MESSAGE_BYTES = 65_535


def ticket_of(call: Call) -> Ticket:
    found = call.company.tickets.get(call.number("ticket_id", 113) or 0)
    if found is None:
        raise Refusal("wrong ticket id or no access to it", 113)
    return found


def agent_id(call: Call, name: str) -> int | None:
    agent = call.number(name, 117)
    if agent is not None and agent not in call.company.active_agents:
        raise Refusal(f"wrong agent id in {name}", 117)
    return agent


def group_id(call: Call, name: str = "group_id") -> int | None:
    group = call.number(name, 118)
    if group is not None and group not in call.company.groups:
        raise Refusal("wrong group id", 118)
    return group


def client_id(call: Call) -> int | None:
    wanted = call.text("client_id")
    if not wanted:
        return None
    client = int(wanted) if re.fullmatch(r"[0-9]{1,20}", wanted) else 0
    if client not in call.company.clients:
        raise Refusal("wrong client id", 119)
    return client


def status(call: Call) -> int | None:
    if call.text("status") and call.text("status") not in map(str, STATUS_NAMES):
        raise Refusal("status is unknown")
    return call.number("status")


def tags(call: Call) -> tuple[str, ...]:
    return tuple(tag.strip() for tag in call.text("tag").split(",") if tag.strip())


def custom_fields(call: Call) -> dict[int, str]:
    ids, values = call.text("field_id"), call.text("field_value")
    if not ids and not values:
        return {}
    numbers, texts = ids.split(";"), values.split(";")
    if len(numbers) != len(texts):
        raise Refusal("field_id and field_value have different numbers of items")
    if not all(re.fullmatch(r"\s*[0-9]{1,18}\s*", number) for number in numbers):
        raise Refusal("field_id is not a list of ids")
    if any(len(text) > 255 for text in texts):
        raise Refusal("a value in field_value is longer than 255 characters")
    found = {int(number): text for number, text in zip(numbers, texts, strict=True)}
    if not call.is_lenient:
        for number, text in found.items():
            _check_field(call.company.fields.get(number), text.strip())
    return found


def _check_field(field: CustomField | None, value: str) -> None:
    if field is None:
        raise Refusal("field_id contains an unknown id")
    if field.type == "nested list":
        raise Refusal(f"field {field.id} is a nested list, which belongs in lists")
    if field.type == "checkbox" and value not in ("", "true", "false"):
        raise Refusal(f"field {field.id} is a checkbox, which takes true or false")
    if field.type == "list" and value not in ("", *(str(option.id) for option in field.options)):
        raise Refusal(f"field {field.id} is a list, which takes the id of one of its options")


def template(call: Call, channel: Channel) -> Template | None:
    """
    Read the template of a message.

    :param call: the call
    :param channel: the channel of the message
    :raises Refusal: if the channel does not have this template, or a parameter has a wrong type
    """
    variables = call.array("template_variables")
    if any(isinstance(value, (dict, list, Upload)) for value in variables):
        raise Refusal("template_variables must be an array of strings")
    found = Template(
        id=call.text("template_id") or None,
        name=call.text("template_name") or None,
        variables=tuple(str(value) for value in variables),
        lang=call.text("template_lang") or None,
    )
    if not has_template(call):
        return None
    if not call.is_lenient:
        _check_template(call.company, channel, found)
    return found


def _check_template(company: Company, channel: Channel, wanted: Template) -> None:
    if channel.id == OWN_CHANNEL:
        # A wrong channel_id is no error, so the ticket is created, and no message is sent.
        return
    if channel.type != "whatsapp":
        raise Refusal("a template needs a WhatsApp channel")
    name, providers = (
        ("template_id", ("pact",)) if wanted.id is not None else ("template_name", ("landbot", "infobip"))
    )
    if channel.provider and channel.provider not in providers:
        raise Refusal(f"{name} is not for {channel.provider}, the provider of this channel")
    searched = [channel.provider] if channel.provider else providers
    known = {one for provider in searched for one in company.templates[provider]}
    if (wanted.id or wanted.name) not in known:
        raise Refusal(f"{name} is unknown")


def has_template(call: Call) -> bool:
    return bool(call.text("template_id") or call.text("template_name"))


def check_phone(call: Call, name: str) -> None:
    if call.text(name) and not call.is_lenient and not re.search("[0-9]", call.text(name)):
        raise Refusal(f"{name} contains no digits")


def check_message(call: Call) -> None:
    """
    Check the message and its template.

    :raises Refusal: if there is neither a text nor a template, if there are two templates, or if the text is
        too long
    """
    if not call.text("message") and not has_template(call):
        raise Refusal("message is missing", 114)
    if call.text("template_id") and call.text("template_name"):
        raise Refusal("only one of template_id and template_name can be given")
    if len(call.text("message").encode()) > MAX_MESSAGE_BYTES:
        raise Refusal("message is longer than 64 kB")


def check_lengths(call: Call, names: tuple[str, ...]) -> None:
    for name in names:
        if len(call.text(name)) > 255:
            raise Refusal(f"{name} is longer than 255 characters", 116 if name == "tag" else UNKNOWN_CODE)


def uploads(call: Call, name: str = "files") -> list[Upload]:
    """Read files: an array with any keys, or one file; empty file inputs are no files."""
    given = call.params.get(name)
    array = list(given.values()) if isinstance(given, dict) else call.array(name)
    found = [one for one in array if one not in (None, "")]
    if not all(isinstance(one, Upload) for one in found):
        raise Refusal(f"{name} must be sent as multipart/form-data")
    if any(len(one.content) > MAX_FILE_BYTES for one in found):
        raise Refusal("file is larger than 15 MB", 120)
    return found


def upload(call: Call, name: str) -> Upload | None:
    """Read at most one file."""
    found = uploads(call, name)
    if len(found) > 1:
        raise Refusal(f"{name} must be one file")
    return found[0] if found else None


def files(call: Call, found: list[Upload]) -> tuple[File, ...]:
    """Give each upload an id."""
    return tuple(File(call.company.next_id(), one.name, one.content_type, one.content) for one in found)
