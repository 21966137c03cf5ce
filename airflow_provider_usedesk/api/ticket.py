"""What may be sent to ``create/ticket`` (EN 51378): every parameter, checked and encoded."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from airflow_provider_usedesk.api import values
from airflow_provider_usedesk.api.attachments import Attachment, OpenUrl, attachment, is_named_bytes
from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest

MESSAGE_BYTES = 65_535

PARAMETERS: Mapping[str, values.Check] = {
    "subject": values.text(255),
    "message": values.text_of_bytes(MESSAGE_BYTES),
    "client_name": values.text(255),
    "client_email": values.text(255),
    "client_id": values.client_identifier,
    "company_name": values.text(255),
    "private_comment": values.flag,
    "additional_id": values.text(255),
    "type": values.choice("question", "task", "problem", "incident"),
    "priority": values.choice("low", "medium", "urgent", "extreme"),
    "status": values.status,
    "tag": values.tags,
    "assignee_id": values.identifier,
    "group_id": values.identifier,
    "client_phone": values.phone,
    "field_id": values.field_ids,
    "field_value": values.field_values,
    "channel_id": values.identifier,
    "from_": values.choice("user", "client", "trigger"),
    "user_id": values.identifier,
    "trigger_id": values.identifier,
    "client_country": values.text(255),
    "client_city": values.text(255),
    "client_address": values.text(255),
    "new_address": values.address_flag,
    "phone_type": values.choice("home", "mobile", "stationary", "fax", "other"),
    "lists": values.nested_lists,
    "template_id": values.identifier,
    "template_name": values.text(255),
    "template_variables": values.template_variables,
    "template_lang": values.text(255),
    "username": values.username,
}
"""The parameters with their checks."""

ARGUMENTS = frozenset(PARAMETERS) | {"files", "custom_fields"}
"""All that a caller may give; ``custom_fields`` is our friendly shape of field_id and field_value."""

LEFT_OUT_WHEN_BLANK = frozenset(
    {
        "client_name",
        "client_email",
        "company_name",
        "additional_id",
        "tag",
        "client_phone",
        "field_id",
        "field_value",
        "custom_fields",
        "client_country",
        "client_city",
        "client_address",
        "files",
        "lists",
        "template_name",
        "template_lang",
        "username",
    }
)
"""Blank, these say nothing; any other blank one would change where, from whom or to whom a ticket goes."""

PERSONAL = (
    "subject",
    "message",
    "client_name",
    "client_email",
    "client_phone",
    "client_country",
    "client_city",
    "client_address",
    "new_address",
    "username",
    "field_value",
    "custom_fields",
    "lists",
    "template_variables",
    "files",
)
"""Parameters that can hold what a customer would not want to find in a log."""


@dataclass(frozen=True)
class Rules:
    """
    Say what one way of sending needs, beyond what each value needs by itself.

    :param required: parameters that must be given
    :param one_of: parameters of which at least one must be given
    :param author: what ``from_`` must be, where the method fixes it
    :param template: whether exactly one of ``template_id`` and ``template_name`` must be given
    """

    required: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    author: str | None = None
    template: bool = False


TICKET = Rules()
WHATSAPP_MESSAGE = Rules(
    required=("subject", "message", "channel_id", "user_id"),
    one_of=("client_phone", "client_id"),
    author="user",
)
WHATSAPP_TEMPLATE = Rules(
    required=("channel_id",), one_of=("client_phone", "client_id"), author="user", template=True
)
VIBER_MESSAGE = Rules(required=("subject", "message", "channel_id"), one_of=("client_phone", "client_id"))
TELEGRAM_MESSAGE = Rules(required=("subject", "message", "channel_id"), one_of=("client_phone", "username"))


@dataclass(frozen=True)
class TicketRequest:
    """
    Hold one checked request to ``create/ticket``, without the token.

    :param fields: the parameters under their wire names
    :param attachments: the files
    """

    fields: Mapping[str, Any] = field(repr=False)
    attachments: tuple[Attachment, ...] = ()

    def hide(self, text: str) -> str:
        """Take the personal values of this request out of a text."""
        found = {part for name in PERSONAL for part in _texts(self.fields.get(name)) if len(part) > 1}
        for part in sorted(found, key=len, reverse=True):
            # A short value as a word only: as a part of other words it tells nothing.
            pattern = re.escape(part) if len(part) > 3 else rf"\b{re.escape(part)}\b"
            text = re.sub(pattern, "***", text)
        return text

    def as_json(self, token: str) -> bytes:
        """Encode the request as a JSON body; files do not fit into one."""
        return json.dumps({"api_token": token, **self.fields}, ensure_ascii=False).encode()

    def as_form(self, token: str) -> list[tuple[str, str]]:
        """Encode the request as the fields of a form, with PHP's brackets for what is nested."""
        return [("api_token", token), *_form_fields("", self.fields)]


def ticket_request(
    params: Mapping[str, Any], rules: Rules = TICKET, open_url: OpenUrl | None = None
) -> TicketRequest:
    """
    Check the parameters of one ticket and encode their values.

    :param params: parameters by name; ``from`` may be spelled ``from_``; None means not given
    :param rules: what this way of sending needs
    :param open_url: makes a path object of the URL of a file
    :raises UsedeskInvalidRequest: naming every faulty argument
    """
    given = {_argument(name): value for name, value in params.items() if value is not None}
    faults = _Faults()
    if params.get("from") is not None and params.get("from_") is not None:
        faults.add("from_", "is given as from, too")
    fields = {name: wire for name, wire in _checked(given, faults) if wire is not None}
    attachments = _attachments(given.get("files"), open_url, faults)
    _check_together({name for name in given if _is_given(name, given[name])}, fields, rules, faults)
    faults.raise_any()
    if not fields.get("private_comment", True):
        del fields["private_comment"]  # Usedesk accepts only true
    if "from_" in fields:
        fields["from"] = fields.pop("from_")
    return TicketRequest(MappingProxyType(fields), attachments)


