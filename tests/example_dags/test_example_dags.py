"""Every example Dag runs, against the local Usedesk."""

from __future__ import annotations

import ast
import json
import re
import threading
from pathlib import Path

import pytest

from airflow_provider_usedesk.compat.version import AIRFLOW
from dev import DEMO_DAG, EXAMPLE_DAGS
from dev.airflow_client import XComEntry
from dev.demo import shown_value
from dev.up import example_settings
from tests.support.airflow import URL
from tests.support.delivery import FAILED, SENT
from tests.support.version import HAS_ASSET_WATCHERS, HAS_DEADLINES
from tests.support.zones import zone_at_midnight, zone_at_noon

EXAMPLES = sorted((Path(__file__).parents[2] / "example_dags").glob("*.py"))


NEEDED = {"usedesk_new_ticket": (HAS_ASSET_WATCHERS, "3.0"), "usedesk_deadline_alert": (HAS_DEADLINES, "3.1")}
"""Whether this Airflow has what an example needs, and the first Airflow that has it."""


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_folder_with_example_has_no_import_error(path, airflow_db, caplog):
    """An example for a newer Airflow says so, and makes no Dag."""
    is_there, version = NEEDED.get(path.stem, (True, None))
    bag = _bag(path)
    assert bag.import_errors == {}
    assert list(bag.dags) == ([path.stem] if is_there else [])
    notes = [record.getMessage() for record in caplog.records if path.stem in record.getMessage()]
    if not is_there:
        assert f"The example {path.stem} needs" in "".join(notes)
        assert f"Airflow {version} and newer" in "".join(notes)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_explains_itself(path, airflow_db):
    for dag in _bag(path).dags.values():
        assert dag.doc_md == ast.get_docstring(ast.parse(path.read_text()), clean=False)
        assert re.search("^(Trigger|Unpause) the Dag", dag.doc_md, re.MULTILINE)
        assert dag.description
        assert set(dag.tags) == {"usedesk", "example"}
        params = [dag.params.get_param(name) for name in dag.params]
        assert all(param.description and {"type", "title"} <= {*param.schema} for param in params)


@pytest.mark.skipif(not HAS_DEADLINES, reason="deadlines came with Airflow 3.1")
def test_deadline_example_has_its_deadline(airflow_db):
    [dag] = _bag(Path(EXAMPLE_DAGS) / "usedesk_deadline_alert.py").dags.values()
    [deadline] = dag.deadline if isinstance(dag.deadline, list) else [dag.deadline]
    assert deadline.callback.path.endswith("UsedeskNotifier")


@pytest.fixture
def approver(usedesk_sandbox):
    """A person in Usedesk who approves whatever is asked."""
    gone = threading.Event()

    def approve():
        while not gone.wait(0.02):
            for ticket in usedesk_sandbox.tickets:
                if "approval" in ticket.tags and ticket.status != 2:
                    usedesk_sandbox.update(ticket.ticket_id, status=2)

    person = threading.Thread(target=approve)
    person.start()
    yield
    gone.set()
    person.join()


PERSONAL = re.compile(
    r"(?<!\d)\+?7[ (]*9\d{2}[ )]*\d{3}[ -]?\d{2}[ -]?\d{2}(?!\d)|@ivanov|Valeria|Anna|Boris|John"
)
"""The phones and names in the examples."""

LEFT_OUT = {"usedesk_delivery_fallback": {"not_delivered", "viber"}}
"""Tasks for which there is no need when all goes well."""
WITH_EVENTS = {"usedesk_new_ticket"}
WITH_DEADLINE = {"usedesk_deadline_alert"}
NOT_IN_DAG_TEST = WITH_EVENTS | WITH_DEADLINE
"""dag.test() has no events, and fails on deadlines; tests/end_to_end runs these."""
BATCHES = {"usedesk_reminders_batch"}
"""They push a summary, and no ids."""


