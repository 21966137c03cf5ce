"""Operators that send batches: rows in, tickets in Usedesk, a summary in XCom."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import partial
from types import SimpleNamespace
from typing import ClassVar

import pytest

from airflow_provider_usedesk import sandbox as faults
from airflow_provider_usedesk.api.errors import UsedeskInvalidRequest
from airflow_provider_usedesk.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    TaskDeferred,
)
from airflow_provider_usedesk.compat.version import HAS_STATE_STORES
from airflow_provider_usedesk.operators.batch import CreateTicketBatchOperator
from airflow_provider_usedesk.operators.lateness import scheduled_moment
from tests.support.dags import DAG
from tests.support.delivery import set_extra
from tests.support.operators import StateStore, attempt_context, dag, run_attempt


@pytest.fixture
def run_batch(run_dag, tmp_path):
    """Run a Dag whose batch has its checkpoint in a folder, which every Airflow version supports."""

    def run(body: str, options: str = ""):
        checkpoint = f"checkpoint_path={str(tmp_path / 'checkpoint')!r}"
        return run_dag(dag(body.replace("CHECKPOINT", checkpoint), options))

    return run


@pytest.fixture
def run_attempt_of_batch(usedesk_sandbox, tmp_path):
    """Render and execute one attempt of a batch, without a run of its Dag."""
    given = {"row_key": "id", "message": "m", "checkpoint_path": str(tmp_path / "checkpoint")}
    return lambda **arguments: run_attempt(CreateTicketBatchOperator, **{**given, **arguments})


def summary_of(run, task="send"):
    return run.xcoms[task, -1]["summary"]


TEMPLATE = """
@task(show_return_value_in_logs=False)
def clients():
    return [
        {"id": 1, "client_phone": "+7 912 345-67-89", "name": "Anna {{ 1 + 1 }}"},
        {"id": 2, "client_phone": "79123456790", "name": "Boris", "template_lang": "en"},
        {"id": 1, "client_phone": "79123456789", "name": "Anna {{ 1 + 1 }}"},
    ]

SendWhatsAppTemplateBatchOperator(
    task_id="send",
    recipients=clients(),
    row_key="id",
    channel_id=123,
    template_id=8094,
    template_lang="{{ 'ru' }}",
    row_template={"template_variables": ["{{ row.name }}", "{{ ds_nodash or '' }}"[:0] + "18:00"]},
    CHECKPOINT,
)
"""


def test_rows_override_shared_arguments(run_batch, usedesk_sandbox):
    run = run_batch(TEMPLATE)
    assert run.state == "success", run.printed
    sent = {
        ticket.template_variables: (ticket.received["client_phone"], ticket.received["template_lang"])
        for ticket in usedesk_sandbox.tickets
    }
    assert sent == {
        ("Anna {{ 1 + 1 }}", "18:00"): ("79123456789", "ru"),
        ("Boris", "18:00"): ("79123456790", "en"),
    }
    summary = summary_of(run)
    assert (summary["rows"], summary["sent"], summary["duplicate"], summary["requests"]) == (3, 2, 1, 2)
    assert run.xcoms["send", -1]["return_value"] == summary


def test_rows_are_hidden_and_not_logged(run_batch, usedesk_sandbox, caplog):
    run = run_batch(TEMPLATE)
    [rendered] = [fields for (task, _), fields in run.rendered.items() if task == "send"]
    assert rendered["recipients"] == "***"
    assert "Boris" not in run.printed + caplog.text
    assert "79123456790" not in run.printed + caplog.text


def test_file_in_results_out(run_batch, usedesk_sandbox, tmp_path):
    (tmp_path / "day-1.csv").write_text("invoice;client_email;due\n7;a@b.example;May\n8;c@d.example;June\n")
    run = run_batch(f"""
CreateTicketBatchOperator(
    task_id="send",
    recipients="{tmp_path}/day-{{{{ 1 }}}}.csv",
    row_key="invoice-{{{{ row.invoice }}}}",
    subject="Invoice is overdue",
    row_template={{"message": "Invoice {{{{ row.invoice }}}} was due in {{{{ row.due }}}}"}},
    results_path="{tmp_path}/results/day.jsonl",
    CHECKPOINT,
)
""")
    assert run.state == "success"
    assert {ticket.message for ticket in usedesk_sandbox.tickets} == {
        "Invoice 7 was due in May",
        "Invoice 8 was due in June",
    }
    results = [json.loads(line) for line in (tmp_path / "results" / "day.jsonl").read_text().splitlines()]
    assert {row["key"]: row["ticket_id"] for row in results} == {
        f"invoice-{ticket.message[8]}": ticket.ticket_id for ticket in usedesk_sandbox.tickets
    }
    assert {ticket.additional_id.split(".")[2][0] for ticket in usedesk_sandbox.tickets} == {"r"}


def test_function_yields_rows_with_context(run_batch, usedesk_sandbox):
    run = run_batch("""
def rows(run_id, ti):
    yield {"id": 1, "subject": f"{ti.task_id} of {run_id}"}

