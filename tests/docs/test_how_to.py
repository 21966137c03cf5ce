"""The how-to guides: the Dag at the top of each does what the page says."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_usedesk.compat.version import AIRFLOW, HAS_STATE_STORES
from tests.conftest import AIRFLOW_HOME
from tests.support.zones import zone_at_noon

PAGES = Path(__file__).parents[2] / "docs" / "how-to"
OVERDUE = """
from datetime import timedelta

from airflow.sdk import dag

from airflow_provider_usedesk.operators.ticket import CreateTicketOperator


@dag(schedule=None, params={"number": "2026-117"})
def overdue_invoices():
    CreateTicketOperator(
        task_id="open_ticket",
        subject="Invoice {{ params.number }} is overdue",
        message="Please call the client.",
        tag=["invoice", "overdue"],
        retries=1,
        retry_delay=timedelta(0),
    )


overdue_invoices()
"""

pytestmark = pytest.mark.skipif(AIRFLOW < (3, 0), reason="the pages import from airflow.sdk")
needs_state_store = pytest.mark.skipif(
    not HAS_STATE_STORES, reason="without checkpoint_path a batch needs Airflow 3.3"
)


def blocks(page: str, language: str = "python") -> list[str]:
    text = (PAGES / f"{page}.md").read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", sorted(path.stem for path in PAGES.glob("*.md")))
def test_code_begins_within_ten_lines(page):
    lines = (PAGES / f"{page}.md").read_text("utf-8").splitlines()
    assert any(line.startswith("```") for line in lines[:10])


@needs_state_store
def test_reminders_are_sent(run_dag, usedesk_sandbox):
    run = run_dag(blocks("remind-clients")[0])
    assert run.state == "success"
    [ticket] = usedesk_sandbox.tickets
    assert ticket.template_variables == ("Anna", "18:00", "London")
    assert ticket.message_status == "delivered"


@pytest.mark.skipif(not HAS_STATE_STORES, reason="tried with the dag.test() of Airflow 3.3 only")
def test_one_ticket_while_a_dag_fails(run_dag, usedesk_sandbox):
    [failing] = blocks("one-ticket-while-failing")
    for _ in range(2):
        assert run_dag(failing).state == "failed"
    [ticket] = usedesk_sandbox.tickets
    assert ticket.tags == ("data", "airflow/sales")
    assert ticket.priority == "urgent"
    assert "The shop sent no orders." in ticket.message
    run = run_dag(failing.replace('raise ValueError("The shop sent no orders.")', "return 120"))
    assert run.state == "success"
    assert usedesk_sandbox.ticket(ticket.ticket_id).status == 2


def test_dag_for_each_ticket(airflow_db, tmp_path):
    dag = load(tmp_path / "refund.py", blocks("dag-for-each-ticket")[0])
    payloads = [{"ticket_id": number} for number in (1, 2)]
    events = {"refunds": [SimpleNamespace(extra={"payload": payload}) for payload in payloads]}
    assert dag.get_task("ticket_ids").python_callable(triggering_asset_events=events) == [1, 2]
    assert dag.get_task("answer").is_mapped


@needs_state_store
def test_mailing_is_rehearsed_and_sent(run_dag, usedesk_sandbox, tmp_path):
    (tmp_path / "clients.csv").write_text(blocks("ten-thousand-messages", "text")[0])
    source = blocks("ten-thousand-messages")[0]
    dag = source.replace("/data/offer", str(tmp_path)).replace("Europe/Moscow", zone_at_noon())
    rehearsal = run_dag(dag)
    assert rehearsal.xcoms["send", -1]["summary"]["left"] == 2
    assert usedesk_sandbox.tickets == ()
    run = run_dag(dag, {"dry_run": False})
    assert run.xcoms["send", -1]["summary"]["sent"] == 2
    assert len(list(tmp_path.glob("manual*.csv"))) == 2
    assert {ticket.template_variables[1] for ticket in usedesk_sandbox.tickets} == {"20%", "15%"}


@pytest.mark.parametrize("number", [0, 1])
def test_tests_of_a_dag_pass(number, airflow_db, short_dag_loop, usedesk_sandbox):
    file = AIRFLOW_HOME / "dags" / "overdue.py"
    file.write_text(OVERDUE)
    names: dict[str, Any] = {}
    exec(blocks("test-dags")[number], names)
    [test] = [value for name, value in names.items() if name.startswith("test_")]
    try:
        test(usedesk_sandbox)
    finally:
        file.unlink()


@needs_state_store
@pytest.mark.parametrize(("phone", "outcome"), [("+7 912 345-67-89", "skipped"), ("unknown", "success")])
def test_failed_batch_is_reported(phone, outcome, run_dag, usedesk_sandbox, tmp_path):
    (tmp_path / "visits.csv").write_text(f"visit,client_phone,name,time\n501,{phone},Anna,18:00\n")
    source = blocks("recipes")[0]
    run = run_dag(source.replace("/data/visits.csv", str(tmp_path / "visits.csv")))
    assert run.state == "success"
    assert {run.states[task, -1] for task in ("report", "tell_on_duty")} == {outcome}
    if outcome == "success":
        report, told = usedesk_sandbox.tickets
        assert report.message == "1 bad"
        assert told.template_variables == (str(report.ticket_id),)


def load(path: Path, source: str) -> Any:
    from airflow.models import DagBag

    path.write_text(source)
    bag = DagBag(path)
    assert bag.import_errors == {}
    [dag] = bag.dags.values()
    return dag
