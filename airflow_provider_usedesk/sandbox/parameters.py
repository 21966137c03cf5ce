"""Parameters that several methods share, checked against the company's data."""

from __future__ import annotations

import re

from airflow_provider_usedesk.sandbox.call import Call, Refusal, Upload
from airflow_provider_usedesk.sandbox.company import STATUS_NAMES, File, Template, Ticket

MAX_FILE_BYTES = 15 * 1024 * 1024


def ticket_of(call: Call) -> Ticket:
    found = call.company.tickets.get(call.number("ticket_id", 113) or 0)
    if found is None:
        raise Refusal("wrong ticket id or no access to it", 113)
    return found


def agent_id(call: Call, name: str) -> int | None:
    agent = call.number(name, 117)
    if agent is not None and agent not in call.company.agents:
        raise Refusal(f"wrong agent id in {name}", 117)
    return agent


def group_id(call: Call) -> int | None:
    group = call.number("group_id", 118)
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
    numbers = ids.split(";")
    if len(numbers) != len(values.split(";")):
        raise Refusal("field_id and field_value have different numbers of items")
    if not all(re.fullmatch(r"\s*[0-9]+\s*", number) for number in numbers):
        raise Refusal("field_id is not a list of ids")
    if any(len(value) > 255 for value in values.split(";")):
        raise Refusal("a value in field_value is longer than 255 characters")
    return {int(number): value for number, value in zip(numbers, values.split(";"), strict=True)}


def template(call: Call) -> Template | None:
    variables = call.array("template_variables")
    if any(isinstance(value, (dict, list)) for value in variables):
        raise Refusal("template_variables must be an array of strings")
    found = Template(
        id=call.text("template_id") or None,
        name=call.text("template_name") or None,
        variables=tuple(str(value) for value in variables),
        lang=call.text("template_lang") or None,
    )
    return found if has_template(call) else None


def has_template(call: Call) -> bool:
    return bool(call.text("template_id") or call.text("template_name"))


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
    if len(call.text("message").encode()) > 65_535:
        raise Refusal("message is longer than 64 kB")


def check_lengths(call: Call, names: tuple[str, ...]) -> None:
    for name in names:
        if len(call.text(name)) > 255:
            raise Refusal(f"{name} is longer than 255 characters", 116 if name == "tag" else None)


def uploads(call: Call) -> list[Upload]:
    found = call.array("files")
    if not all(isinstance(one, Upload) for one in found):
        raise Refusal("files must be sent as multipart/form-data")
    if any(len(one.content) > MAX_FILE_BYTES for one in found):
        raise Refusal("file is larger than 15 MB", 120)
    return found


def files(call: Call, found: list[Upload]) -> tuple[File, ...]:
    """Give each upload an id."""
    return tuple(File(call.company.next_id(), one.name, one.content_type, one.content) for one in found)