CreateTicketBatchOperator(task_id="send", recipients=rows, row_key="id", message="m", CHECKPOINT)
""")
    assert run.state == "success"
    [ticket] = usedesk_sandbox.tickets
    assert ticket.subject == f"send of {run.run_id}"
    assert "rows" in run.rendered["send", -1]["recipients"]


INVALID = """
CreateTicketBatchOperator(
    task_id="send",
    recipients=[{"id": 1, "priority": "high"}, {"subject": "s" * 300}],
    row_key="id",
    message="m",
    retries=3,
    CHECKPOINT,
)
"""


def test_invalid_rows_send_no_request(run_batch, usedesk_sandbox):
    run = run_batch(INVALID)
    assert run.state == "failed"
    assert usedesk_sandbox.requests() == 0
    assert "2 of 2 rows are not valid" in run.printed
    assert "row 1: priority: must be one of low, medium, urgent, extreme; subject: is required" in run.printed
    assert "row 2: row_key: the row has no column 'id'" in run.printed
    summary = summary_of(run)
    assert (summary["rows"], summary["bad"], summary["sent"], summary["requests"]) == (2, 2, 0, 0)


WRONG_OPTIONS = {
    "row_template": ({"mesage": "m"}, "row_template: mesage is not a parameter of create/ticket; is message"),
    "max_in_flight": (0, "max_in_flight: must be a whole number from 1 to 64"),
    "max_bad_rows": ("10 %x", "max_bad_rows: must be a whole number of rows, such as 5, or a percentage"),
    "max_failures": (1.0, "max_failures: must be a whole number of rows, such as 5, or a percentage"),
    "validate": ("never", "validate: must be one of first, row"),
    "fail_on": ("x", "fail_on: must be one of any, all, none"),
    "fail_if_empty": ("x", "fail_if_empty: must be True or False"),
    "on_duplicate": ("first", "on_duplicate: must be one of skip, fail"),
    "on_not_delivered": ("resend", "on_not_delivered: must be one of fail, ignore"),
    "on_no_confirmation": ("ignore", "on_no_confirmation: must be one of fail, warn"),
    "quiet_hours": (("25:00", "08:00"), "quiet_hours: must be two times of day"),
    "timezone": ("Moscow", "timezone: must be the IANA name of a time zone"),
    "in_quiet_hours": ("x", "in_quiet_hours: must be one of wait, leave"),
    "on_unknown_outcome": ("guess", "on_unknown_outcome: must be one of verify, fail, send"),
    "additional_id": ("orders", "additional_id: give each row a different one"),
    "max_lateness": (7200, "max_lateness: must be a timedelta above 0, such as timedelta(hours=2)"),
    "results_path": ("out.txt", "results_path: must be the path or URL of a .jsonl"),
    "dry_run": ("yes", "dry_run: must be true or false"),
}


class TestParseTime:
    """Options that are wrong are named when the Dag is parsed."""

    wrong = {name: value for name, (value, _) in WRONG_OPTIONS.items()}

    def test_all_wrong_options_are_named(self):
        with pytest.raises(UsedeskInvalidRequest) as caught:
            CreateTicketBatchOperator(task_id="send", recipients=[], row_key="id", **self.wrong)
        for _, error in WRONG_OPTIONS.values():
            assert error in str(caught.value)

    def test_mapped_tasks_check_shared_options(self):
        with pytest.raises(UsedeskInvalidRequest) as caught:
            CreateTicketBatchOperator.partial(task_id="send", row_key="id", **self.wrong)
        for _, error in WRONG_OPTIONS.values():
            assert error in str(caught.value)

    @pytest.mark.parametrize("recipients", ["clients.xls", "", None, 12, b"a.csv"])
    def test_recipients_of_no_known_form_are_refused(self, recipients):
        with pytest.raises(UsedeskInvalidRequest, match=r"recipients: must be an iterable of dicts"):
            CreateTicketBatchOperator(task_id="send", recipients=recipients, row_key="id")

    def test_quiet_hours_need_timezone(self):
        with pytest.raises(UsedeskInvalidRequest, match="timezone: must be the IANA name"):
            CreateTicketBatchOperator(
                task_id="send", recipients=[], row_key="id", quiet_hours=("22:00", "08:00")
            )

    def test_each_wrong_argument_of_quiet_hours_is_a_reason(self):
        wrong = {"quiet_hours": ("25:00", "08:00"), "timezone": "Mars"}
        with pytest.raises(UsedeskInvalidRequest) as caught:
            CreateTicketBatchOperator(task_id="send", recipients=[], row_key="id", **wrong)
        assert [text.partition(":")[0] for text in caught.value.validation_errors] == [
            "quiet_hours",
            "timezone",
        ]

    def test_default_args_count_for_mapped_tasks(self):
        with (
            DAG("example", schedule=None, default_args={"fail_on": "x"}),
            pytest.raises(UsedeskInvalidRequest, match="fail_on: must be one of"),
        ):
            CreateTicketBatchOperator.partial(task_id="send", row_key="id")

    @pytest.mark.parametrize("name", WRONG_OPTIONS)
    def test_changed_options_are_checked_again(self, usedesk_sandbox, name):
        operator = CreateTicketBatchOperator(task_id="task", recipients=[], row_key="id", message="m")
        setattr(operator, name, WRONG_OPTIONS[name][0])
        with pytest.raises(AirflowFailException, match=f"{name}: "):
            operator.execute(attempt_context())

    def test_rehearsal_requires_results_path(self):
        arguments = {"task_id": "send", "row_key": "id", "dry_run": True}
        with pytest.raises(UsedeskInvalidRequest, match="results_path: is required with dry_run"):
            CreateTicketBatchOperator(recipients=[], **arguments)
        # A mapped task may get it later.
        CreateTicketBatchOperator.partial(**arguments).expand(recipients=[[]], results_path=["a.csv"])

    def test_templates_wait_for_their_values(self):
        CreateTicketBatchOperator(
            task_id="send",
            recipients=[],
            row_key="id",
            dry_run="{{ params.dry_run }}",
            results_path="{{ params.results }}",
        )


EMPTY = {"list": [], "header": ("rows.csv", "id,subject\n"), "empty file": ("rows.jsonl", "")}


@pytest.mark.parametrize("rows", EMPTY.values(), ids=EMPTY)
def test_no_recipients_warn_or_fail(run_attempt_of_batch, usedesk_sandbox, tmp_path, rows, caplog):
    if rows:
        name, text = rows
        (tmp_path / name).write_text(text)
        rows = str(tmp_path / name)
    summary = run_attempt_of_batch(recipients=rows)
    assert summary["rows"] == 0
    assert "There are no recipients" in caplog.text
    with pytest.raises(AirflowFailException, match="There are no recipients, and fail_if_empty is set"):
        run_attempt_of_batch(recipients=rows, fail_if_empty=True)


def test_tolerated_bad_rows_do_not_fail(run_attempt_of_batch, usedesk_sandbox, caplog):
    rows = [{"id": 1, "subject": "s"}, {"id": 2}, {"id": 3, "subject": "s"}, {}]
    for validate in ("first", "row"):
        summary = run_attempt_of_batch(recipients=rows, max_bad_rows="50%", validate=validate)
        assert (summary["rows"], summary["bad"]) == (4, 2)
        assert "2 of 4 rows are bad and were not sent: row 2, 4." in caplog.text
    with pytest.raises(AirflowFailException, match="2 of 4 rows are bad, and max_bad_rows is 1"):
        run_attempt_of_batch(recipients=rows, max_bad_rows=1, validate="row", fail_on="none")


def test_missing_file_is_named(run_attempt_of_batch, usedesk_sandbox):
    """A retry may find the file, so the task does not fail without one."""
    with pytest.raises(AirflowException, match=r"no-such\.csv") as raised:
        run_attempt_of_batch(recipients="no-such.csv")
    assert not isinstance(raised.value, AirflowFailException)
    assert usedesk_sandbox.requests() == 0


INVALID_FILES = {
    "cp1251": "id;имя\n1;Анна\n".encode("cp1251"),
    "quote": b'id;name\n1;"Anna\n2;Eve\n',
    "column": b"number;name\n1;Anna\n",
    "delimiters": b"a;b,c\n1;2,3\n",
    "no gzip": b"id\n",
}


@pytest.mark.parametrize("content", INVALID_FILES.values(), ids=INVALID_FILES)
@pytest.mark.parametrize("validate", ["first", "row"])
def test_invalid_file_fails_at_once(run_attempt_of_batch, usedesk_sandbox, tmp_path, content, validate):
    path = tmp_path / ("list.csv.gz" if content == b"id\n" else "list.csv")
    path.write_bytes(content)
    with pytest.raises(AirflowFailException, match=r"recipients: .*list\.csv"):
        run_attempt_of_batch(recipients=str(path), validate=validate)
    assert usedesk_sandbox.requests() == 0


def test_bad_cells_are_named_by_row_line_and_cause(run_attempt_of_batch, usedesk_sandbox, tmp_path):
    """Excel shortens long numbers and marks texts; people write two numbers into one cell."""
    lines = [
        "id;client_phone;Имя",
        '1;79123456789;"Анна\nМария"',
        "2;7,91235E+10;Борис",
        "3;'79123456789;Вера",
        "",
        "4;79123456789, 79123456790;Глеб",
        "5;79123456789;",
        ";79123456789;Егор",
    ]
    (tmp_path / "list.csv").write_bytes("\r\n".join(lines).encode("cp1251"))
    with pytest.raises(AirflowFailException) as raised:
        run_attempt_of_batch(
            recipients=str(tmp_path / "list.csv"),
            encoding="cp1251",
            columns={"Имя": "name"},
            row_template={"subject": "{{ row.name }}"},
            channel_id=1,
        )
    for error in (
        "row 2 (line 4): client_phone: is in scientific notation: the file has lost digits",
        "row 3 (line 5): client_phone: begins with an apostrophe",
        "row 4 (line 7): client_phone: must be one phone number",
        "row 5 (line 8): subject: column 'name' is empty",
        "row 6 (line 9): row_key: column 'id' is empty",
    ):
        assert error in str(raised.value)
    assert not re.search(r"791\d|7,912|Глеб", str(raised.value))
    assert usedesk_sandbox.requests() == 0


def test_ids_that_lost_digits_send_nothing(run_attempt_of_batch, usedesk_sandbox, tmp_path):
    rows = "".join(f"1,23457E+12;7912345678{number}\n" for number in range(3))
    (tmp_path / "list.csv").write_text(f"id;client_phone\n{rows}")
    with pytest.raises(
        AirflowFailException, match=r"row 3 \(line 4\): row_key: has the key of row 1 \(line 2\)"
    ):
        run_attempt_of_batch(recipients=str(tmp_path / "list.csv"), subject="s", channel_id=1)
    assert usedesk_sandbox.requests() == 0


def test_invalid_file_option_fails_parsing():
    with pytest.raises(ValueError, match=r"delimiter: must be one.*\n *encoding: .*\n *columns: "):
        CreateTicketBatchOperator(
            task_id="send", recipients="a.csv", row_key="a", delimiter="", encoding="x", columns=5
        )


SECRET_URLS = [
    "https://bucket.example/list.csv?sig=q7Zt",
    "https://user:q7Zt@bucket.example/list.csv",
    "https://q7Zt@bucket.example/list.csv",
]


@pytest.mark.parametrize("url", SECRET_URLS)
def test_secret_of_a_url_is_hidden(run_batch, usedesk_sandbox, requests_mock, tmp_path, url):
    requests_mock.get(re.compile("bucket.example/list.csv"), text="id;subject\n1;Hello\n")
    run = run_batch(f"""
