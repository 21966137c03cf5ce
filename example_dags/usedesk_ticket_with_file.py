"""
Write a report every Monday and open a ticket with it.

Trigger the Dag. The ticket has two files: one that a task wrote, and one from memory. The file of the task is
removed, even if the ticket was not opened.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from tempfile import mkdtemp

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2.11
    from airflow.decorators import dag, task

from airflow_provider_usedesk.operators.ticket import CreateTicketOperator


@dag(
    description="Open a ticket with a weekly report",
    schedule="0 7 * * MON",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["usedesk", "example"],
    doc_md=__doc__,
)
def usedesk_ticket_with_file():
    @task
    def write_report() -> str:
        # With workers on several machines use a location that all of them can read, such as s3://.
        report = Path(mkdtemp(prefix="usedesk-report-")) / "weekly.csv"
        report.write_text("check,failures\nmissing e-mail,17\nunknown country,3\n")
        return f"file://{report}"

    @task
    def remove_report(report: str) -> None:
        path = Path(report.removeprefix("file://"))
        path.unlink()
        path.parent.rmdir()

    report = write_report()
    ticket = CreateTicketOperator(
        task_id="open_ticket",
        subject="Data quality: findings of the week",
        message="<p>The findings are in the file.</p>",
        private_comment=True,
        files=[report, ("about.txt", b"Written by a Dag.\n")],
    )
    ticket >> remove_report(report).as_teardown(setups=report)


usedesk_ticket_with_file()
