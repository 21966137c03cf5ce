"""The operator that checks the delivery contract."""

from __future__ import annotations

import pytest

from airflow_provider_usedesk.compat.sdk import AirflowFailException
from airflow_provider_usedesk.operators.check import CheckDeliveryContractOperator
from airflow_provider_usedesk.sandbox import Sandbox
from tests.support.delivery import set_extra
from tests.support.operators import attempt_context


@pytest.fixture
def run(monkeypatch):
    """Run the operator against a sandbox; return what it returns and what it pushed."""

    def run(extra=None, **options):
        context = attempt_context()
        with Sandbox(listing_lag=0, **options) as usedesk:
            monkeypatch.setenv("AIRFLOW_CONN_USEDESK_DEFAULT", usedesk.connection_json)
            set_extra(monkeypatch, max_wait=0, **(extra or {}))
            try:
                returned = CheckDeliveryContractOperator(task_id="check").execute(context)
            except AirflowFailException as error:
                returned = error
            [ticket] = usedesk.tickets
        return returned, context["ti"].pushed, ticket.ticket_id

    return run


def test_report_is_returned(run):
    report, pushed, ticket_id = run({"key_field_id": 10})
    assert report["ok"]
    assert report["ticket_id"] == pushed["ticket_id"] == ticket_id
    assert report["findings"][-1].startswith("The control of the filter works")
    assert "report" not in pushed


def test_problem_fails_with_report(run):
    error, pushed, ticket_id = run(additional_id=lambda text: None)
    assert "Usedesk does not show the additional_id" in str(error)
    assert pushed["ticket_id"] == ticket_id
    assert not pushed["report"]["ok"]
    assert " ".join(pushed["report"]["problems"]) in str(error)


def test_connection_is_templated():
    assert set(CheckDeliveryContractOperator.template_fields) == {"usedesk_conn_id"}