@pytest.mark.parametrize(
    "path",
    [path for path in EXAMPLES if path.stem not in NOT_IN_DAG_TEST | BATCHES],
    ids=lambda path: path.stem,
)
def test_example(path, run_dag, usedesk_sandbox, approver, caplog):
    run = run_dag(path)
    assert run.state == "success"
    left_out = LEFT_OUT.get(path.stem, set())
    assert {task for (task, _), state in run.states.items() if state == "skipped"} == left_out
    assert {state for (task, _), state in run.states.items() if task not in left_out} == {"success"}
    pushed = {xcoms["ticket_id"] for xcoms in run.xcoms.values() if "ticket_id" in xcoms}
    assert pushed == {ticket.ticket_id for ticket in usedesk_sandbox.tickets}
    assert usedesk_sandbox.requests("create/ticket") == len(pushed)
    assert PERSONAL.findall(run.printed + caplog.text) == []


@pytest.mark.skipif(AIRFLOW < (3, 0), reason="each run of Airflow 2 has a logical date")
@pytest.mark.parametrize(
    "path", [path for path in EXAMPLES if path.stem not in NOT_IN_DAG_TEST], ids=lambda path: path.stem
)
def test_example_without_logical_date(path, run_dag, usedesk_sandbox, approver, monkeypatch, tmp_path):
    monkeypatch.setenv("USEDESK_TIMEZONE", zone_at_noon())
    monkeypatch.setenv("USEDESK_CHECKPOINT_PATH", str(tmp_path / "checkpoint"))
    run = run_dag(path, logical_date=None)
    assert run.state == "success"
    texts = [str(ticket.received) for ticket in usedesk_sandbox.tickets]
    assert not [text for text in texts if re.search("None|null|undefined", text)]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_params_name_no_client(path, airflow_db):
    for dag in _bag(path).dags.values():
        params = dag.params.dump()
        assert PERSONAL.findall(json.dumps(params)) == []
        names = [name for name in params if not name.endswith("_channel")]
        assert [name for name in names if re.search("phone|mail|user|name", name)] == []


def test_demo_shows_no_client(run_dag, usedesk_sandbox):
    run = run_dag(Path(EXAMPLE_DAGS) / f"{DEMO_DAG}.py")
    xcoms = [
        XComEntry(task, index, key, value)
        for (task, index), values in run.xcoms.items()
        for key, value in values.items()
    ]
    shown = {(xcom.task_id, xcom.key): shown_value(xcom) for xcom in xcoms}
    assert PERSONAL.search(json.dumps([xcom.value for xcom in xcoms]))
    assert PERSONAL.findall(json.dumps(list(shown.values()))) == []
    ticket, template = usedesk_sandbox.tickets
    assert shown["open_ticket", "ticket_id"] == str(ticket.ticket_id)
    assert shown["send_template", "message_status"] == '"delivered"'
    assert str(template.ticket_id) in shown["collect_ids", "return_value"]


def _bag(path):
    from airflow.models import DagBag

    return DagBag(path)


def test_open_ticket_hands_its_values_on(run_dag, usedesk_sandbox):
    run = run_dag(EXAMPLES[[path.stem for path in EXAMPLES].index("usedesk_open_ticket")])
    ticket, template = usedesk_sandbox.tickets
    assert ticket.subject == "Invoice 2026-117 is overdue"
    assert ticket.tags == ("invoice", "overdue")
    assert template.template_variables == ("John", "2026-117", "120.00")
    assert template.message_status == "delivered"
    assert ticket.client_id == template.client_id
    noted = {"ticket": ticket.ticket_id, "message": template.ticket_id}
    assert run.xcoms["collect_ids", -1]["return_value"] == noted


class TestFallback:
    """Only a report that the first message was not delivered sends the second one."""

    SENDS = ("failed", "success", "success")
    STOPS = ("failed", "failed", "upstream_failed")

    @pytest.fixture
    def run(self, run_dag, usedesk, ticket_responses):
        """Run the Dag with a short timeout; return the states of its tasks, and the count of its messages."""
        source = (Path(EXAMPLE_DAGS) / "usedesk_delivery_fallback.py").read_text()

        def run(*responses, replace=("hours=1", "seconds=0.2")):
            ticket_responses(*responses)
            states = run_dag(source.replace(*replace)).states
            names = ("whatsapp", "not_delivered", "viber")
            messages = sum(one.url.endswith("create/ticket") for one in usedesk.request_history)
            return tuple(states[name, -1] for name in names), messages

        return run

    def test_failed_report_sends(self, run):
        assert run(FAILED) == (self.SENDS, 2)

    def test_refusal_of_the_messenger_sends(self, run, usedesk):
        refused, sent = {"message_status": "not delivered"}, {"message_status": "delivered"}
        usedesk.post(
            f"{URL}/create/ticket",
            [
                {"json": {"status": "success", "ticket_id": number, **status}}
                for number, status in ((1001, refused), (1002, sent))
            ],
        )
        assert run(SENT) == (self.SENDS, 2)

    def test_timeout_does_not_send(self, run):
        assert run(SENT) == (self.STOPS, 1)

    def test_unknown_outcome_does_not_send(self, run, usedesk):
        usedesk.post(f"{URL}/create/ticket", status_code=502, text="<html>")
        assert run(SENT) == (self.STOPS, 1)

    def test_missing_client_does_not_send(self, run):
        states, messages = run(SENT, replace=('return {"name"', 'assert {} == {"name"'))
        assert (states, messages) == (("upstream_failed", "failed", "upstream_failed"), 0)


