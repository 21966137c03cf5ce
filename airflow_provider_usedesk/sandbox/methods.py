"""The API methods that the sandbox implements, by path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_usedesk.sandbox.call import Call
from airflow_provider_usedesk.sandbox.change_clients import create_client, update_client
from airflow_provider_usedesk.sandbox.change_users import create_user, delete_user, update_user
from airflow_provider_usedesk.sandbox.chats import add_message, change_assignee, send_message
from airflow_provider_usedesk.sandbox.clients import client, clients
from airflow_provider_usedesk.sandbox.comments import create_comment
from airflow_provider_usedesk.sandbox.create_ticket import create_ticket
from airflow_provider_usedesk.sandbox.directory import channels, groups, tags, ticket_fields, users
from airflow_provider_usedesk.sandbox.read_tickets import ticket, tickets
from airflow_provider_usedesk.sandbox.update_ticket import update_ticket

BASE_PATH = "/uapi"
METHODS: Mapping[str, Callable[[Call], Any]] = {
    "create/ticket": create_ticket,
    "update/ticket": update_ticket,
    "create/comment": create_comment,
    "ticket": ticket,
    "tickets": tickets,
    "clients": clients,
    "client": client,
    "create/client": create_client,
    "update/client": update_client,
    "chat/addMessage": add_message,
    "chat/sendMessage": send_message,
    "chat/changeAssignee": change_assignee,
    "create/user": create_user,
    "update/user": update_user,
    "delete/user": delete_user,
    "channels": channels,
    "groups": groups,
    "users": users,
    "ticket/fields": ticket_fields,
    "tags": tags,
}
REQUIRED_VERB: Mapping[str, str] = {
    **{name: "POST" for name in METHODS if name.partition("/")[0] in ("create", "update", "delete", "chat")},
    "channels": "GET",
}
# Verbs of the other methods, which only read.
READING = ("GET", "HEAD", "POST")
