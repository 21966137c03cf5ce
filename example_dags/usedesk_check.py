"""
Check once whether the account does what the delivery contract expects, and show the report.

Trigger the Dag. It opens one private ticket, and finds it again as an operator does after a lost response.
The task ``show`` returns the findings.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2.11
    from airflow.decorators import dag, task

from airflow_provider_usedesk.operators.check import CheckDeliveryContractOperator


@dag(
    description="Check an account once",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    tags=["usedesk", "example"],
    doc_md=__doc__,
)
def usedesk_check():
    @task
    def show(report: dict[str, Any]) -> list[str]:
        return report["findings"]

    show(CheckDeliveryContractOperator(task_id="check").output)


usedesk_check()
