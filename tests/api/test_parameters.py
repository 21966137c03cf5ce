"""The types of the parameters agree with the checks of the methods."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import get_type_hints

import pytest

from airflow_provider_usedesk.api import agents, chat, client_card, comment, parameters, ticket
from airflow_provider_usedesk.api.client import UsedeskClient
from airflow_provider_usedesk.api.filters import FILTERS
from airflow_provider_usedesk.hooks.usedesk import UsedeskHook

ARGUMENTS = {
    parameters.CreateTicketParameters: ticket.CREATE_TICKET.arguments,
    parameters.UpdateTicketParameters: ticket.UPDATE_TICKET.arguments,
    parameters.CreateCommentParameters: comment.CREATE_COMMENT.arguments,
    parameters.CreateClientParameters: client_card.CREATE_CLIENT.arguments,
    parameters.UpdateClientParameters: client_card.UPDATE_CLIENT.arguments,
    parameters.AddChatMessageParameters: chat.ADD_CHAT_MESSAGE.arguments,
    parameters.SendChatMessageParameters: chat.SEND_CHAT_MESSAGE.arguments,
    parameters.ChangeChatAssigneeParameters: chat.CHANGE_CHAT_ASSIGNEE.arguments,
    parameters.CreateUserParameters: agents.CREATE_USER.arguments,
    parameters.UpdateUserParameters: agents.UPDATE_USER.arguments,
    parameters.DeleteUserParameters: agents.DELETE_USER.arguments,
    parameters.TicketFilters: FILTERS["tickets"],
    parameters.ClientFilters: FILTERS["clients"],
    parameters.UserFilters: FILTERS["users"],
}
GOOD = """
from airflow_provider_usedesk.hooks.usedesk import UsedeskHook
from airflow_provider_usedesk.api.client import UsedeskClient

def send(hook: UsedeskHook, client: UsedeskClient) -> None:
    hook.create_ticket(subject="s", message="m", priority="low", client_phone=79123456789, tag=["a"])
    hook.update_ticket(ticket_id="77", status="solved", custom_fields={10: True})
    client.create_client(name="Anna", emails=["anna@example.org"], messengers=[{"identity": "a"}])
    client.send_chat_message(chat_id=1, user_id=2, text="t")
    hook.ticket(77, properties=["sla"])
    for row in hook.tickets(fstatus=[1, 8], tag="overdue"):
        print(row.id)
"""
BAD = {
    "priorty": 'hook.create_ticket(subject="s", message="m", priorty="low")',
    "subject": 'hook.create_ticket(subject=["s"], message="m")',
    "ticket_id": 'hook.update_ticket(status="solved")',
    "text": "client.send_chat_message(chat_id=1, user_id=2)",
    "emails": "client.create_client(emails=5)",
    "fstats": "list(hook.tickets(fstats=[1]))",
}


@pytest.mark.parametrize("types", ARGUMENTS, ids=lambda types: types.__name__)
def test_types_have_all_arguments(types):
    assert set(get_type_hints(types)) == ARGUMENTS[types]


def test_all_types_are_compared():
    declared = {
        value
        for value in vars(parameters).values()
        if hasattr(value, "__total__") and value.__name__[0] != "_"
    }
    assert declared - set(ARGUMENTS) == set()


def test_hook_has_the_methods_of_the_client():
    renamed = {"client": "client_details"}
    internal = {
        "send",
        "send_checked",
        "checked",
        "checked_client",
        "ticket_pages",
        "connect",
        "close",
        "with_before_send",
    }
    for name, method in inspect.getmembers(UsedeskClient, inspect.isfunction):
        if name.startswith("_") or name in internal:
            continue
        of_hook = getattr(UsedeskHook, renamed.get(name, name))
        assert inspect.signature(of_hook) == inspect.signature(method), name


@pytest.mark.slow
def test_type_checker_knows_the_parameters(tmp_path):
    pytest.importorskip("mypy")
    lines = [f"    {line}  # {name}" for name, line in BAD.items()]
    path = tmp_path / "snippet.py"
    path.write_text(
        f"{GOOD}\n\ndef fail(hook: UsedeskHook, client: UsedeskClient) -> None:\n" + "\n".join(lines)
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache")]
    # Only our own types are needed, and following Airflow takes minutes.
    options = ["--follow-imports=silent", "--no-error-summary", "--hide-error-context"]
    found = subprocess.run(
        [*command, *options, str(path)], capture_output=True, text=True, check=False
    ).stdout
    numbers = {int(line.split(":")[1]) for line in found.splitlines() if "snippet.py:" in line}
    written = path.read_text().splitlines()
    assert {written[number - 1].rpartition("# ")[2] for number in numbers} == set(BAD), found
