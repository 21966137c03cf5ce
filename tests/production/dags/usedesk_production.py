"""What a production stack sends: mapped tasks and batches, to the connection that the run names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, task

from airflow_provider_usedesk.operators.batch import CreateTicketBatchOperator
from airflow_provider_usedesk.operators.message import SendWhatsAppTemplateOperator

CONNECTION = "{{ dag_run.conf['connection'] }}"
BUCKET = os.environ.get("USEDESK_BUCKET", "s3://s3@production")
SHARED: dict[str, Any] = {
    "start_date": datetime(2026, 1, 1),
    "schedule": None,
    "max_active_tasks": 100,
    # Deaths and outages take more attempts than a Dag usually has.
    "default_args": {"retries": 50, "retry_delay": timedelta(seconds=1), "usedesk_conn_id": CONNECTION},
}


def rows(dag_run: Any) -> Iterator[dict[str, Any]]:
    for number in range(1, dag_run.conf["rows"] + 1):
        yield {"id": number, "subject": f"Row {number}"}


class NotedBatchOperator(CreateTicketBatchOperator):
    """A batch that writes down its process for each attempt, into the folder of the run."""

    def execute(self, context: Any) -> dict[str, Any]:
        with Path(context["dag_run"].conf["attempts"]).open("a") as file:
            file.write(f"{os.getpid()}\n")
        return super().execute(context)


with DAG("production_batch", **SHARED):
    NotedBatchOperator(task_id="batch", recipients=rows, row_key="id", message="m", max_in_flight=4)


with DAG("production_batches", **SHARED):
    for worker in ("worker-1", "worker-2"):
        CreateTicketBatchOperator(task_id=worker, recipients=rows, row_key="id", message="m", queue=worker)


with DAG("production_storage", **SHARED):
    NotedBatchOperator(
        task_id="batch",
        recipients=f"{BUCKET}/recipients.csv",
        row_key="id",
        message="m",
        files=f"{BUCKET}/invoice.pdf",
        max_in_flight=4,
        results_path=f"{BUCKET}/results.jsonl",
        checkpoint_path=f"{BUCKET}/checkpoints",
    )


with DAG("production_mapped", **SHARED):

    @task(show_return_value_in_logs=False)
    def clients(dag_run: Any = None) -> list[dict[str, Any]]:
        return [
            {"client_phone": f"7951{number:07}", "subject": f"Client {number}"}
            for number in range(1, dag_run.conf["messages"] + 1)
        ]

    SendWhatsAppTemplateOperator.partial(task_id="send", channel_id=123, template_id=8094).expand_kwargs(
        clients()
    )
