"""
Open a ticket when a task or its Dag fails, comment on it at the next failure, and solve it on success.

Trigger the Dag with 0 orders: it fails, and a ticket is opened. Do it again: the ticket gets comments, and
the priority urgent. Trigger the Dag with 120 orders: the ticket is solved.
"""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import Param, dag, task
except ImportError:  # Airflow 2.11
    from airflow.decorators import dag, task
    from airflow.models.param import Param

from airflow_provider_usedesk.notifications.usedesk import UsedeskNotifier

# One failed run calls back twice, so only the callback of the task raises the priority.
TASK_FAILED = UsedeskNotifier(one_open_ticket_per="dag", tag="data", repeat_priority="urgent")
DAG_FAILED = UsedeskNotifier(one_open_ticket_per="dag", tag="data")
RECOVERED = UsedeskNotifier(one_open_ticket_per="dag", resolve=True)


@dag(
    description="Keep one ticket open while a Dag fails",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    params={
        "rows": Param(
            120,
            type="integer",
            minimum=0,
            title="Orders",
            description="How many orders there are; 0 makes the Dag fail",
        ),
    },
    # The callback of a task gets the exception. The one of the Dag is also called if a process is killed.
    default_args={"on_failure_callback": TASK_FAILED},
    on_failure_callback=DAG_FAILED,
    on_success_callback=RECOVERED,
    tags=["usedesk", "example"],
    doc_md=__doc__,
)
def usedesk_failure_alert():
    @task
    def load_orders(params: dict[str, int] | None = None) -> int:
        rows = params["rows"] if params else 0
        if not rows:
            raise ValueError("The shop sent no orders.")
        return rows

    load_orders()


usedesk_failure_alert()