CreateTicketBatchOperator(
    task_id="send",
    recipients="{url}",
    row_key="id",
    message="m",
    dry_run=True,
    results_path="{tmp_path}/rehearsal.csv",
    CHECKPOINT,
)
""")
    assert run.state == "success", run.printed
    [rendered] = run.rendered.values()
    assert rendered["recipients"] == "***"
    assert "q7Zt" not in run.printed + str(run.rendered)


def test_passwords_of_stored_files_are_hidden(usedesk_sandbox, monkeypatch, tmp_path):
    from airflow_provider_usedesk.operators import batch

    monkeypatch.setattr(batch, "object_storage_path", lambda url: tmp_path / url.rpartition("/")[2])
    given = {"results_path": "sftp://user:secret@files.example/r.csv", "recipients": []}
    operator = CreateTicketBatchOperator(task_id="task", row_key="id", message="m", **given)
    operator.checkpoint_path = "sftp://user:secret@files.example/checkpoint"
    context = attempt_context()
    operator.render_template_fields(context)
    stored = {name: getattr(operator, name) for name in operator.template_fields}
    assert (stored["results_path"], stored["checkpoint_path"]) == ("***", "***")
    summary = operator.execute(context)
    assert summary["results_path"] == "sftp://files.example/r.csv"
    assert "secret" not in str(context["ti"].pushed) + str(vars(operator))


def test_paths_with_a_connection_are_shown(usedesk_sandbox):
    given = {"recipients": "s3://aws@bucket/a.csv", "results_path": "s3://aws@bucket/r.csv"}
    operator = CreateTicketBatchOperator(task_id="task", row_key="id", message="m", **given)
    operator.render_template_fields(attempt_context())
    assert {name: getattr(operator, name) for name in operator.template_fields if name in given} == given


def test_native_rendering_keeps_texts(run_batch, usedesk_sandbox):
    """Native rendering would make 10.0 of 10.00, and one key of 1e1 and 10.0."""
    run = run_batch(
        """
def rows():
    return [{"id": "1e1", "sum": "10.00"}, {"id": "10.0", "sum": "[1]"}]

