"""Every example Dag runs, against the local Usedesk."""

from __future__ import annotations

from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[2] / "example_dags").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example(path, run_dag, usedesk_sandbox):
    run = run_dag(path)
    assert run.state == "success"
    assert set(run.states.values()) == {"success"}
    pushed = {xcoms["ticket_id"] for xcoms in run.xcoms.values() if "ticket_id" in xcoms}
    assert pushed == {ticket.ticket_id for ticket in usedesk_sandbox.tickets}
    assert usedesk_sandbox.requests("create/ticket") == len(pushed) == usedesk_sandbox.requests()


def test_open_ticket_hands_its_values_on(run_dag, usedesk_sandbox):
    run = run_dag(EXAMPLES[[path.stem for path in EXAMPLES].index("usedesk_open_ticket")])
    ticket, template = usedesk_sandbox.tickets
    assert ticket.subject == "Invoice 2026-117 is overdue"
    assert ticket.tags == ("invoice", "overdue")
    assert template.template_variables == ("John", "2026-117", "120.00")
    assert template.message_status == "delivered"
    assert ticket.client_id == template.client_id
    noted = {"ticket": ticket.ticket_id, "message": template.ticket_id}
    assert run.xcoms["note_tickets", -1]["return_value"] == noted


def test_file_arrives(run_dag, usedesk_sandbox):
    run_dag(EXAMPLES[[path.stem for path in EXAMPLES].index("usedesk_ticket_with_file")])
    [ticket] = usedesk_sandbox.tickets
    assert [(file.name, file.content[:6]) for file in ticket.files] == [
        ("weekly.csv", b"check,"),
        ("about.txt", b"Writte"),
    ]
    assert ticket.comments[0].is_private
