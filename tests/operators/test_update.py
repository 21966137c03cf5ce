"""Changes of tickets from Dags that really run."""

from __future__ import annotations

import pytest
import requests

from airflow_provider_usedesk.api.ticket import UPDATE_TICKET
from airflow_provider_usedesk.operators.ticket import UpdateTicketOperator
from tests.support.airflow import URL
from tests.support.operators import dag, pushed


def call(**arguments) -> str:
    return f"UpdateTicketOperator(**{ {'task_id': 'change', 'ticket_id': 77, **arguments}!r})"


def retried(**arguments) -> str:
    return dag(call(**arguments), "default_args={'retries': 1, 'retry_delay': 0.1}")


@pytest.fixture
def changes(usedesk):
    usedesk.post(f"{URL}/update/ticket", json={"status": "success"})

    def changes():
        made = [one.json() for one in usedesk.request_history if one.url == f"{URL}/update/ticket"]
        return [{name: value for name, value in one.items() if name != "api_token"} for one in made]

    return changes


def test_changes_the_ticket_of_an_upstream_task(run_dag, changes):
    run = run_dag(
        dag("""
ticket = CreateTicketOperator(task_id="open", subject="s", message="m")

@task
def after(ticket_id):
    return ticket_id + 1

change = UpdateTicketOperator(task_id="change", ticket_id=ticket.output, status="solved", tag=["paid"])
after(change.output)
""")
    )
    assert run.state == "success"
    assert changes() == [{"ticket_id": 1001, "status": 2, "tag": "paid"}]
    assert pushed(run, "change") == {"return_value": 1001, "ticket_id": 1001}
    assert run.xcoms["after", -1] == {"return_value": 1002}


@pytest.mark.parametrize("native", [False, True])
def test_every_parameter_is_templated_and_sent(run_dag, changes, native):
    given = {
        "ticket_id": "{{ 77 }}",
        "subject": "{{ 'New' }} subject",
        "client_id": "{{ 1 }}",
        "group_id": "{{ 2 }}",
        "assignee_id": "{{ 'null' }}",
        "user_id": "{{ 3 }}",
        "tag": "{{ 'a' }}",
        "priority": "{{ 'low' }}",
        "status": "{{ 5 }}",
        "silent": "{{ True }}",
        "type": "{{ 'task' }}",
        "field_id": "{{ 10 }}",
        "field_value": "{{ 'x' }}",
        "lists": [[{"id": "{{ 61 }}", "value": "{{ 'y' }}"}]],
        "usedesk_conn_id": "usedesk_{{ 'default' }}",
    }
    run = run_dag(dag(call(**given), f"render_template_as_native_obj={native}"))
    assert run.state == "success"
    assert changes() == [
        {
            "ticket_id": 77,
            "subject": "New subject",
            "client_id": 1,
            "group_id": 2,
            "assignee_id": "null",
            "user_id": 3,
            "tag": "a",
            "priority": "low",
            "status": 5,
            "silent": True,
            "type": "task",
            "field_id": "10",
            "field_value": "x",
            "lists": [[{"id": "61", "value": "y"}]],
        }
    ]
    rendered = run.rendered["change", -1]
    assert rendered["subject"] == rendered["lists"] == rendered["field_value"] == "***"
    assert rendered["status"] in (5, "5")


def test_the_operator_knows_every_parameter_of_the_method():
    assert set(UpdateTicketOperator.template_fields) == UPDATE_TICKET.arguments | {"usedesk_conn_id"}


@pytest.mark.parametrize("empty", [[], "[]"])
def test_an_empty_list_takes_nested_lists_away(run_dag, changes, empty):
    assert run_dag(dag(call(lists=empty))).state == "success"
    assert changes() == [{"ticket_id": 77, "lists": []}]


def test_mapped(run_dag, changes):
    body = "UpdateTicketOperator.partial(task_id='change', status=2).expand(ticket_id=[7, 8])"
    run = run_dag(dag(body))
    assert run.state == "success"
    assert sorted(change["ticket_id"] for change in changes()) == [7, 8]
    assert [run.xcoms["change", index]["return_value"] for index in (0, 1)] == [7, 8]


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("name", ["ticket_id", "status", "assignee_id", "subject", "lists", "silent"])
def test_a_template_that_finds_nothing_changes_nothing(run_dag, changes, name, native):
    body = call(**{"tag": "a", name: "{{ ti.xcom_pull('nobody') }}"})
    run = run_dag(dag(body, f"render_template_as_native_obj={native}"))
    assert run.state == "failed"
    assert changes() == []
    assert f"{name}: " in run.printed


def test_empty_change_is_refused(run_dag, changes):
    run = run_dag(dag(call(user_id=3)))
    assert run.state == "failed"
    assert changes() == []
    assert "arguments: nothing would change" in run.printed


@pytest.mark.parametrize(
    "lost", [{"exc": requests.ReadTimeout("no answer")}, {"status_code": 502, "text": "<html>"}, {"text": ""}]
)
def test_a_retry_makes_the_change_again_when_the_answer_was_lost(run_dag, usedesk, changes, lost):
    usedesk.post(f"{URL}/update/ticket", [lost, {"json": {"status": "success"}}])
    run = run_dag(retried(status=2))
    assert run.state == "success"
    assert changes() == [{"ticket_id": 77, "status": 2}] * 2
    assert len(usedesk.sent()) == 2


@pytest.mark.parametrize("answer", [{"code": 112, "error": "token"}, {"code": 113, "error": "ticket"}])
def test_no_retry_is_wasted_on_what_it_cannot_mend(run_dag, usedesk, changes, answer):
    usedesk.post(f"{URL}/update/ticket", json=answer)
    run = run_dag(retried(status=2))
    assert run.states == {("change", -1): "failed"}
    assert len(changes()) == 1
