"""
The parameters of the methods that create and change tickets, and their checks.

`create/ticket <https://api.usedocs.com/article/51378>`__,
`update/ticket <https://api.usedocs.com/article/51379>`__
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_usedesk.api import choices, values
from airflow_provider_usedesk.api.attachments import OpenUrl
from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest
from airflow_provider_usedesk.api.phone import phone
from airflow_provider_usedesk.api.request import CLIENT_ADDRESS, MESSAGE_BYTES, Draft, Method, Request

CREATE_TICKET = Method(
    path="create/ticket",
    parameters={
        "subject": values.one_line(255),
        "message": values.text_of_bytes(MESSAGE_BYTES),
        "client_name": values.one_line(255),
        "client_email": values.email,
        "client_id": values.client_identifier,
        "company_name": values.one_line(255),
        "private_comment": values.flag,
        "additional_id": values.text(255),
        "type": values.one_of(choices.TicketType),
        "priority": values.one_of(choices.Priority),
        "status": values.status,
        "tag": values.tags,
        "assignee_id": values.identifier,
        "group_id": values.identifier,
        "client_phone": phone,
        "field_id": values.field_ids,
        "field_value": values.field_values,
        "channel_id": values.identifier,
        "from_": values.one_of(choices.Author),
        "user_id": values.identifier,
        "trigger_id": values.identifier,
        **CLIENT_ADDRESS,
        "lists": values.nested_lists,
        "template_id": values.identifier,
        "template_name": values.one_line(255),
        "template_variables": values.template_variables,
        "template_lang": values.one_line(255),
        "username": values.username,
    },
    # Any other blank parameter would change the channel, the author or the recipient of a ticket.
    left_out_when_blank=frozenset(
        {
            "client_name",
            "client_email",
            "company_name",
            "additional_id",
            "tag",
            "client_phone",
            "phone_region",
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
    ),
    only_true=frozenset({"private_comment"}),
    takes_files=True,
)

UPDATE_TICKET = Method(
    path="update/ticket",
    parameters={
        "ticket_id": values.identifier,
        "subject": values.one_line(255),
        "client_id": values.identifier,
        "group_id": values.id_or_null,
        "assignee_id": values.id_or_null,
        "user_id": values.identifier,
        "tag": values.tags,
        "priority": CREATE_TICKET.parameters["priority"],
        "status": values.status,
        "silent": values.flag,
        "type": CREATE_TICKET.parameters["type"],
        "field_id": values.field_ids,
        "field_value": values.field_values,
        "lists": values.nested_lists,
    },
    left_out_when_blank=frozenset({"tag", "field_id", "field_value", "custom_fields"}),
    cleared_by_empty_list=frozenset({"lists"}),
    only_true=frozenset({"silent"}),
)


@dataclass(frozen=True)
class MessageProfile:
    """
    What one kind of message requires, beyond the checks of each parameter.

    :param required: parameters that must be given
    :param one_of: parameters of which at least one must be given
    :param author: what ``from_`` must be, if it is fixed
    :param template: whether exactly one of ``template_id`` and ``template_name`` must be given
    """

    required: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()
    author: str | None = None
    template: bool = False

    def expects_confirmation(self, fields: Mapping[str, Any]) -> bool:
        """
        Return whether the response should show that a messenger got the message.

        :param fields: the parameters of the ticket
        """
        names = ("template_id", "template_name")
        return bool(self.one_of) or any(not values.is_empty(fields.get(name)) for name in names)


TICKET = MessageProfile()
WHATSAPP_MESSAGE = MessageProfile(
    required=("subject", "message", "channel_id", "user_id"),
    one_of=("client_phone", "client_id"),
    author="user",
)
WHATSAPP_TEMPLATE = MessageProfile(
    required=("channel_id",), one_of=("client_phone", "client_id"), author="user", template=True
)
VIBER_MESSAGE = MessageProfile(
    required=("subject", "message", "channel_id"), one_of=("client_phone", "client_id")
)
TELEGRAM_MESSAGE = MessageProfile(
    required=("subject", "message", "channel_id"), one_of=("client_phone", "username")
)


def ticket_request(
    params: Mapping[str, Any], profile: MessageProfile = TICKET, open_url: OpenUrl | None = None
) -> Request:
    """
    Return the checked request for a new ticket.

    :param params: parameters by name; ``from`` may be spelled ``from_``; a null means not given;
        ``phone_region`` is the country of a ``client_phone`` without country code
    :param profile: what this kind of message requires
    :param open_url: returns a path object for the URL of a file
    :raises UsedeskInvalidRequest: naming every invalid argument
    """
    draft = Draft(params, CREATE_TICKET, open_url)
    # The samples with a template on the page have neither subject, message nor user_id.
    has_template = draft.check_template() or profile.template
    draft.require(*(profile.required or (() if has_template else ("subject", "message"))))
    if profile.template and not draft.given & {"template_id", "template_name"}:
        draft.reject("template_id or template_name", "exactly one of them is required")
    draft.check_template_options(has_template)
    if profile.one_of and draft.fields.get("private_comment"):
        draft.reject("private_comment", "would hide the message from the client")
    _check_recipient(draft, profile)
    _check_author(draft, profile, has_template)
    draft.check_custom_fields()
    return draft.request()


def with_custom_field(params: Mapping[str, Any], field_id: int, value: str) -> dict[str, Any]:
    """
    Return the parameters of a new ticket with the value of one more custom field.

    Custom fields that are not valid stay as they are, and :func:`ticket_request` refuses them.

    :param params: parameters by name
    :param field_id: id of the custom field
    :param value: its value, without a semicolon
    :raises UsedeskInvalidRequest: when the parameters contain this field already
    """
    fields, ids, entries = (params.get(name) for name in ("custom_fields", "field_id", "field_value"))
    if values.is_empty(ids) != values.is_empty(entries):
        return dict(params)
    if not values.is_empty(ids):
        several = values.field_items(ids)
        _refuse_field(field_id, "field_id", several)
        others = values.field_items(entries)
        return {**params, "field_id": [*several, field_id], "field_value": [*others, value]}
    given = {} if values.is_empty(fields) else values.as_mapping(fields)
    if given is None:
        return dict(params)
    _refuse_field(field_id, "custom_fields", given)
    return {**params, "custom_fields": {**given, field_id: value}}


def _refuse_field(field_id: int, name: str, ids: Iterable[Any]) -> None:
    if str(field_id) in (str(one).strip() for one in ids):
        raise UsedeskInvalidRequest(
            [f"{name}: contains the field {field_id}, to which the connection writes the idempotency key"]
        )


def update_request(params: Mapping[str, Any]) -> Request:
    """
    Return the checked request for a change of a ticket.

    :param params: parameters by name; a null leaves that part of the ticket unchanged
    :raises UsedeskInvalidRequest: naming every invalid argument
    """
    draft = Draft(params, UPDATE_TICKET)
    draft.require("ticket_id")
    draft.check_custom_fields()
    if not draft.given - {"ticket_id", "user_id", "silent"}:
        draft.reject("arguments", "nothing would change: give a status, an assignee_id or another part")
    return draft.request()


def _check_recipient(draft: Draft, profile: MessageProfile) -> None:
    unknown = {"client_id"} if draft.fields.get("client_id") == "new_client" else set()
    if profile.one_of and not (draft.given - unknown) & set(profile.one_of):
        reason = "is required for a new client" if unknown else "is required"
        draft.reject(" or ".join(name for name in profile.one_of if name not in unknown), reason)


def _check_author(draft: Draft, profile: MessageProfile, has_template: bool) -> None:
    author = draft.fields.get("from_")
    if profile.author and author != profile.author and "from_" not in draft.unknown:
        draft.reject("from_", f"must be {profile.author}, or the messenger delivers nothing")
    if author == "user" and "user_id" not in draft.given and not has_template:
        draft.reject("user_id", "is required with from_='user'")
    if author == "trigger" and "trigger_id" not in draft.given:
        draft.reject("trigger_id", "is required with from_='trigger'")
