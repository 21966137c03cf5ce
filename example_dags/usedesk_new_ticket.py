"""Start a Dag for new tickets with a tag, without inbound network."""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2.11
    from airflow.decorators import dag, task
from airflow.sdk import Asset, AssetWatcher

from airflow_provider_usedesk.operators.ticket import UpdateTicketOperator
from airflow_provider_usedesk.triggers.ticket_events import TicketEventsTrigger

refunds = Asset(
    "usedesk_refunds",
    watchers=[AssetWatcher(name="new_refunds", trigger=TicketEventsTrigger(tag="refund", poll_interval=5))],
)


@dag(schedule=[refunds], start_date=datetime(2026, 1, 1), catchup=False, tags=["usedesk", "example"])
def usedesk_new_ticket():
    @task
    def ticket_ids(triggering_asset_events=None) -> list[int]:
        events = [event for events in triggering_asset_events.values() for event in events]
        return [event.extra["payload"]["ticket_id"] for event in events]

    UpdateTicketOperator.partial(task_id="take_over", priority="urgent", group_id=13).expand(
        ticket_id=ticket_ids()
    )


usedesk_new_ticket()
