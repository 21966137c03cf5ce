"""A Dag that starts with each new ticket that has a tag."""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import Asset, AssetAny, AssetWatcher
except ImportError:  # Airflow 2 has no watchers
    Asset = AssetAny = AssetWatcher = None

from airflow_provider_usedesk.triggers.ticket_events import TicketEventsTrigger
from tests.support.dags import dag, task

POLL_SECONDS = 2
NAME = "usedesk_watched"


def watched(name, tag):
    trigger = TicketEventsTrigger(tag=tag, poll_interval=POLL_SECONDS)
    return Asset(name, watchers=[AssetWatcher(name=name, trigger=trigger)])


if Asset:
    assets = [watched(NAME, "refund"), watched("usedesk_watched_too", "vip")]

    @dag(schedule=AssetAny(*assets), start_date=datetime(2026, 1, 1))
    def usedesk_watches():
        @task
        def note(triggering_asset_events=None) -> list[int]:
            events = [event for events in triggering_asset_events.values() for event in events]
            return [event.extra["payload"]["ticket_id"] for event in events]

        note()

    usedesk_watches()
