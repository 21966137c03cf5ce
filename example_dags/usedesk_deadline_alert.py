"""Open a ticket when a run takes too long (Airflow 3.1 and newer)."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2.11
    from airflow.decorators import dag, task

from airflow_provider_usedesk.notifications.usedesk import UsedeskNotifier

try:
    from airflow.sdk import AsyncCallback, DeadlineAlert, DeadlineReference
except ImportError:  # Airflow before 3.1 has no deadlines
    options = {}
else:
    alert = AsyncCallback(UsedeskNotifier, kwargs={"one_open_ticket_per": "run", "priority": "urgent"})
    deadline = DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT, interval=timedelta(seconds=10), callback=alert
    )
    options = {"deadline": deadline}


@dag(schedule=None, start_date=datetime(2026, 1, 1), params={"seconds": 0}, tags=["usedesk"], **options)
def usedesk_deadline_alert():
    """Run this Dag with {"seconds": 30} to miss its deadline."""

    @task
    def close_the_day(params: dict[str, int] | None = None) -> None:
        time.sleep(params["seconds"] if params else 0)

    close_the_day()


usedesk_deadline_alert()
