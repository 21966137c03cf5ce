"""Results of the hook as results of tasks: plain values, or refused by the task that returns them."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import pytest

from airflow_provider_usedesk.api.responses import CreatedTicket
from tests.support.airflow import TOKEN, URL
from tests.support.version import PUSHES_NONE

PHONE = "79123456789"
RESPONSES = {
    "create/comment": {"status": "success", "comment_id": 7},
    "create/client": {"status": True, "client_id": 2},
    "chat/sendMessage": {"status": "success", "chat_id": 1},
    "channels": [{"channel_id": 683, "channel_name": "Shop", "channel_type": "whatsapp"}],
    "groups": [{"id": 5, "name": "Support", "users": [1, 2]}],
    "tags": [{"ticket_tag_id": 3, "name": "overdue", "ticket_count": 2}],
    "ticket/fields": [
        {
            "custom_field": {"id": 10, "name": "Plan", "ticket_field_type_id": 2},
            "field_options": [{"id": 1, "value": "Gold"}],
        }
    ],
    "ticket": {"ticket": {"id": 77, "subject": PHONE}, "comments": [{"id": 1, "message": PHONE}]},
    "tickets": [{"id": 77, "subject": PHONE}],
    "users": [{"id": 1, "name": "Ivan", "phone": PHONE}],
    "clients": [{"id": 2, "name": "Anna", "phone": PHONE}],
    "client": [{"client": {"id": 2, "name": "Anna"}, "phones": [PHONE]}],
}
DAG = """
import json

from airflow_provider_usedesk.hooks.usedesk import UsedeskHook
from tests.support.dags import DAG, task

with DAG("{dag_id}", schedule=None):

    @task
    def give():
        hook = UsedeskHook()
        return {expression}

    @task
    def take(given):
        # Airflow 2.11 turns a tuple inside a value into a list.
        assert json.dumps(given) == json.dumps({seen!r}), given

    take(give())
"""
FIELD = {
    "id": 10,
    "name": "Plan",
    "type": "list",
    "required": False,
    "options": [{"id": 1, "value": "Gold", "parent_id": None, "parent_ids": []}],
    "company_id": None,
    "value": None,
    "adds_tag": False,
    "is_filter": False,
    "order": None,
    "is_active": True,
    "is_hidden": False,
    "is_api_only": False,
    "is_deleted": False,
}
GROUP = {
    "id": 5,
    "name": "Support",
    "user_ids": [1, 2],
    "company_id": None,
    "is_deleted": False,
    "deleted_at": None,
    "has_own_hours": False,
    "timezone": None,
}
TICKET = "hook.create_ticket(subject='s', message='m')"
TICKET_ITEMS = {"ticket_id": 1001, "message_status": "delivered", "chat_id": None, "comment_id": None}


@pytest.fixture
def run(usedesk, run_dag, request):
    for method, response in RESPONSES.items():
        usedesk.post(f"{URL}/{method}", json=response)

    def run_expression(expression, seen=None):
        dag_id = f"results_{abs(hash(request.node.name))}"
        return run_dag(DAG.format(dag_id=dag_id, expression=expression, seen=seen))

    return run_expression


@pytest.mark.parametrize(
    ("expression", "seen"),
    [
        (TICKET, TICKET_ITEMS),
        (f"[{TICKET}]", [TICKET_ITEMS]),
        ("hook.create_comment(ticket_id=1, type='public', message='m')", {"comment_id": 7}),
        ("hook.update_ticket(ticket_id=1, subject='s')", None),
        ("hook.create_client(name='Anna')", {"client_id": 2}),
        ("hook.send_chat_message(chat_id=1, user_id=2, text='t')", {"chat_id": 1, "ticket_id": None}),
        ("hook.channels()", [{"id": 683, "name": "Shop", "type": "whatsapp"}]),
        ("hook.groups()", [GROUP]),
        ("list(hook.tags())", [{"id": 3, "name": "overdue", "ticket_count": 2, "company_id": None}]),
        ("hook.ticket_fields()", [FIELD]),
        ("hook.delivery_settings().key_prefix", "airflow"),
    ],
)
def test_plain_result_reaches_the_next_task(usedesk, run, expression, seen):
    usedesk.post(f"{URL}/update/ticket", json={"status": "success"})
    result = run(expression, seen)
    assert set(result.states.values()) == {"success"}


@pytest.mark.skipif(not PUSHES_NONE, reason="a result has items that are None")
def test_items_of_a_result_reach_the_next_task(run_dag, usedesk):
    run = run_dag(
        """
from airflow_provider_usedesk.api.responses import CreatedTicket
from airflow_provider_usedesk.hooks.usedesk import UsedeskHook
from tests.support.dags import DAG, task

with DAG("items_of_a_result", schedule=None):

    @task
    def give() -> CreatedTicket:
        created = UsedeskHook().create_ticket(subject="s", message="m")
        assert created.ticket_id == created["ticket_id"]
        return created

    @task
    def take(ticket_id):
        return ticket_id + 1

    take(give()["ticket_id"])
"""
    )
    assert run.xcoms["take", -1] == {"return_value": 1002}


def test_plain_result_keeps_its_class_in_a_copy():
    created = CreatedTicket(77, message_status="delivered")
    for duplicate in (copy.deepcopy(created), pickle.loads(pickle.dumps(created)), replace(created)):
        assert (duplicate, dict(duplicate)) == (created, {**TICKET_ITEMS, "ticket_id": 77})
        assert duplicate.ticket_id == 77
    assert hash(created) == hash(CreatedTicket(77, message_status="delivered"))


@pytest.mark.parametrize(
    "expression",
    [
        "hook.ticket(77)",
        "hook.ticket(77).comments",
        "list(hook.tickets())",
        "{'first': hook.users()[0]}",
        "list(hook.clients())",
        "hook.client_details(2)",
        "hook.settings()",
    ],
)
def test_private_result_fails_the_task_that_returns_it(run, left_behind, expression):
    result = run(expression)
    assert result.states["give", -1] == "failed"
    assert result.xcoms == {}
    # The console of Airflow 3.0 breaks the text into lines.
    assert "it cannot be the result of a task" in " ".join(result.printed.split())
    for secret in (PHONE, TOKEN):
        assert secret not in result.printed
