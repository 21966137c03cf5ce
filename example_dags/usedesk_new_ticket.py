"""
Start a Dag for new tickets with a tag, without inbound network (Airflow 3.0 and newer).

Unpause the Dag, and wait half a minute: tickets from before the first poll start nothing. Then write a ticket
with the tag ``refund`` in Usedesk (in the inbox of ``make up``: "Write as a client"). The triggerer sees the
ticket within seconds, and a run raises its priority and assigns a group.
"""

from __future__ import annotations

import logging
from datetime import datetime

from airflow_provider_usedesk.operators.ticket import UpdateTicketOperator
from airflow_provider_usedesk.triggers.ticket_events import TicketEventsTrigger

try:
    from airflow.sdk import Asset, AssetWatcher, dag, task
except ImportError:
    logging.getLogger(__name__).warning(
        "The example usedesk_new_ticket needs asset watchers, of Airflow 3.0 and newer. It makes no Dag here."
    )
else:
    refunds = Asset(
        "usedesk_refunds",
        watchers=[
            AssetWatcher(name="new_refunds", trigger=TicketEventsTrigger(tag="refund", poll_interval=5))
        ],
    )

    @dag(
        description="Run for each new ticket with a tag",
        schedule=[refunds],
        start_date=datetime(2026, 1, 1),
        catchup=False,
        tags=["usedesk", "example"],
        doc_md=__doc__,
    )
    def usedesk_new_ticket():
        @task
        def ticket_ids(triggering_asset_events=None) -> list[int]:
            events = [event for events in triggering_asset_events.values() for event in events]
            return [event.extra["payload"]["ticket_id"] for event in events]

        UpdateTicketOperator.partial(task_id="take_over", priority="urgent", group_id=13).expand(
            ticket_id=ticket_ids()
        )

    usedesk_new_ticket()