class _Faults:
    """Collect the faults of one call, at most one for each argument."""

    def __init__(self) -> None:
        self._reasons: dict[str, str] = {}

    def add(self, name: str, reason: str) -> None:
        self._reasons.setdefault(name, reason)

    def raise_any(self) -> None:
        if self._reasons:
            raise UsedeskInvalidRequest([f"{name}: {reason}" for name, reason in self._reasons.items()])


def _argument(name: str) -> str:
    return "from_" if name == "from" else name


def _is_given(name: str, value: Any) -> bool:
    return name not in LEFT_OUT_WHEN_BLANK or not values.is_nothing(value)


def _checked(given: Mapping[str, Any], faults: _Faults) -> Iterator[tuple[str, Any]]:
    for name, value in given.items():
        if name == "files" or not _is_given(name, value):
            continue
        try:
            if name == "custom_fields":
                yield from zip(("field_id", "field_value"), values.custom_fields(value), strict=True)
            elif name in PARAMETERS:
                yield name, _check_one(name, value)
            else:
                faults.add(name, _unknown(name))
        except ValueError as fault:
            faults.add(name, str(fault))


def _check_one(name: str, value: Any) -> Any:
    if name == "template_variables" and values.is_nothing(value) and not isinstance(value, str):
        return None
    if values.is_nothing(value):
        raise ValueError("is given but empty; a template may have found nothing")
    if isinstance(value, str) and value.strip() == "None":
        raise ValueError(values.NONE_TEXT)
    return PARAMETERS[name](value)


def _unknown(name: str) -> str:
    import difflib  # slow to load, and rarely needed

    close = difflib.get_close_matches(name, sorted(ARGUMENTS), n=1)
    return "is not a parameter of create/ticket" + (f"; is {close[0]} meant?" if close else "")


def _attachments(given: Any, open_url: OpenUrl | None, faults: _Faults) -> tuple[Attachment, ...]:
    if values.is_nothing(given):
        return ()
    sources = [given] if is_named_bytes(given) else values.as_list(given)
    found = []
    for place, source in enumerate([given] if sources is None else sources, 1):
        try:
            found.append(attachment(source, open_url))
        except ValueError as fault:
            faults.add("files" if sources is None else f"files, number {place}", str(fault))
    return tuple(found)


def _check_together(given: set[str], fields: Mapping[str, Any], rules: Rules, faults: _Faults) -> None:
    templates = given & {"template_id", "template_name"}
    # The samples of the page with a template have neither subject, message nor user_id.
    has_template = bool(templates) or rules.template
    for name in rules.required or (() if has_template else ("subject", "message")):
        if name not in given:
            faults.add(name, "is required")
    if len(templates) > 1:
        faults.add("template_id and template_name", "only one of them can be given")
    if rules.template and not templates:
        faults.add("template_id or template_name", "exactly one of them is required")
    for name in ("template_variables", "template_lang"):
        if name in given and not has_template:
            faults.add(name, "needs template_id or template_name")
    if rules.one_of and fields.get("private_comment"):
        faults.add("private_comment", "would keep the message from the client")
    _check_recipient(given, fields, rules, faults)
    _check_author(given, fields, rules, has_template, faults)
    _check_custom_fields(given, fields, faults)


def _check_recipient(given: set[str], fields: Mapping[str, Any], rules: Rules, faults: _Faults) -> None:
    unknown = {"client_id"} if fields.get("client_id") == "new_client" else set()
    if rules.one_of and not (given - unknown) & set(rules.one_of):
        reason = "is required for a new client" if unknown else "is required"
        faults.add(" or ".join(name for name in rules.one_of if name not in unknown), reason)


def _check_author(
    given: set[str], fields: Mapping[str, Any], rules: Rules, has_template: bool, faults: _Faults
) -> None:
    author = fields.get("from_")
    if rules.author and author != rules.author:
        faults.add("from_", f"must be {rules.author}, or the messenger delivers nothing")
    if author == "user" and "user_id" not in given and not has_template:
        faults.add("user_id", "is required with from_='user'")
    if author == "trigger" and "trigger_id" not in given:
        faults.add("trigger_id", "is required with from_='trigger'")


def _check_custom_fields(given: set[str], fields: Mapping[str, Any], faults: _Faults) -> None:
    pair = given & {"field_id", "field_value"}
    if "custom_fields" in given:
        if pair:
            faults.add("custom_fields", "cannot be given together with field_id and field_value")
        return
    if len(pair) == 1:
        missing = ({"field_id", "field_value"} - pair).pop()
        faults.add(missing, f"is required with {pair.pop()}")
    elif "field_id" in fields and "field_value" in fields:
        ids, entries = fields["field_id"].count(";") + 1, fields["field_value"].count(";") + 1
        if ids != entries:
            faults.add("field_value", f"has {entries} values for {ids} ids in field_id")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from (part.strip() for part in (value, *value.split(";")))
    elif isinstance(value, Mapping):
        yield from _texts(value.get("value"))
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _form_fields(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _form_fields(f"{name}[{key}]" if name else str(key), item)
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _form_fields(f"{name}[{place}]", item)
    else:
        yield name, "true" if value is True else str(value)
