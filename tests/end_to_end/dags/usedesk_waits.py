"""Sensors that wait for many tickets at once."""

from __future__ import annotations

from datetime import datetime

from airflow_provider_usedesk.sensors.ticket import TicketStatusSensor
from tests.support.dags import dag, task

POLL_SECONDS = 3


@dag(schedule=None, start_date=datetime(2026, 1, 1), max_active_tasks=200, params={"tickets": []})
def usedesk_waits():
    @task
    def tickets(params=None) -> list[int]:
        return params["tickets"]

    TicketStatusSensor.partial(
        task_id="wait", deferrable=True, poke_interval=POLL_SECONDS, timeout=1200
    ).expand(ticket_id=tickets())


usedesk_waits()
