"""The commands of ``airflow usedesk``."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from airflow_provider_usedesk.cli.commands import check, usedesk_commands
from airflow_provider_usedesk.sandbox import Sandbox
from tests.support.delivery import set_extra


@pytest.fixture
def run(monkeypatch, capsys):
    """Run ``check`` against a sandbox; return its exit code, its lines and the sandbox's tickets."""

    def run(token="sandbox-token", conn_id="usedesk_default", **options):
        # The command sets it for its whole process.
        monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "")
        with Sandbox(listing_lag=0, **options) as usedesk:
            monkeypatch.setenv("AIRFLOW_CONN_USEDESK_DEFAULT", usedesk.connection_json)
            set_extra(monkeypatch, max_wait=0, key_field_id=10)
            code = 0
            try:
                check(SimpleNamespace(conn_id=conn_id))
            except SystemExit as stop:
                code = stop.code
            return code, capsys.readouterr().out.splitlines(), usedesk.tickets

    return run


def test_findings_are_printed(run):
    code, lines, [ticket] = run()
    assert code == 0
    assert "ok      Usedesk shows additional_id unchanged." in lines
    assert f"Ticket {ticket.ticket_id} can be deleted." in lines
    assert not [line for line in lines if line.startswith("problem")]


def test_problem_exits_with_one(run):
    code, lines, _ = run(additional_id=lambda text: None)
    assert code == 1
    assert "problem Usedesk does not show the additional_id of the new ticket." in lines


def test_connection_of_the_database_is_used(run, airflow_db, monkeypatch):
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    with create_session() as session:
        session.add(Connection(conn_id="usedesk_stored", conn_type="usedesk", host="http://127.0.0.1:9/uapi"))
    code, _, tickets = run(conn_id="usedesk_stored")
    assert "API token" in code
    assert tickets == ()


def test_missing_connection_is_named(run, airflow_db):
    code, lines, tickets = run(conn_id="usedesk_missing")
    assert "usedesk_missing" in code
    assert (lines, tickets) == ([], ())


def test_airflow_parses_the_command(monkeypatch):
    manager = pytest.importorskip("airflow.providers_manager").ProvidersManager()
    if not hasattr(manager, "cli_command_functions"):
        pytest.skip("providers add no commands to this Airflow")
    assert usedesk_commands in manager.cli_command_functions
    from airflow.cli.cli_parser import get_parser

    ran = []
    monkeypatch.setattr("airflow_provider_usedesk.cli.commands.check", ran.append)
    for options, conn_id in (([], "usedesk_default"), (["--conn-id", "second"], "second")):
        args = get_parser().parse_args(["usedesk", "check", *options])
        args.func(args)
        assert ran.pop().conn_id == conn_id
