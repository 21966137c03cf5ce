"""Open a ticket when a task or its Dag fails, comment on it at the next failure, and solve it on success."""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2.11
    from airflow.decorators import dag, task

from airflow_provider_usedesk.notifications.usedesk import UsedeskNotifier

# One failed run calls back twice, so only the callback of the task raises the priority.
TASK_FAILED = UsedeskNotifier(one_open_ticket_per="dag", tag="data", repeat_priority="urgent")
DAG_FAILED = UsedeskNotifier(one_open_ticket_per="dag", tag="data")
RECOVERED = UsedeskNotifier(one_open_ticket_per="dag", resolve=True)


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    params={"rows": 120},
    # The callback of a task gets the exception. The one of the Dag is also called if a process is killed.
    default_args={"on_failure_callback": TASK_FAILED},
    on_failure_callback=DAG_FAILED,
    on_success_callback=RECOVERED,
    tags=["usedesk"],
)
def usedesk_failure_alert():
    """Run this Dag with {"rows": 0} to make it fail."""

    @task
    def load_orders(params: dict[str, int] | None = None) -> int:
        rows = params["rows"] if params else 0
        if not rows:
            raise ValueError("The shop sent no orders.")
        return rows

    load_orders()


usedesk_failure_alert()
