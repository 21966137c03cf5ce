"""A Dag that fails as often as it is told to, and recovers."""

from __future__ import annotations

from datetime import datetime

from airflow_provider_usedesk.notifications.usedesk import UsedeskNotifier
from tests.support.dags import dag, task

FAILED = UsedeskNotifier(one_open_ticket_per="dag", timeout=600)
RECOVERED = UsedeskNotifier(one_open_ticket_per="dag", resolve=True, timeout=600)


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    max_active_runs=16,
    params={"fails": True},
    on_success_callback=RECOVERED,
)
def usedesk_flaps():
    @task(on_failure_callback=FAILED)
    def flap(params=None) -> None:
        if params["fails"]:
            raise ValueError("the warehouse is <down>")

    flap()


usedesk_flaps()
