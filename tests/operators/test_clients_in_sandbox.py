"""The operators of clients and chats, and the methods of the hook, against the local Usedesk."""

from __future__ import annotations

import pytest

from airflow_provider_usedesk.api.errors import UsedeskRejected
from airflow_provider_usedesk.hooks.usedesk import UsedeskHook
from airflow_provider_usedesk.operators.chat import SendChatMessageOperator
from airflow_provider_usedesk.operators.client import CreateClientOperator
from tests.support.operators import run_attempt

ANNA = {"name": "Anna Smith", "emails": ["anna.smith@example.org"], "phone": "79123456789"}


@pytest.fixture
def hook(usedesk_sandbox):
    return UsedeskHook()


def test_client_is_created_changed_and_read(hook):
    number = hook.create_client(
        **ANNA,
        messengers=[{"identity": "anna", "type": "telegram"}],
        sites=[{"url": "https://a.example.org"}],
    ).client_id
    found = hook.client_details(number)
    assert (found.name, found.emails, found.phones) == ("Anna Smith", (*ANNA["emails"],), ("79123456789",))
    [messenger], [site] = found.messengers, found.sites
    hook.update_client(
        client_id=number,
        note="Prefers e-mail",
        emails="second@example.org",
        messengers=[{"id": messenger.id, "identity": "", "type": "telegram"}],
        sites=[{"id": site.id, "url": "https://b.example.org"}],
    )
    found = hook.client_details(number)
    assert found.emails == (*ANNA["emails"], "second@example.org")
    assert (found.note, found.messengers) == ("Prefers e-mail", ())
    assert [one.url for one in found.sites] == ["https://b.example.org"]


def test_client_with_avatar(hook):
    number = hook.create_client(name="Anna", avatar=("anna.png", b"\x89PNG"), status_vip=True).client_id
    found = hook.client_details(number)
    assert found.is_vip
    assert found.avatar


@pytest.mark.parametrize("by", ["email", "phone"])
def test_existing_client_is_found(hook, by):
    first = run_attempt(CreateClientOperator, **ANNA, find_existing=by)
    assert run_attempt(CreateClientOperator, **ANNA, find_existing=by) == first
    assert run_attempt(CreateClientOperator, **ANNA) != first


def test_agent_is_created_changed_and_deleted(hook):
    group = hook.groups()[0].id
    number = hook.create_user(name="Olga", email="olga@example.org", password="invented", group=group).user_id
    hook.update_user(user_id=number, role="support")
    [found] = hook.users(user_id=number)
    assert (found.name, found.role, found.group_ids) == ("Olga", "support", (group,))
    hook.delete_user(user_id=number)
    assert number not in [user.id for user in hook.users(user_type="support")]


def test_chat_of_client_and_agent(hook):
    company = hook.groups()[0].company_id
    started = hook.add_chat_message(company_id=company, channel_id=860, text="Hello", client_name="Anna")
    answered = hook.add_chat_message(company_id=company, channel_id=860, text="?", chat_id=started.chat_id)
    assert (answered.chat_id, answered.client_id) == (started.chat_id, started.client_id)
    run_attempt(
        SendChatMessageOperator,
        chat_id=started.chat_id,
        user_id=2156,
        text="It has arrived",
        ticket_id=answered.ticket_id,
    )
    assert hook.change_chat_assignee(chat_id=started.chat_id, user_id=2156).user_id == 2156
    ticket = hook.ticket(answered.ticket_id)
    assert ticket.assignee_id == 2156
    assert [comment.message for comment in ticket.comments] == ["Hello", "?", "It has arrived"]
    assert [comment.author for comment in ticket.comments] == ["client", "client", "user"]


def test_message_to_another_channel_is_refused(hook):
    company = hook.groups()[0].company_id
    with pytest.raises(UsedeskRejected):
        hook.add_chat_message(company_id=company, channel_id=683, text="Hello")