CreateTicketBatchOperator(
    task_id="send",
    recipients=rows,
    row_key="{{ row.id }}",
    subject="s",
    row_template={"message": "{{ row.sum }}"},
    CHECKPOINT,
)
""",
        "render_template_as_native_obj=True",
    )
    assert run.state == "success"
    assert {ticket.message for ticket in usedesk_sandbox.tickets} == {"10.00", "[1]"}


INVALID_ARGUMENTS = {
    "results_path": (
        {"results_path": "{{ 'out.txt' }}"},
        "results_path: must be the path or URL of a .jsonl",
    ),
    "dry_run": ({"dry_run": "{{ 'maybe' }}"}, "dry_run: must be true or false"),
    "empty dry_run": ({"dry_run": "{{ none or '' }}"}, "dry_run: must be true or false"),
    "rehearsal": ({"dry_run": "{{ 'true' }}"}, "results_path: is required with dry_run"),
    "file type": ({"recipients": "people.xls"}, "recipients: must be an iterable of dicts"),
    "dict": ({"recipients": {"id": 1}}, "recipients: must be an iterable of dicts"),
    "row_template": (
        {"row_template": {"subject": "{{ row.a"}},
        "row_template: subject: is not a valid template",
    ),
}


@pytest.mark.parametrize(("arguments", "error"), INVALID_ARGUMENTS.values(), ids=INVALID_ARGUMENTS)
def test_invalid_argument_is_named(run_attempt_of_batch, usedesk_sandbox, arguments, error):
    with pytest.raises((AirflowFailException, ValueError), match=error):
        run_attempt_of_batch(**{"recipients": [], **arguments})
    assert usedesk_sandbox.requests() == 0


def test_mapped_tasks_share_row_keys(run_batch, usedesk_sandbox):
    """A row is the same row in whichever mapped task it is."""
    run = run_batch(
        """
