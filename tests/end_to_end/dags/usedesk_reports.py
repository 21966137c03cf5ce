"""A Dag that starts with each delivery report."""

from __future__ import annotations

from datetime import datetime

from airflow_provider_usedesk.assets import usedesk_asset
from tests.support.dags import dag, task


@dag(schedule=[usedesk_asset("usedesk_default", "delivery")], start_date=datetime(2026, 1, 1))
def usedesk_reports():
    @task
    def note(triggering_asset_events=None) -> list[list]:
        reports = [event.extra for events in triggering_asset_events.values() for event in events]
        return [[report["ticket_id"], report["delivery_status"]] for report in reports]

    note()


usedesk_reports()
