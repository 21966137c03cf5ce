"""
The parameters of the methods of chats, and their checks.

`chat/addMessage <https://api.usedocs.com/article/51394>`__,
`chat/sendMessage <https://api.usedocs.com/article/51395>`__,
`chat/changeAssignee <https://api.usedocs.com/article/51396>`__
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from airflow_provider_usedesk.api import values
from airflow_provider_usedesk.api.request import MESSAGE_BYTES, Draft, Method, Request, complete_request

ADD_CHAT_MESSAGE = Method(
    path="chat/addMessage",
    parameters={
        "company_id": values.identifier,
        "channel_id": values.identifier,
        "chat_id": values.identifier,
        "text": values.text_of_bytes(MESSAGE_BYTES),
        "client_id": values.identifier,
        "client_name": values.one_line(255),
        "client_email": values.email,
    },
    left_out_when_blank=frozenset({"client_name", "client_email"}),
)
SEND_CHAT_MESSAGE = Method(
    path="chat/sendMessage",
    parameters={
        "chat_id": values.identifier,
        "user_id": values.identifier,
        "text": values.text_of_bytes(MESSAGE_BYTES),
    },
)
CHANGE_CHAT_ASSIGNEE = Method(
    path="chat/changeAssignee",
    parameters={"chat_id": values.identifier, "user_id": values.identifier},
)


def add_chat_message_request(params: Mapping[str, Any]) -> Request:
    """
    Return the checked request for a message of a client.

    :param params: parameters by name; a null means not given; ``text`` and what describes the client are
        inside ``message`` in the request
    :raises UsedeskInvalidRequest: naming every invalid argument
    """
    draft = Draft(params, ADD_CHAT_MESSAGE)
    draft.require("company_id", "channel_id", "text")
    request = draft.request()
    outside = {
        name: request.fields[name]
        for name in ("company_id", "channel_id", "chat_id")
        if name in request.fields
    }
    author = {
        name.removeprefix("client_") if name != "client_id" else name: request.fields[name]
        for name in ("client_id", "client_name", "client_email")
        if name in request.fields
    }
    message = {"text": request.fields["text"], **({"from": author} if author else {})}
    return replace(request, fields={**outside, "message": message})


def send_chat_message_request(params: Mapping[str, Any]) -> Request:
    """
    Return the checked request for a message of an agent.

    :param params: parameters by name
    :raises UsedeskInvalidRequest: naming every invalid argument
    """
    return complete_request(params, SEND_CHAT_MESSAGE)


def change_chat_assignee_request(params: Mapping[str, Any]) -> Request:
    """
    Return the checked request for another agent of a chat.

    :param params: parameters by name
    :raises UsedeskInvalidRequest: naming every invalid argument
    """
    return complete_request(params, CHANGE_CHAT_ASSIGNEE)
