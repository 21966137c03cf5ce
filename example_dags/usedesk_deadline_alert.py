"""
Open a ticket when a run takes too long (Airflow 3.1 and newer).

Trigger the Dag. Its 30 seconds of work miss the deadline, which is 10 seconds after the run was queued. The
triggerer opens one ticket for the run, 10 to 20 seconds after the deadline, and logs it. The log of the task
has nothing about it.
"""

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
    from airflow.sdk import Param, dag, task

    alert = AsyncCallback(UsedeskNotifier, kwargs={"one_open_ticket_per": "run", "priority": "urgent"})
    deadline = DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT, interval=timedelta(seconds=10), callback=alert
    )

    @dag(
        description="Open a ticket when a run takes too long",
        schedule=None,
        start_date=datetime(2026, 1, 1),
        params={
            "seconds": Param(
                30,
                type="integer",
                minimum=0,
                title="Seconds of work",
                description="More than 10 miss the deadline",
            ),
        },
        deadline=deadline,
        tags=["usedesk", "example"],
        doc_md=__doc__,
    )
    def usedesk_deadline_alert():
        @task
        def close_the_day(params: dict[str, int] | None = None) -> None:
            time.sleep(params["seconds"] if params else 0)

        close_the_day()

    usedesk_deadline_alert()
