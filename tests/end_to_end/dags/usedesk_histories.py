"""Tasks to which something happens between two attempts; each history has its own Dag and connection."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from airflow_provider_usedesk.operators.batch import CreateTicketBatchOperator
from airflow_provider_usedesk.operators.message import SendWhatsAppTemplateOperator
from airflow_provider_usedesk.operators.ticket import CreateTicketOperator
from tests.support.dags import DAG, task

FOLDER = Path(os.environ.get("USEDESK_HISTORIES", "."))
PHONES = ["79250000001", "79250000002", "79250000003"]
ROWS = 24
CHANNEL = 20055

ticket = {"subject": "Reminder", "message": "m", "client_phone": PHONES[0]}
template = {"channel_id": CHANNEL, "template_name": "Main", "template_variables": ["Valeria"]}


def history(name: str, **default_args: Any) -> DAG:
    return DAG(
        f"usedesk_{name}",
        start_date=datetime(2026, 1, 1),
        schedule=None,
        default_args={"usedesk_conn_id": f"usedesk_{name}", **default_args},
    )


class Noted:
    """A task that writes down its processes: the supervisor and the worker."""

    def execute(self, context: Any) -> Any:
        with (FOLDER / f"{context['ti'].dag_id}.pids").open("a") as file:
            file.write(f"{os.getppid()} {os.getpid()}\n")
        return super().execute(context)  # type: ignore[misc]


class NotedOperator(Noted, CreateTicketOperator):
    pass


class NotedBatchOperator(Noted, CreateTicketBatchOperator):
    """A batch that calls its supervisor only to begin and to end, so that a frozen one does not block it."""

    def _options(self) -> Any:
        return replace(super()._options(), report_seconds=3600)


def rows() -> Iterator[dict[str, Any]]:
    for number in range(1, ROWS + 1):
        yield {"id": number, "client_phone": f"7925100{number:04d}"}


with history("renamed", retries=1, retry_delay=timedelta(seconds=20)):
    CreateTicketOperator(task_id="send", **ticket)


with history("slow", retries=2, retry_delay=timedelta(seconds=1)):
    CreateTicketOperator(task_id="send", **ticket)


with history("forgotten", retries=1, retry_delay=timedelta(seconds=20)):
    CreateTicketOperator(task_id="send", **ticket)


with history("frozen"):
    NotedOperator(task_id="send", **ticket)


with history("frozen_batch"):
    NotedBatchOperator(
        task_id="send",
        recipients=rows,
        row_key="id",
        subject="Reminder",
        message="m",
        max_in_flight=2,
        checkpoint_path=str(FOLDER / "checkpoints"),
    )


with history("moved"):

    @task
    def people() -> list[str]:
        return json.loads((FOLDER / "people.json").read_text())

    SendWhatsAppTemplateOperator.partial(task_id="send", **template).expand(client_phone=people())


with history("loop", retries=1, retry_delay=timedelta(seconds=1)):

    @task
    def send_all(**context: Any) -> None:
        for phone in PHONES:
            SendWhatsAppTemplateOperator(
                task_id="reminder", usedesk_conn_id="usedesk_loop", client_phone=phone, **template
            ).execute(context)
        if context["ti"].try_number == 1:
            raise RuntimeError("All were sent, and the task fails.")

    send_all()


def alert(context: Any) -> None:
    CreateTicketOperator(
        task_id="alert",
        usedesk_conn_id="usedesk_alerted",
        subject="Alert",
        message="m",
        client_phone=PHONES[1],
    ).execute(context)


with history("alerted"):
    CreateTicketOperator(task_id="send", on_failure_callback=alert, **ticket)
