"""The page of XCom keys: what it says of each task is what the task pushes."""

from __future__ import annotations

import re

import pytest

from airflow_provider_usedesk.batch.progress import ProgressReporter
from airflow_provider_usedesk.hooks.usedesk import UsedeskHook
from airflow_provider_usedesk.sandbox import answer
from tests.docs.tables import DOCS, rows, words
from tests.support.delivery import MESSAGE, ticket_with
from tests.support.operators import dag, pushed

PAGE = "reference/xcom-keys.md"
TYPES = {"int": int, "text": str, "dict": dict}

TICKETS = """
@task.usedesk_ticket
def decorated():
    return {"subject": "Hello", "message": "Hi"}

person = {"channel_id": 123, "client_phone": "79511234567"}
text = {"subject": "Hello", "message": "Hi"}
tasks = [
    decorated(),
    CreateTicketOperator(task_id="CreateTicketOperator", **text),
    SendWhatsAppTemplateOperator(task_id="SendWhatsAppTemplateOperator", template_id=8094, **person),
    SendWhatsAppMessageOperator(task_id="SendWhatsAppMessageOperator", user_id=2156, **text, **person),
    SendViberMessageOperator(task_id="SendViberMessageOperator", **text, **person),
    SendTelegramMessageOperator(task_id="SendTelegramMessageOperator", **text, **person),
]
"""
"""The tasks that create a ticket."""

OTHERS = """
from airflow_provider_usedesk.operators.chat import SendChatMessageOperator
from airflow_provider_usedesk.operators.check import CheckDeliveryContractOperator
from airflow_provider_usedesk.operators.client import CreateClientOperator, UpdateClientOperator
from airflow_provider_usedesk.sensors.message import MessageDeliverySensor
from airflow_provider_usedesk.sensors.ticket import TicketStatusSensor

rows = [{{"n": "1", "client_phone": "79511234567"}}]
batch = {{"recipients": rows, "row_key": "n", "checkpoint_path": "{folder}"}}
UpdateTicketOperator(task_id="UpdateTicketOperator", ticket_id={chat_ticket}, priority="urgent")
CreateCommentOperator(
    task_id="CreateCommentOperator", ticket_id={chat_ticket}, type="private", message="Hi"
)
SendChatMessageOperator(
    task_id="SendChatMessageOperator", chat_id={chat}, ticket_id={chat_ticket}, user_id=2156, text="Hi"
)
CreateClientOperator(task_id="CreateClientOperator", name="John")
UpdateClientOperator(task_id="UpdateClientOperator", client_id={client}, note="Hi")
SendWhatsAppTemplateBatchOperator(
    task_id="SendWhatsAppTemplateBatchOperator", channel_id=123, template_id=8094, **batch
)
CreateTicketBatchOperator(task_id="CreateTicketBatchOperator", subject="Hello", message="Hi", **batch)
TicketStatusSensor(task_id="TicketStatusSensor", ticket_id={ticket}, target_statuses=["new"])
MessageDeliverySensor(task_id="MessageDeliverySensor", ticket_id={ticket})
CheckDeliveryContractOperator(task_id="CheckDeliveryContractOperator")
"""
"""The tasks that need a ticket, a chat or a client, and those that send on their own."""

NOT_DELIVERED = """
from airflow_provider_usedesk.sensors.message import MessageDeliverySensor

CreateCommentOperator(
    task_id="CreateCommentOperator", ticket_id={ticket}, type="public", message="Hi", wait_for_delivery=True
)
MessageDeliverySensor(task_id="MessageDeliverySensor", ticket_id={ticket})
"""
"""The tasks that learn of a failure only while they wait."""


def xcom_keys() -> list[tuple[str, str]]:
    return [(words(key)[0], kind) for key, kind, *_ in rows(PAGE, "Keys")]


@pytest.fixture
def usedesk_sandbox_options():
    # So that the self-check finds a problem, and pushes its report.
    return {"additional_id": lambda text: None}


@pytest.fixture
def xcoms(run_dag, usedesk_sandbox, monkeypatch, tmp_path):
    """What each task of this package pushes at most."""
    start = ProgressReporter.__init__
    monkeypatch.setattr(
        ProgressReporter, "__init__", lambda self, state, io, seconds, clock: start(self, state, io, 0, clock)
    )
    hook = UsedeskHook()
    person = {"subject": "Hello", "message": "Hi", "client_phone": "79511234567"}
    sent = hook.create_ticket(channel_id=123, from_="user", user_id=2156, **person)
    viber = hook.create_ticket(channel_id=20060, **person)
    others = OTHERS.format(
        ticket=sent.ticket_id,
        chat=viber.chat_id,
        chat_ticket=viber.ticket_id,
        client=usedesk_sandbox.ticket(sent.ticket_id).client_id,
        folder=tmp_path,
    )
    runs = [run_dag(dag(others, dag_id="others"))]
    complete = {"ticket_id": 1, "message_status": "delivered", "chat_id": 2, "comment_id": 3}
    usedesk_sandbox.fail(answer(200, {"status": "success", **complete}), times=6, method="create/ticket")
    runs.append(run_dag(dag(TICKETS, dag_id="tickets")))
    failed = ticket_with({}, {"id": 502, "from": "trigger", "type": "error"})
    comment = {"status": "success", "comment_id": MESSAGE}
    usedesk_sandbox.fail(answer(200, comment), times=1, method="create/comment")
    usedesk_sandbox.fail(answer(200, failed), times=2, method="ticket")
    runs.append(run_dag(dag(NOT_DELIVERED.format(ticket=sent.ticket_id), dag_id="not_delivered")))
    pushes = {}
    for run in runs:
        for task, _ in run.states:
            name = {"decorated": "@task.usedesk_ticket"}.get(task, task)
            pushes[name] = {**pushes.get(name, {}), **pushed(run, task)}
    # This self-check has failed; without a problem it returns its report.
    pushes["CheckDeliveryContractOperator"]["return_value"] = {}
    return pushes


def test_page_names_what_each_task_pushes(xcoms):
    documented = {
        task: {*words(others), *([] if returned == "none" else ["return_value"])}
        for tasks, returned, others in rows(PAGE, "Tasks")
        for task in words(tasks)
    }
    assert {task: set(keys) for task, keys in xcoms.items()} == documented
    types = {key: {type(task[key]) for task in xcoms.values() if key in task} for key, *_ in xcom_keys()}
    assert types == {key: {TYPES[kind]} for key, kind in xcom_keys()}


def test_page_names_each_operator_and_sensor():
    reference = "".join(page.read_text("utf-8") for page in (DOCS / "reference").glob("*.md"))
    shown = re.findall(r"^\.\. autoclass:: [\w.]+\.(\w+(?:Operator|Sensor))$", reference, re.MULTILINE)
    documented = {task for tasks, *_ in rows(PAGE, "Tasks") for task in words(tasks)}
    assert documented == {*shown, "@task.usedesk_ticket"}
