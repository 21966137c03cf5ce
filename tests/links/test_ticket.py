"""The link from a task to its ticket."""

from __future__ import annotations

import json
from importlib.util import find_spec

import pytest

from airflow_provider_usedesk.links.ticket import UsedeskTicketLink
from airflow_provider_usedesk.operators.ticket import CreateTicketOperator
from airflow_provider_usedesk.sensors.ticket import TicketStatusSensor
from tests.support.airflow import TOKEN, URL

HAS_TASK_SDK = find_spec("airflow.sdk") is not None

DAG = """
from datetime import datetime

from tests.support.dags import DAG

from airflow_provider_usedesk.operators.ticket import CreateTicketOperator

with DAG("linked", start_date=datetime(2026, 1, 1), schedule=None) as dag:
    CreateTicketOperator(task_id="open", subject="s", message="m")
    CreateTicketOperator.partial(task_id="mapped", subject="s").expand(message=["a", "b"])
"""


@pytest.fixture
def run(run_dag, usedesk, monkeypatch):
    def run(**extra):
        connection = {"conn_type": "usedesk", "host": URL, "password": TOKEN, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_USEDESK_DEFAULT", json.dumps(connection))
        return run_dag(DAG)

    return run


def link_of(run, task, map_index=-1):
    """Read the address that the UI of this Airflow shows for a task."""
    if HAS_TASK_SDK:
        return run.xcoms[task, map_index]["_link_UsedeskTicketLink"]
    from airflow.models.taskinstancekey import TaskInstanceKey

    key = TaskInstanceKey(run.dag_id, task, run.run_id, 1, map_index)
    return UsedeskTicketLink().get_link(None, ti_key=key)


def test_tasks_and_mapped_tasks_have_link(run):
    done = run(web_url="https://help.example/agents/")
    assert done.state == "success"
    for task, index in (("open", -1), ("mapped", 0), ("mapped", 1)):
        ticket_id = done.xcoms[task, index]["ticket_id"]
        assert done.xcoms[task, index]["ticket_url"] == f"https://help.example/agents/tickets/{ticket_id}"
        assert link_of(done, task, index) == f"https://help.example/agents/tickets/{ticket_id}"


@pytest.mark.parametrize(
    ("owner", "arguments"),
    [(CreateTicketOperator, {"subject": "s", "message": "m"}), (TicketStatusSensor, {"ticket_id": 7})],
)
def test_class_and_its_tasks_name_the_link(owner, arguments):
    [link] = owner.operator_extra_links
    assert isinstance(link, UsedeskTicketLink)
    task = owner(task_id="a", **arguments)
    assert list(task.operator_extra_links) == [link]


def test_unknown_address_gives_no_link(run):
    done = run()
    assert "ticket_url" not in done.xcoms["open", -1]
    assert link_of(done, "open") == ""


def test_failed_attempt_logs_no_missing_xcom(run, usedesk):
    usedesk.post(f"{URL}/create/ticket", json={"error": "No."}, status_code=400)
    done = run(web_url="https://help.example/agents/")
    assert done.state == "failed"
    assert link_of(done, "open") == ""
    assert "XCom not found" not in done.printed