def test_file_arrives(run_dag, usedesk_sandbox):
    run_dag(EXAMPLES[[path.stem for path in EXAMPLES].index("usedesk_ticket_with_file")])
    [ticket] = usedesk_sandbox.tickets
    assert [(file.name, file.content[:6]) for file in ticket.files] == [
        ("weekly.csv", b"check,"),
        ("about.txt", b"Writte"),
    ]
    assert ticket.comments[0].is_private


def test_a_batch_reminds_everyone_by_day(run_dag, usedesk_sandbox, monkeypatch, tmp_path):
    monkeypatch.setenv("USEDESK_TIMEZONE", zone_at_noon())
    monkeypatch.setenv("USEDESK_CHECKPOINT_PATH", str(tmp_path / "checkpoint"))
    run = run_dag(EXAMPLES[[path.stem for path in EXAMPLES].index("usedesk_reminders_batch")])
    assert run.state == "success"
    summary = run.xcoms["remind", -1]["return_value"]
    assert (summary["rows"], summary["sent"], summary["requests"]) == (20, 20, 20)
    told = {ticket.template_variables for ticket in usedesk_sandbox.tickets}
    assert told == {(f"Client {number}", f"{9 + number % 9}:30", "London") for number in range(20)}
    assert len({ticket.additional_id for ticket in usedesk_sandbox.tickets}) == 20


def test_batch_can_be_rehearsed(run_dag, usedesk_sandbox, monkeypatch, tmp_path):
    monkeypatch.setenv("USEDESK_RESULTS_PATH", str(tmp_path))
    path = EXAMPLES[[path.stem for path in EXAMPLES].index("usedesk_reminders_batch")]
    run = run_dag(path, conf={"dry_run": True})
    summary = run.xcoms["remind", -1]["return_value"]
    assert (summary["dry_run"], summary["rows"], summary["left"], summary["sent"]) == (True, 20, 20, 0)
    assert usedesk_sandbox.requests() == 0
    [file] = tmp_path.glob("*.jsonl")
    requests = [json.loads(line)["request"] for line in file.read_text().splitlines()]
    assert requests[3]["template_variables"] == ["Client 3", "12:30", "London"]


@pytest.mark.parametrize("is_rehearsal", [False, True])
def test_batch_can_be_tried_by_hand_at_night(is_rehearsal, run_dag, usedesk_sandbox, monkeypatch, tmp_path):
    """``make up`` sets these."""
    for name, value in example_settings(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("USEDESK_TIMEZONE", zone_at_midnight())
    monkeypatch.setenv("USEDESK_CHECKPOINT_PATH", str(tmp_path / "checkpoint"))
    path = EXAMPLES[[path.stem for path in EXAMPLES].index("usedesk_reminders_batch")]
    run = run_dag(path, conf={"dry_run": is_rehearsal})
    assert run.state == "success"
    assert len(usedesk_sandbox.tickets) == (0 if is_rehearsal else 20)
    assert len(list(tmp_path.glob("*.jsonl"))) == 1


def test_taskflow_comments_and_hands_over(run_dag, usedesk_sandbox):
    run_dag(EXAMPLES[[path.stem for path in EXAMPLES].index("usedesk_taskflow")])
    [ticket] = usedesk_sandbox.tickets
    assert "limit {{ exceeded }}" in ticket.message
    assert [comment.is_private for comment in ticket.comments] == [True, True]
    assert ticket.comments[1].message.startswith("Found by run ")
    assert (ticket.assignee_id, ticket.status) == (2157, 1)
