"""What type checkers accept and refuse."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
GOOD = """
from datetime import timedelta

from airflow.sdk import XComArg

from airflow_provider_usedesk.operators.batch import SendWhatsAppTemplateBatchOperator
from airflow_provider_usedesk.operators.client import CreateClientOperator
from airflow_provider_usedesk.operators.comment import CreateCommentOperator
from airflow_provider_usedesk.operators.message import SendWhatsAppTemplateOperator
from airflow_provider_usedesk.operators.ticket import CreateTicketOperator, UpdateTicketOperator
from airflow_provider_usedesk.operators.types import Template
from airflow_provider_usedesk.sensors.message import MessageDeliverySensor
from airflow_provider_usedesk.sensors.ticket import TicketStatusSensor


def write(upstream: XComArg, text: str) -> None:
    CreateTicketOperator(
        task_id="a", subject=text, message="{{ params.m }}", priority="low", status="on hold", retries=3,
        private_comment=True, tag=["a"], custom_fields={1: True}, retry_delay=timedelta(minutes=1),
    )
    CreateTicketOperator(
        task_id="b", subject=upstream, message=upstream, priority=Template("{{ params.p }}"), status=8,
        type=Template(text), client_id=upstream, private_comment="true",
    )
    UpdateTicketOperator(task_id="c", ticket_id=upstream, status="solved", priority=upstream)
    CreateCommentOperator(task_id="d", ticket_id=1, type="public", message=text)
    SendWhatsAppTemplateOperator(task_id="e", channel_id=1, template_id=2, client_phone=79123456789)
    SendWhatsAppTemplateBatchOperator(task_id="f", recipients=[], row_key="id", quiet_hours=("22:00", "8:00"))
    CreateClientOperator(task_id="g", name=text, phone_type="mobile", find_existing="phone")
    TicketStatusSensor(
        task_id="h", ticket_id=upstream, target_statuses=["solved", "on hold", 3], failed_statuses="spam",
        mode="reschedule", timeout=timedelta(days=1), poke_interval=60, retries=3,
    )
    TicketStatusSensor(task_id="i", ticket_id=text, target_statuses=Template("{{ params.statuses }}"))
    MessageDeliverySensor(
        task_id="j", ticket_id=1, comment_id=upstream, source="poll", delivered_statuses="read, seen",
        failed_statuses=["gone"], sent_after="{{ dag_run.run_after }}", deferrable=True, soft_fail=True,
    )
"""
CREATE = 'CreateTicketOperator(task_id="a", subject="s", message="m", {})'
BAD = {
    name: CREATE.format(name)
    for name in (
        'priorty="low"',
        'priority="highest"',
        "priority=5",
        'status="opne"',
        'type="bug"',
        'from_="agent"',
        'private_comment="yes"',
        'on_not_delivered="retry"',
        'on_unknown_outcome="x"',
        "tag=5",
        'retires="3"',
    )
} | {
    "subject": 'CreateTicketOperator(task_id="a", message="m")',
    "type": 'CreateCommentOperator(task_id="a", ticket_id=1, message="m", type="internal")',
    "validate": 'SendWhatsAppTemplateBatchOperator(task_id="a", recipients=[], row_key="i", validate="all")',
    "target_statuses": 'TicketStatusSensor(task_id="a", ticket_id=1, target_statuses="done")',
    "failed_statuses": 'TicketStatusSensor(task_id="a", ticket_id=1, failed_statuses=["spam", "gone"])',
    "status": 'TicketStatusSensor(task_id="a", ticket_id=1, status="solved")',
    "ticket_id": "TicketStatusSensor(task_id='a')",
    "mode": 'TicketStatusSensor(task_id="a", ticket_id=1, mode="push")',
    "source": 'MessageDeliverySensor(task_id="a", ticket_id=1, source="mail")',
    "poke_intervall": 'MessageDeliverySensor(task_id="a", ticket_id=1, poke_intervall=60)',
    "find_existing": 'CreateClientOperator(task_id="a", name="n", find_existing="name")',
}


@pytest.fixture(scope="module")
def snippet(tmp_path_factory):
    path = tmp_path_factory.mktemp("snippet") / "snippet.py"
    lines = [f"    {line}  # {name}" for name, line in BAD.items()]
    path.write_text("\n".join([GOOD, "", "def refused() -> None:", *lines, ""]))
    return path


def check(path: Path, numbers: set[int], found: str) -> None:
    written = path.read_text().splitlines()
    assert {written[number - 1].rpartition("# ")[2] for number in numbers} == set(BAD), found


def test_mypy(snippet):
    pytest.importorskip("mypy")
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(snippet.parent / "cache")]
    # Only our own types are needed.
    options = ["--follow-imports=silent", "--no-error-summary", "--hide-error-context"]
    found = subprocess.run(
        [*command, *options, str(snippet)], capture_output=True, text=True, check=False, cwd=ROOT
    ).stdout
    check(snippet, {int(line.split(":")[1]) for line in found.splitlines() if "snippet.py:" in line}, found)


def test_pyright(snippet):
    pytest.importorskip("pyright", reason="make installs pyright for Airflow 3.3 only")
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, str(snippet)]
    found = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT).stdout
    errors = [one for one in json.loads(found)["generalDiagnostics"] if one["severity"] == "error"]
    check(snippet, {one["range"]["start"]["line"] + 1 for one in errors}, found)