CreateTicketBatchOperator.partial(
    task_id="send", row_template={"subject": "{{ row.text }}"}, max_active_tis_per_dag=1, CHECKPOINT
).expand(
    recipients=[[{"id": 1, "text": "a"}], [{"id": 2, "text": "b"}, {"id": 1, "text": "a"}], []]
)
""",
        "default_args={'row_key': 'id', 'message': 'm', 'do_xcom_push': False}",
    )
    assert run.state == "success"
    assert sorted(ticket.subject for ticket in usedesk_sandbox.tickets) == ["a", "b"]
    assert len({ticket.additional_id for ticket in usedesk_sandbox.tickets}) == 2
    assert not any(values for (task, _), values in run.xcoms.items() if task == "send")


def test_early_end_fails_despite_fail_on(run_batch, usedesk_sandbox, no_delay, monkeypatch):
    """Rows that were not sent at all do not count for ``fail_on``."""
    from airflow_provider_usedesk.batch import send_window

    monkeypatch.setattr(send_window, "MOST_UNANSWERED", 3)
    usedesk_sandbox.fail(faults.close("before"), method="create/ticket", times=200)
    run = run_batch(MANY.format(options="fail_on='none',"))
    assert run.state == "failed"
    assert "Ended early with" in run.printed
    assert summary_of(run)["left"] > 0


@pytest.mark.parametrize("options", ["", "max_failures=39,"])
def test_retry_sends_what_an_outage_left(run_batch, usedesk_sandbox, no_delay, monkeypatch, options):
    """A row that Usedesk refused does not keep the others from being sent."""
    from airflow_provider_usedesk.batch import send_window

    monkeypatch.setattr(send_window, "MOST_UNANSWERED", 3)
    usedesk_sandbox.fail(faults.answer(200, {"code": 119, "error": "no client"}), method="create/ticket")
    usedesk_sandbox.fail(faults.close("after"), method="create/ticket", times=14)
    run = run_batch(MANY.format(options=options), RETRIED)
    assert run.state == "success", run.printed
    assert "1 of 40 rows failed: 1 rejected. Ended early with " in run.printed
    assert " rows left. The next attempt sends them. The log names" in run.printed
    assert len({ticket.subject for ticket in usedesk_sandbox.tickets}) == len(usedesk_sandbox.tickets) == 40


def test_too_many_failures_are_not_retried(run_batch, usedesk_sandbox):
    """Usedesk would refuse them again, and the batch would end again."""
    usedesk_sandbox.fail(faults.answer(200, {"code": 119, "error": "no client"}), times=40)
    run = run_batch(MANY.format(options="max_failures=2,"), RETRIED)
    assert run.state == "failed"
    assert re.search(r"Ended early with \d+ rows left\. The log names", run.printed)
    summary = summary_of(run)
    assert summary["left"] > 0
    assert usedesk_sandbox.requests("create/ticket") == summary["rejected"]


MANY = """
CreateTicketBatchOperator(
    task_id="send",
    recipients=[{{"id": number, "subject": f"Number {{number}}"}} for number in range(40)],
    row_key="id",
    message="m",
    max_in_flight=4,
    {options}
    CHECKPOINT,
)
"""
RETRIED = "default_args={'retries': 2, 'retry_delay': 0.1}"


LOST = {"before": faults.close(), "after": faults.close("after"), "html": faults.html(502, "after")}


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
def test_lost_responses_are_looked_up(run_batch, usedesk_sandbox, fault, no_delay):
    usedesk_sandbox.fail(fault, method="create/ticket", times=3)
    run = run_batch(MANY.format(options=""))
    assert run.state == "success"
    assert sorted(ticket.subject for ticket in usedesk_sandbox.tickets) == sorted(
        f"Number {number}" for number in range(40)
    )
    assert summary_of(run)["sent"] == 40


def test_retry_sends_the_rest(run_batch, usedesk_sandbox, dies_twice, no_delay):
    run = run_batch(MANY.format(options=""), RETRIED)
    assert run.state == "success"
    assert sorted(ticket.subject for ticket in usedesk_sandbox.tickets) == sorted(
        f"Number {number}" for number in range(40)
    )
    summary = summary_of(run)
    assert summary["sent"] + summary["skipped"] == 40


def test_rejected_rows_fail_without_retry(run_batch, usedesk_sandbox):
    usedesk_sandbox.fail(faults.answer(200, {"code": 119, "error": "no client"}), times=2)
    run = run_batch(MANY.format(options=""), RETRIED)
    # Usedesk would refuse them again.
    assert run.state == "failed"
    assert summary_of(run)["rejected"] == 2
    assert len(usedesk_sandbox.tickets) == 38


def test_fail_on_none_succeeds(run_batch, usedesk_sandbox, caplog):
    usedesk_sandbox.fail(faults.answer(200, {"code": 119, "error": "no client"}), times=2)
    run = run_batch(MANY.format(options="fail_on='none',"))
    assert run.state == "success"
    assert ": UsedeskClientNotFound: " in run.printed + caplog.text


def test_wrong_token_fails_without_retry(run_batch, usedesk_sandbox, monkeypatch):
    connection = {**usedesk_sandbox.connection, "password": "another-token-0123456789"}
    monkeypatch.setenv("AIRFLOW_CONN_USEDESK_DEFAULT", json.dumps(connection))
    run = run_batch(MANY.format(options=""), RETRIED)
    assert run.state == "failed"
    assert "UsedeskInvalidToken" in run.printed
    # Those that were in flight when the first was refused.
    assert usedesk_sandbox.requests("create/ticket") <= 8


def test_quiet_hours_defer_the_task(usedesk_sandbox, tmp_path):
    now = datetime.now(UTC)
    quiet = (f"{now - timedelta(hours=1):%H:%M}", f"{now + timedelta(hours=2):%H:%M}")
    operator = CreateTicketBatchOperator(
        task_id="send",
        recipients=[{"id": 1, "subject": "s"}],
        row_key="id",
        message="m",
        quiet_hours=quiet,
        timezone="UTC",
        deferrable=True,
        checkpoint_path=str(tmp_path),
    )
    context = attempt_context()
    with pytest.raises(TaskDeferred) as caught:
        operator.execute(context)
    until = datetime.fromisoformat(caught.value.trigger.serialize()[1]["until"])
    assert timedelta(hours=1, minutes=58) < until - now <= timedelta(hours=2)
    assert caught.value.method_name == "execute_complete"
    assert usedesk_sandbox.requests() == 0
    operator.quiet_hours = (quiet[1], quiet[0])
    assert operator.execute_complete(context, {"until": until.isoformat()})["sent"] == 1


def test_on_kill_stops_the_batch(usedesk_sandbox, tmp_path):
    def rows():
        operator.on_kill()
        yield {"id": 1, "subject": "s"}

    operator = CreateTicketBatchOperator(
        task_id="send", recipients=rows, row_key="id", message="m", checkpoint_path=str(tmp_path)
    )
    operator.on_kill()
    with pytest.raises(AirflowException, match="The task was stopped with 1 rows left"):
        operator.execute(attempt_context())
    assert usedesk_sandbox.requests() == 0


def test_stop_while_files_are_opened_sends_nothing(usedesk_sandbox, tmp_path):
    """Object storage can take longer than the lease, so the lease is the last check before the POST."""

    class StopsWhenOpened(type(tmp_path)):
        checks = 0

        def is_file(self):
            StopsWhenOpened.checks += 1
            if self.checks > 1:
                operator.on_kill()
            return super().is_file()

    (tmp_path / "a.txt").write_text("a")
    operator = CreateTicketBatchOperator(
        task_id="send",
        recipients=[{"id": 1, "subject": "s"}],
        row_key="id",
        message="m",
        files=[StopsWhenOpened(tmp_path / "a.txt")],
        checkpoint_path=str(tmp_path / "checkpoint"),
    )
    context = attempt_context()
    with pytest.raises(AirflowException, match="The task was stopped with 1 rows left"):
        operator.execute(context)
    assert (StopsWhenOpened.checks, usedesk_sandbox.requests()) == (2, 0)
    assert context["ti"].pushed["summary"]["unknown"] == 0


@pytest.mark.skipif(HAS_STATE_STORES, reason="this Airflow has a state store")
def test_airflow_2_requires_checkpoint_path(run_dag, usedesk_sandbox):
    run = run_dag(dag(MANY.format(options="").replace("CHECKPOINT,", "")))
    assert run.state == "failed"
    assert "checkpoint_path: is required before Airflow 3.3" in run.printed
    assert usedesk_sandbox.requests() == 0


@pytest.mark.skipif(not HAS_STATE_STORES, reason="this Airflow has no state store")
def test_state_store_resumes_batch(run_dag, usedesk_sandbox, dies_twice, no_delay):
    run = run_dag(dag(MANY.format(options="").replace("CHECKPOINT,", ""), RETRIED))
    assert run.state == "success"
    assert len({ticket.subject for ticket in usedesk_sandbox.tickets}) == len(usedesk_sandbox.tickets) == 40


class AttemptsOfBatch:
    """Attempts of one batch task, or of its mapped instances, with a checkpoint of either kind."""

    def __init__(self, folder):
        self.folder = folder
        self.stores = {}

    def run(
        self,
        rows,
        *,
        try_number=1,
        map_index=-1,
        max_tries=3,
        clear_number=0,
        run_type=None,
        scheduled=timedelta(),
        is_resumed=False,
        **arguments,
    ):
        operator = CreateTicketBatchOperator(
            task_id="task",
            recipients=[{"id": number, "subject": f"Number {number}"} for number in rows],
            row_key="id",
            message="m",
            checkpoint_path=self.folder,
            **arguments,
        )
        store = None if self.folder else self.stores.setdefault(map_index, StateStore())
        context = attempt_context(try_number, max_tries, store)
        context["ti"].map_index = map_index
        dag_run = context["dag_run"]
        dag_run.clear_number = clear_number
        dag_run.run_type = run_type
        # The contract reads when the run began.
        dag_run.start_date = dag_run.run_after
        dag_run.run_after = None if scheduled is None else datetime.now(UTC) - scheduled
        return operator.execute_complete(context) if is_resumed else operator.execute(context)


REHEARSED = [
    {"id": 1, "client_phone": "+7 912 345-67-01", "name": "Anna"},
    {"id": 2, "client_phone": "79123456790", "name": "Boris", "template_lang": "en"},
    {"id": 3, "client_phone": "twelve", "name": "Clara"},
    {"id": 1, "client_phone": "+7 912 345-67-01", "name": "Anna"},
    {"client_phone": "79123456791", "name": "Dora"},
]
REHEARSAL = """
SendWhatsAppTemplateBatchOperator(
    task_id="send",
    recipients={rows!r},
    row_key="id",
    channel_id=123,
    template_id=8094,
    row_template={{"template_variables": ["{{{{ row.name }}}}", "18:00"]}},
    max_bad_rows={max_bad_rows!r},
    results_path={path!r},
    dry_run="{{{{ params.dry_run }}}}",
    max_lateness=timedelta(seconds=1),
    CHECKPOINT,
)
"""


def body_of_rehearsal(path, max_bad_rows="50%"):
    return REHEARSAL.format(rows=REHEARSED, path=str(path), max_bad_rows=max_bad_rows)


class TestRehearsal:
    params = "params={'dry_run': True}"

    @pytest.mark.parametrize("ending", ["jsonl", "csv"])
    def test_each_request_is_written(self, run_batch, usedesk_sandbox, tmp_path, ending):
        path = tmp_path / f"rehearsal.{ending}"
        run = run_batch(body_of_rehearsal(path), self.params)
        assert run.state == "success", run.printed
        lines = path.read_text()
        if ending == "csv":
            rows = [{**row, "row": int(row["row"])} for row in csv.DictReader(lines.splitlines())]
            requests = {row["row"]: json.loads(row["request"]) for row in rows if row["request"]}
        else:
            rows = [json.loads(line) for line in lines.splitlines()]
            requests = {row["row"]: row["request"] for row in rows if row["request"]}
        assert [(row["row"], row["outcome"]) for row in rows] == [
            (1, "left"),
            (2, "left"),
            (3, "bad"),
            (4, "duplicate"),
            (5, "bad"),
        ]
        assert "client_phone: " in rows[2]["reason"]
        assert "row_key: " in rows[4]["reason"]
        assert requests[1]["client_phone"] == "79123456701"
        assert requests[1]["template_variables"] == ["Anna", "18:00"]
        assert (requests[2]["template_lang"], requests[2]["from"]) == ("en", "user")
        assert set(requests) == {1, 2}
        assert usedesk_sandbox.connection["password"] not in lines

    def test_request_is_that_of_a_real_run(self, run_attempt_of_batch, usedesk_sandbox, tmp_path):
        path = tmp_path / "rehearsal.jsonl"
        (tmp_path / "notes.txt").write_text("n")
        arguments = {
            "recipients": [{"id": 1, "subject": "s", "custom_fields": {12: True}}],
            "files": [("list.txt", b"x"), str(tmp_path / "notes.txt")],
            "results_path": str(path),
        }
        run_attempt_of_batch(**arguments, dry_run=True)
        request = json.loads(path.read_text())["request"]
        run_attempt_of_batch(**arguments)
        [ticket] = usedesk_sandbox.tickets
        assert request.pop("files") == [file.name for file in ticket.files] == ["list.txt", "notes.txt"]
        assert request["additional_id"] == ticket.additional_id
        assert {name: str(value) for name, value in request.items()} == {
            name: str(ticket.received[name]) for name in request
        }

    def test_nothing_is_sent_or_stored(self, run_batch, usedesk_sandbox, tmp_path):
        run = run_batch(body_of_rehearsal(tmp_path / "rehearsal.csv"), self.params)
        assert usedesk_sandbox.requests() == 0
        assert not (tmp_path / "checkpoint").exists()
        summary = summary_of(run)
        assert summary["dry_run"] is True
        counts = [summary[name] for name in ("rows", "sent", "left", "bad", "duplicate", "requests")]
        assert counts == [5, 0, 2, 2, 1, 0]
        assert run.xcoms["send", -1]["return_value"] == summary

    def test_only_the_file_is_personal(self, run_batch, usedesk_sandbox, tmp_path, caplog):
        caplog.set_level("INFO")
        run = run_batch(body_of_rehearsal(tmp_path / "rehearsal.csv"), self.params)
        seen = run.printed + caplog.text + str(run.xcoms) + str(run.rendered)
        assert not [name for name in ("Anna", "Boris", "79123456701", "79123456790") if name in seen]
        assert (
            "Rehearsal, nothing was sent. 5 rows: 2 valid, 1 duplicate, 2 bad." in run.printed + caplog.text
        )

    def test_too_many_bad_rows_fail_after_all_rows(self, run_batch, usedesk_sandbox, tmp_path):
        path = tmp_path / "rehearsal.jsonl"
        run = run_batch(body_of_rehearsal(path, max_bad_rows=1), self.params)
        assert run.state == "failed"
        assert "Rehearsal: 2 of 5 rows are bad, and max_bad_rows is 1." in run.printed
        assert len(path.read_text().splitlines()) == 5
        assert summary_of(run)["left"] == 2

    def test_stopped_rehearsal_fails(self, usedesk_sandbox, tmp_path):
        def rows():
            operator.on_kill()
            yield {"id": 1, "subject": "s"}
            raise AssertionError("a stopped rehearsal reads no more rows")

        operator = CreateTicketBatchOperator(
            task_id="task",
            recipients=rows,
            row_key="id",
            message="m",
            dry_run=True,
            results_path=str(tmp_path / "r.csv"),
        )
        with pytest.raises(AirflowException, match="stopped during the rehearsal"):
            operator.execute(attempt_context())


@pytest.fixture(params=["folder", "state store"])
def attempts(request, usedesk_sandbox, tmp_path, no_delay, monkeypatch):
    from airflow_provider_usedesk.batch import run_state

    monkeypatch.setattr(run_state, "SendWindow", partial(run_state.SendWindow, lease_seconds=0.5))
    return AttemptsOfBatch(str(tmp_path / "checkpoint") if request.param == "folder" else None)


class TestRehearsalAndAttempts:
    """A rehearsal changes nothing for the attempts that send, before it and after it."""

    @pytest.fixture
    def rehearsal(self, tmp_path):
        return {"dry_run": True, "results_path": str(tmp_path / "rehearsal.csv")}

    @pytest.mark.parametrize("sends_again", [True, False])
    def test_clear_after_rehearsal_sends_all(self, attempts, usedesk_sandbox, rehearsal, sends_again):
        attempts.run(range(5), **rehearsal, send_again_on_clear=sends_again)
        assert not any(attempts.stores.values())
        cleared = {"try_number": 2, "max_tries": 5, "clear_number": 1, "send_again_on_clear": sends_again}
        assert attempts.run(range(5), **cleared)["sent"] == 5
        assert usedesk_sandbox.requests("tickets") == 0

    def test_sent_rows_stay_sent(self, attempts, usedesk_sandbox, rehearsal):
        attempts.run(range(5))
        assert attempts.run(range(7), try_number=2, **rehearsal)["left"] == 7
        summary = attempts.run(range(7), try_number=3)
        assert (summary["sent"], summary["skipped"], summary["recipients_changed"]) == (2, 5, True)


HOURS = timedelta(hours=1)


class RunType(str, Enum):  # noqa: UP042 - as in Airflow 3, which has another hash than the text
    SCHEDULED = "scheduled"
    MANUAL = "manual"
    BACKFILL = "backfill"
    ASSET = "asset_triggered"


class TestLateness:
    late: ClassVar = {"max_lateness": 2 * HOURS, "run_type": RunType.SCHEDULED, "scheduled": 3 * HOURS}

    @pytest.mark.parametrize("run_type", [RunType.SCHEDULED, RunType.BACKFILL, "scheduled", RunType.ASSET])
    def test_late_run_is_skipped(self, attempts, usedesk_sandbox, run_type, caplog):
        with pytest.raises(AirflowSkipException, match="The run begins 3:00:00 after its scheduled moment"):
            attempts.run(range(3), **{**self.late, "run_type": run_type})
        assert "max_lateness is 2:00:00. Nothing is sent." in caplog.text
        assert usedesk_sandbox.requests() == 0

    @pytest.mark.parametrize(
        "given",
        [
            {"run_type": RunType.MANUAL},
            {"run_type": "manual"},
            {"scheduled": HOURS},
            {"scheduled": None},
            {"max_lateness": None},
        ],
        ids=["manual", "manual on Airflow 2", "in time", "no moment", "no limit"],
    )
    def test_other_runs_are_not_skipped(self, attempts, usedesk_sandbox, given):
        assert attempts.run(range(3), **{**self.late, **given})["sent"] == 3

    @pytest.mark.parametrize("sends_again", [True, False])
    def test_begun_run_is_not_skipped(self, attempts, usedesk_sandbox, sends_again):
        usedesk_sandbox.fail(faults.answer(500, {}), method="create/ticket", times=6)
        begun = {**self.late, "send_again_on_clear": sends_again}
        with pytest.raises(AirflowException):
            attempts.run(range(3), **{**begun, "scheduled": HOURS})
        assert attempts.run(range(3), try_number=2, **begun)["left"] == 0
        cleared = attempts.run(range(3), try_number=3, max_tries=7, clear_number=1, **begun)
        assert cleared["skipped"] == (0 if sends_again else 3)
        assert len(usedesk_sandbox.tickets) == (6 if sends_again else 3)

    def test_skipped_run_stays_late(self, attempts, usedesk_sandbox):
        for number in (1, 2):
            with pytest.raises(AirflowSkipException):
                attempts.run(range(3), try_number=number, clear_number=number - 1, **self.late)

    def test_quiet_hours_do_not_count(self, attempts, usedesk_sandbox):
        now = datetime.now(UTC)
        quiet = {
            "quiet_hours": (f"{now - HOURS:%H:%M}", f"{now + 2 * HOURS:%H:%M}"),
            "timezone": "UTC",
            "deferrable": True,
        }
        with pytest.raises(TaskDeferred):
            attempts.run(range(3), **{**self.late, **quiet, "scheduled": HOURS})
        assert attempts.run(range(3), **self.late, is_resumed=True)["sent"] == 3

    def test_retry_after_quiet_hours_is_not_late(self, attempts, usedesk_sandbox):
        now = datetime.now(UTC)
        quiet = {
            "quiet_hours": (f"{now - HOURS:%H:%M}", f"{now + 2 * HOURS:%H:%M}"),
            "timezone": "UTC",
            "deferrable": True,
        }
        with pytest.raises(TaskDeferred):
            attempts.run(range(3), **{**self.late, **quiet, "scheduled": HOURS})
        assert attempts.run(range(3), try_number=2, **self.late)["sent"] == 3

    def test_other_mapped_instances_count_in_a_folder(self, attempts, usedesk_sandbox):
        attempts.run(range(3), map_index=0, **{**self.late, "scheduled": HOURS})
        late = {**self.late, "map_index": 1}
        if attempts.folder:
            assert attempts.run(range(3, 6), **late)["sent"] == 3
        else:
            with pytest.raises(AirflowSkipException):
                attempts.run(range(3, 6), **late)


@pytest.mark.parametrize(
    ("run", "moment"),
    [
        ({"run_type": "scheduled", "run_after": 3, "data_interval_end": 2, "logical_date": 1}, 3),
        ({"run_type": "scheduled", "data_interval_end": 2, "logical_date": 1}, 2),
        ({"run_type": "backfill", "data_interval_end": None, "logical_date": 1}, 1),
        ({"run_type": "dataset_triggered", "data_interval_end": 2, "logical_date": 1}, 1),
        ({"run_type": RunType.ASSET, "run_after": 3, "data_interval_end": 2, "logical_date": None}, 3),
        ({"run_type": RunType.MANUAL, "run_after": 3, "data_interval_end": 2, "logical_date": None}, None),
        ({"run_type": RunType.SCHEDULED, "run_after": None, "data_interval_end": None}, None),
    ],
)
def test_scheduled_moment(run, moment):
    assert scheduled_moment(SimpleNamespace(**run)) == moment


class TestClears:
    def test_lower_retries_are_no_clear(self, attempts, usedesk_sandbox):
        attempts.run(range(12), send_again_on_clear=True, retries=3)
        summary = attempts.run(range(12), try_number=2, send_again_on_clear=True, retries=2)
        assert (summary["sent"], summary["skipped"]) == (0, 12)

    @pytest.mark.parametrize(("sends_again", "sent"), [(True, 12), (False, 0)])
    def test_clear_sends_again_if_asked(self, attempts, usedesk_sandbox, sends_again, sent):
        attempts.run(range(12), send_again_on_clear=sends_again)
        cleared = {"max_tries": 5, "clear_number": 1, "send_again_on_clear": sends_again}
        assert attempts.run(range(12), try_number=2, **cleared)["sent"] == sent
        # Another task of the run is cleared before the retry.
        assert attempts.run(range(12), try_number=3, **{**cleared, "clear_number": 2})["sent"] == 0
        ids = {ticket.additional_id for ticket in usedesk_sandbox.tickets}
        assert len(ids) == len(usedesk_sandbox.tickets) == 12 + sent

    def test_row_key_of_a_column_with_an_empty_cell(self, attempts, usedesk_sandbox):
        attempts.run([1, 2])
        retried = attempts.run([1.0, float("nan"), 2.0], try_number=2, max_bad_rows=1)
        assert (retried["sent"], retried["skipped"]) == (0, 2)

    def test_taken_back_argument_sends_nothing(self, attempts, usedesk_sandbox):
        attempts.run(range(5))
        cleared = {"max_tries": 5, "clear_number": 1}
        attempts.run(range(8), try_number=2, send_again_on_clear=True, **cleared)
        sent = len(usedesk_sandbox.tickets)
        assert attempts.run(range(8), try_number=3, **cleared)["skipped"] == 8
        assert attempts.run(range(8), try_number=4, max_tries=7, clear_number=2)["skipped"] == 8
        assert len(usedesk_sandbox.tickets) == sent == 13

    def test_moved_lists_of_mapped_tasks(self, attempts, usedesk_sandbox):
        lists = [range(10), range(10, 20), range(20, 30)]
        for map_index, rows in enumerate(lists):
            attempts.run(rows, map_index=map_index)
        moved = [range(25, 35), range(10), range(10, 20), range(20, 25)]
        for map_index, rows in enumerate(moved):
            # The last one is new, so it is its first attempt.
            number = {"try_number": 1} if map_index == 3 else {"try_number": 2, "max_tries": 5}
            attempts.run(rows, map_index=map_index, clear_number=1, **number)
        subjects = Counter(ticket.subject for ticket in usedesk_sandbox.tickets)
        assert subjects == {f"Number {number}": 1 for number in range(35)}

    def test_lookup_only_after_clear(self, attempts, usedesk_sandbox):
        attempts.run(range(3), map_index=0)
        attempts.run(range(5), map_index=0, try_number=2)
        attempts.run(range(5, 8), clear_number=1)
        assert usedesk_sandbox.requests("tickets") == 0

    @pytest.mark.parametrize("sends_again", [True, False])
    def test_checkpoint_that_airflow_deleted(self, attempts, usedesk_sandbox, monkeypatch, sends_again):
        """With ``clear_on_success`` a task that succeeded has no state left when it is cleared."""
        monkeypatch.setenv("AIRFLOW__STATE_STORE__CLEAR_ON_SUCCESS", "True")
        attempts.run(range(5))
        attempts.stores.clear()
        cleared = {"try_number": 2, "max_tries": 5, "clear_number": 1, "send_again_on_clear": sends_again}
        attempts.run(range(8), **cleared)
        assert len(usedesk_sandbox.tickets) == (13 if sends_again else 8)


@pytest.mark.parametrize("damage", [None, "{}", "[]", "0", "null", ""])
@pytest.mark.parametrize("name", ["chunk-000001", "manifest"])
def test_gap_in_checkpoint_fails_without_retry(usedesk_sandbox, tmp_path, name, damage):
    attempts = AttemptsOfBatch(str(tmp_path))
    attempts.run(range(3))
    [file] = tmp_path.glob(f"*/e/*/{name}.json")
    file.unlink() if damage is None else file.write_text(damage)
    with pytest.raises(AirflowFailException, match=f"{name} .* Nothing is sent"):
        attempts.run(range(3), try_number=2)
    assert len(usedesk_sandbox.tickets) == 3


@pytest.fixture
def dies_twice(monkeypatch):
    """Two attempts die after some writes of the checkpoint; the next one waits for a short send lease."""
    from airflow_provider_usedesk.batch import run_state
    from airflow_provider_usedesk.batch.checkpoint_writer import CheckpointWriter

    monkeypatch.setattr(run_state, "SendWindow", partial(run_state.SendWindow, lease_seconds=2.0))
    write, writes = CheckpointWriter.write, Counter()

    def killed(self, *args):
        writes[self] += 1
        if len(writes) <= 2 and writes[self] > 4:
            raise RuntimeError("killed, for the test")
        return write(self, *args)

    monkeypatch.setattr(CheckpointWriter, "write", killed)


@pytest.fixture
def no_delay(monkeypatch):
    """Requests end at once, and Usedesk lists new tickets at once."""
    set_extra(monkeypatch, consistency_delay=0, timeout=0.5, connect_timeout=0.5)


def test_nan_of_json_lines_is_not_given(run_attempt_of_batch, usedesk_sandbox, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"id": 1, "client_name": NaN, "priority": NaN}\n{"id": NaN, "client_name": "Boris"}\n')
    summary = run_attempt_of_batch(recipients=str(path), subject="s", max_bad_rows=1, fail_on="none")
    assert (summary["sent"], summary["bad"]) == (1, 1)
    [ticket] = usedesk_sandbox.tickets
    assert "client_name" not in ticket.received


PHONE_ROWS = [
    {"id": 1, "client_phone": "8 (912) 345-67-89"},
    {"id": 2, "client_phone": "912 345-67-89 доб. 2"},
    {"id": 3, "client_phone": "050 123 45 67", "phone_region": "UA"},
    {"id": 4, "client_phone": "79123456789", "phone_region": None},
]


@pytest.mark.parametrize(("extra", "given"), [({"phone_region": "RU"}, {}), ({}, {"phone_region": "RU"})])
def test_phone_region_of_rows(run_attempt_of_batch, usedesk_sandbox, monkeypatch, extra, given):
    set_extra(monkeypatch, **extra)
    run_attempt_of_batch(recipients=PHONE_ROWS, subject="s", **given)
    phones = Counter(ticket.received["client_phone"] for ticket in usedesk_sandbox.tickets)
    assert phones == {"79123456789": 3, "380501234567": 1}


def test_wrong_phone_region_is_refused_before_rows(run_attempt_of_batch, usedesk_sandbox):
    def recipients():
        pytest.fail("the rows were read")
        yield {}

    with pytest.raises(AirflowFailException, match="phone_region: "):
        run_attempt_of_batch(recipients=recipients, subject="s", phone_region="UK")


def test_national_phone_in_rows_warns_once(run_attempt_of_batch, usedesk_sandbox, caplog):
    rows = [{"id": number, "client_phone": f"8912345678{number}"} for number in range(5)]
    run_attempt_of_batch(recipients=rows, subject="s")
    assert sum("phone_region" in record.getMessage() for record in caplog.records) == 1
