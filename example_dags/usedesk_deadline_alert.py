"""Open a ticket when a run takes too long (Airflow 3.1 and newer)."""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta

from airflow_provider_usedesk.notifications.usedesk import UsedeskNotifier

try:
    # Airflow 3.2 and newer has them in airflow.sdk, too.
    from airflow.sdk.definitions.deadline import AsyncCallback, DeadlineAlert, DeadlineReference
except ImportError:
    logging.getLogger(__name__).warning(
        "The example usedesk_deadline_alert needs deadlines, of Airflow 3.1 and newer. It makes no Dag here."
    )
else:
    from airflow.sdk import dag, task

    alert = AsyncCallback(UsedeskNotifier, kwargs={"one_open_ticket_per": "run", "priority": "urgent"})
    deadline = DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT, interval=timedelta(seconds=10), callback=alert
    )

    @dag(
        schedule=None,
        start_date=datetime(2026, 1, 1),
        params={"seconds": 0},
        deadline=deadline,
        tags=["usedesk"],
    )
    def usedesk_deadline_alert():
        """Run this Dag with {"seconds": 30} to miss its deadline."""

        @task
        def close_the_day(params: dict[str, int] | None = None) -> None:
            time.sleep(params["seconds"] if params else 0)

        close_the_day()

    usedesk_deadline_alert()
