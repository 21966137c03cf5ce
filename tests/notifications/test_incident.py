"""The facts that a callback's context contains, and the default texts about them."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from airflow_provider_usedesk.notifications.incident import (
    Incident,
    default_message,
    default_subject,
    fit_message,
    fit_subject,
    read_incident,
)


class Unloadable:
    """An object that is detached from its database: every attribute raises an error."""

    def __getattr__(self, name):
        raise RuntimeError(name)


def task_context(**changes):
    ti = {
        "dag_id": "sales",
        "run_id": "manual__1",
        "task_id": "load",
        "map_index": -1,
        "try_number": 2,
        "max_tries": 2,
        "state": "failed",
        "log_url": "https://airflow.example/log?a=1&b=2",
    }
    error = ValueError("no <orders>")
    return {"ti": SimpleNamespace(**{**ti, **changes}), "exception": error, "run_id": "manual__1"}


def test_failed_task():
    incident = read_incident(task_context(map_index=3))
    assert default_subject(incident) == "Airflow: Task load[3] of Dag sales failed"
    assert default_message(incident) == (
        "<p>Task load[3] of Dag sales failed.</p>"
        "<p>Run: manual__1<br>Try: 2 of 3<br>State: failed<br>Error: ValueError: no &lt;orders&gt;</p>"
        '<p><a href="https://airflow.example/log?a=1&amp;b=2">Log of the task</a></p>'
    )


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("http://host:8080", "http://host:8080dags/sales/runs/1/tasks/load"),
        ("http://host:8080", "http://host:8080/dags/sales/runs/1/tasks/load"),
        ("http://host:8080/", "http://host:8080/dags/sales/runs/1/tasks/load"),
    ],
)
def test_log_link_has_its_slash(monkeypatch, base, url):
    """Airflow 3.0 leaves it out if the base URL does not end with it."""
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", base)
    message = default_message(read_incident(task_context(log_url=url)))
    assert '<a href="http://host:8080/dags/sales/runs/1/tasks/load">' in message


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"state": "up_for_retry"}, "Task load of Dag sales failed and will be tried again"),
        ({"state": "success"}, "Task load of Dag sales succeeded"),
        ({"state": "skipped"}, "Task load of Dag sales was skipped"),
        ({"state": None}, "Task load of Dag sales failed"),
        ({"state": "deferred"}, "Task load of Dag sales is deferred"),
    ],
    ids=["retry", "success", "skipped", "none", "deferred"],
)
def test_other_task_states(changes, text):
    assert default_subject(read_incident(task_context(**changes))) == f"Airflow: {text}"


def test_started_task_has_no_error():
    context = task_context(state="running")
    del context["exception"]
    assert default_subject(read_incident(context)) == "Airflow: Task load of Dag sales started"


@pytest.mark.parametrize(("reason", "verb"), [("task_failure", "failed"), ("success", "succeeded")])
def test_dag_callback_names_the_dag(reason, verb):
    incident = read_incident({**task_context(state="upstream_failed"), "reason": reason})
    assert default_subject(incident) == f"Airflow: Dag sales {verb}"
    assert " task: load<br>" in default_message(incident)
    assert "Try" not in default_message(incident)
    assert incident.own_task_id is None


def test_recovery_texts():
    whole = read_incident({**task_context(), "reason": "success"})
    assert default_subject(whole, recovered=True) == "Airflow: Dag sales succeeded again"
    task = read_incident(task_context(state="success"))
    assert default_subject(task, recovered=True) == "Airflow: Task load of Dag sales succeeded again"


@pytest.mark.parametrize("time", [datetime(2026, 3, 1, 5, tzinfo=UTC), "2026-03-01T05:00:00Z"])
def test_deadline_context(time):
    run = {"dag_id": "sales", "dag_run_id": "scheduled__1", "state": "running"}
    incident = read_incident({"dag_run": run, "deadline": {"id": "1", "deadline_time": time}})
    assert default_subject(incident) == "Airflow: Dag sales missed its deadline"
    assert default_message(incident) == (
        "<p>Dag sales missed its deadline.</p>"
        "<p>Run: scheduled__1<br>Deadline: 2026-03-01 05:00:00 UTC<br>State: running</p>"
    )


def test_sla_context():
    slas = [SimpleNamespace(task_id="load"), SimpleNamespace(task_id="send")]
    context = {"dag": SimpleNamespace(dag_id="sales"), "slas": slas, "blocking_tis": []}
    incident = read_incident(context)
    assert default_subject(incident) == "Airflow: Dag sales missed an SLA"
    assert "Tasks: load, send" in default_message(incident)


@pytest.mark.parametrize(
    "context",
    [
        {},
        {"ti": None, "dag": None, "dag_run": None, "deadline": None, "exception": None, "slas": None},
        {"ti": Unloadable(), "dag": Unloadable(), "dag_run": Unloadable()},
        {"ti": {}, "deadline": {"deadline_time": "soon"}},
        {"ti": SimpleNamespace(log_url="javascript:alert(1)"), "exception": "killed"},
    ],
)
def test_context_may_lack_anything(context):
    incident = read_incident(context)
    assert "Dag without a name" in default_subject(incident)
    assert "href" not in default_message(incident)


def test_error_is_cut_and_redacted():
    secret = "s3cr3t"
    error = RuntimeError("line one\n\tline two \udc80 " + "x" * 464 + secret + "y" * 900)
    incident = read_incident({"exception": error}, lambda text: text.replace(secret, "***"))
    assert incident.error.startswith("RuntimeError: line one line two xxx")
    assert incident.error.endswith("x***…")
    assert len(incident.error) <= 500


def test_error_without_text():
    class Broken(Exception):
        def __str__(self):
            raise RuntimeError

    assert read_incident({"exception": KeyboardInterrupt()}).error == "KeyboardInterrupt"
    assert read_incident({"exception": Broken()}).error == "Broken"
    assert read_incident({"exception": "task was killed"}).error == "task was killed"


def test_long_texts_are_cut():
    assert len(fit_subject("x\n" * 300)) == 255
    assert len(default_subject(Incident("dag", dag_id="d" * 250, state="failed"))) == 255
    assert fit_message("ж" * 10, 9) == "жжж…"
    assert fit_message("half \udc80", 100) == "half ?"
    assert fit_message('<p>a</p><a href="https://x">', 16) == "<p>a</p>…"


def test_names_are_escaped_as_html():
    message = default_message(Incident("task", dag_id='"<b>', task_id="&", log_url="https://a/\"><b>'"))
    assert "<b>" not in message
    assert "Task &amp; of Dag &quot;&lt;b&gt; called back." in message
    assert '<a href="https://a/&quot;&gt;&lt;b&gt;&#x27;">' in message


@pytest.mark.parametrize(
    "changes",
    [{"try_number": "2", "max_tries": 3}, {"map_index": "x"}, {"task_id": 5}, {"run_id": object}],
)
def test_unexpected_types_are_accepted(changes):
    assert "Task " in default_message(read_incident(task_context(**changes)))


def test_unexpected_slas_are_accepted():
    assert read_incident({"blocking_tis": [], "slas": 5}).late_tasks == ()
