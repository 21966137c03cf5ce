"""Updates of tickets, in runs of Dags and in single attempts."""

from __future__ import annotations

import pytest
import requests

from airflow_provider_usedesk.api.ticket import UPDATE_TICKET
from airflow_provider_usedesk.compat.sdk import AirflowFailException
from airflow_provider_usedesk.operators.ticket import UpdateTicketOperator
from tests.support.airflow import URL
from tests.support.operators import dag, pushed, run_attempt


def call(**arguments) -> str:
    return f"UpdateTicketOperator(**{ {'task_id': 'update', 'ticket_id': 77, **arguments}!r})"


def retried(**arguments) -> str:
    return dag(call(**arguments), "default_args={'retries': 1, 'retry_delay': 0.1}")


@pytest.fixture
def updates(usedesk):
    """The updates that were sent, without the token."""
    usedesk.post(f"{URL}/update/ticket", json={"status": "success"})

    def updates():
        sent = [one.json() for one in usedesk.request_history if one.url == f"{URL}/update/ticket"]
        return [{name: value for name, value in one.items() if name != "api_token"} for one in sent]

    return updates


def test_update_of_upstream_ticket(run_dag, updates):
    run = run_dag(
        dag("""
ticket = CreateTicketOperator(task_id="open", subject="s", message="m")

@task
def after(ticket_id):
    return ticket_id + 1

update = UpdateTicketOperator(task_id="update", ticket_id=ticket.output, status="solved", tag=["paid"])
after(update.output)
""")
    )
    assert run.state == "success"
    assert updates() == [{"ticket_id": 1001, "status": 2, "tag": "paid"}]
    assert pushed(run, "update") == {"return_value": 1001, "ticket_id": 1001}
    assert run.xcoms["after", -1] == {"return_value": 1002}


@pytest.mark.parametrize("native", [False, True])
def test_all_parameters_are_templated_and_sent(run_dag, updates, native):
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
    assert updates() == [
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
    rendered = run.rendered["update", -1]
    assert rendered["subject"] == rendered["lists"] == rendered["field_value"] == "***"
    assert rendered["status"] in (5, "5")


def test_template_fields_cover_the_method():
    assert set(UpdateTicketOperator.template_fields) == UPDATE_TICKET.arguments | {"usedesk_conn_id"}


@pytest.mark.parametrize("empty", [[], "[]"], ids=["list", "text"])
def test_empty_list_removes_nested_lists(updates, empty):
    run_attempt(UpdateTicketOperator, ticket_id=77, lists=empty)
    assert updates() == [{"ticket_id": 77, "lists": []}]


def test_mapped_over_tickets(run_dag, updates):
    body = "UpdateTicketOperator.partial(task_id='update', status=2).expand(ticket_id=[7, 8])"
    run = run_dag(dag(body))
    assert run.state == "success"
    assert sorted(update["ticket_id"] for update in updates()) == [7, 8]
    assert [run.xcoms["update", index]["return_value"] for index in (0, 1)] == [7, 8]


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("name", ["ticket_id", "status", "assignee_id", "subject", "lists", "silent"])
def test_empty_template_sends_no_update(updates, name, native):
    arguments = {"ticket_id": 77, "tag": "a", name: "{{ ti.xcom_pull('nobody') }}"}
    with pytest.raises(AirflowFailException, match=f"{name}: "):
        run_attempt(UpdateTicketOperator, native=native, **arguments)
    assert updates() == []


def test_empty_update_is_refused(updates):
    with pytest.raises(AirflowFailException, match="arguments: nothing would change"):
        run_attempt(UpdateTicketOperator, ticket_id=77, user_id=3, _airflow_from_mapped=True)
    assert updates() == []


LOST = {
    "timeout": {"exc": requests.ReadTimeout("no response")},
    "html": {"status_code": 502, "text": "<html>"},
    "empty": {"text": ""},
}
REFUSALS = {"token": {"code": 112, "error": "token"}, "ticket": {"code": 113, "error": "ticket"}}


@pytest.mark.parametrize("lost", LOST.values(), ids=LOST)
def test_lost_response_repeats_update(run_dag, usedesk, updates, lost):
    usedesk.post(f"{URL}/update/ticket", [lost, {"json": {"status": "success"}}])
    run = run_dag(retried(status=2))
    assert run.state == "success"
    assert updates() == [{"ticket_id": 77, "status": 2}] * 2
    assert len(usedesk.sent()) == 2


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
def test_refusal_is_not_retried(run_dag, usedesk, updates, refusal):
    usedesk.post(f"{URL}/update/ticket", json=refusal)
    run = run_dag(retried(status=2))
    assert run.states == {("update", -1): "failed"}
    assert len(updates()) == 1
